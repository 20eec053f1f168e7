"""Exporters: from a reference model to an artifact, proven in its own runtime, with a sidecar that describes it."""
