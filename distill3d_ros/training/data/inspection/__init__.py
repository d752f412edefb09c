"""Data sets shown and counted."""
