"""Artifacts as programs, and as the networks of a pipeline."""
