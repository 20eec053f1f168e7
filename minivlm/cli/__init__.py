"""The command `minivlm`."""
