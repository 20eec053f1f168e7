"""Vision modules: the TEE detector and the extractors it is compared with."""
