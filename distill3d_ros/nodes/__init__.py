"""ROS 2 glue: messages in, messages out."""
