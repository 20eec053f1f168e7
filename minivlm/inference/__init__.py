"""From a photo to a caption, an answer or a verdict, on any runtime."""
