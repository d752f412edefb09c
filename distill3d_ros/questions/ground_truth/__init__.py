"""Questions about a scene whose answers are known: generated from its geometry, balanced, and put into words."""
