"""A folder for each format."""
