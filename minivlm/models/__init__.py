"""The models by name: frozen configs, what they build, and the sizes that training decides."""
