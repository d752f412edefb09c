"""Furnishing of simulated rooms."""
