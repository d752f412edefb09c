"""Spatial questions, metric depth and 3D boxes from a robot's RGB camera, in ROS 2."""

__version__ = "0.1.0"
