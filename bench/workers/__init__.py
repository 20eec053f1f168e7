"""Processes that measure: started, watched and stopped."""
