"""What was measured: one JSON line a measurement, its schema, its file and its repeats."""
