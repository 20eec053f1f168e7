"""Data by its own formats: what can be used of it as frozen examples, and a report of what cannot."""
