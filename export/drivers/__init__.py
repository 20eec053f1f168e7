"""What the system has to have for an accelerator: found, or set up in a cache folder without root."""
