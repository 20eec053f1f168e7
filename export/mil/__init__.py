"""A reference executor of Core ML's programs, for systems without Core ML."""
