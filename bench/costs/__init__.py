"""Parameters and multiply-adds, counted."""
