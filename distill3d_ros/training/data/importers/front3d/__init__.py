"""3D-FRONT: houses, furniture and rendered rooms."""
