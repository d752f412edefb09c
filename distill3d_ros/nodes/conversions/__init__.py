"""ROS messages <-> the words of ``scene``."""
