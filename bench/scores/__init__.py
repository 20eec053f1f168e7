"""What models and artifacts can still do: task scores side by side."""
