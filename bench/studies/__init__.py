"""Studies whose result is committed: each can be repeated with one command."""
