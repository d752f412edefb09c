"""Pixels to tokens: patch embeddings and the VGGT encoder."""
