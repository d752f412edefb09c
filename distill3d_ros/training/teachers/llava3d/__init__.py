"""LLaVA-3D-7B as a teacher: CLIP features of posed RGB-D views, pooled in voxels of the world, read by a Llama."""

from distill3d_ros.training.teachers.llava3d.teacher import Llava3dTeacher, load_teacher

__all__ = ["Llava3dTeacher", "load_teacher"]
