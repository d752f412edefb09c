"""Data sets of simulated rooms."""
