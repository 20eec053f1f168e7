"""An export from its flags to its closing message."""
