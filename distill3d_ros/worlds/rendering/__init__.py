"""Rendering of simulated rooms, by OpenGL or ray casting."""
