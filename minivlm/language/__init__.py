"""Language modules: the fusion transformer, its heads, text layout and decoding."""
