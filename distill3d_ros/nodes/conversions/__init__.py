"""Conversions between ROS messages and the types of ``scene`` and ``questions``."""
