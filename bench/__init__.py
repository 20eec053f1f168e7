"""The benchmark: the paper's tables, measurements and what they say."""
