"""Furnishing: which things stand where in a simulated room."""
