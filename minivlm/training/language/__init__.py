"""Teaching the transformer: pre-training, the four tasks, and all of them at once, on regions that were kept."""
