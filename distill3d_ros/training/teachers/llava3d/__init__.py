"""LLaVA-3D-7B as a teacher: CLIP features of posed RGB-D views, pooled in voxels of the world, read by a Llama."""
