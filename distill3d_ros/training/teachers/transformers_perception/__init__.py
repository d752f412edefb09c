"""Public networks of transformers as teachers of perception: one estimates depth, one detects things."""

from distill3d_ros.training.teachers.transformers_perception.teacher import PerceptionTeacher, load_perception_teacher

__all__ = ["PerceptionTeacher", "load_perception_teacher"]
