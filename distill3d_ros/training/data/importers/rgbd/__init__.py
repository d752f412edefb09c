"""Recordings of an RGB-D camera: pictures in a folder, and bags."""
