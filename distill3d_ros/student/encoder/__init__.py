"""The encoder: patch embeddings and VGGT's alternating attention."""
