"""Files that are written whole or not at all, and read with one line for whatever is wrong with them."""
