"""The same numbers in operators that converters take, for every format."""
