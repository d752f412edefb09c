"""The heads: depth, 3D boxes, camera and poses from the encoder's tokens."""
