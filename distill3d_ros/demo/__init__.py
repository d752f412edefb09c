"""The demo: a simulated robot in unseen rooms, asked through ROS 2."""
