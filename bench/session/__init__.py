"""One invocation of the benchmark: its flags, its folder, its rounds."""
