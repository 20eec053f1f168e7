"""Whether something changed: evidence from repeats, the verdict on it, and what could have been seen."""
