"""An export as a whole."""
