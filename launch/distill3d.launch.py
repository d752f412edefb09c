"""ros2 launch distill3d_ros distill3d.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info

Includes distill3d.launch.yaml, where the nodes and the arguments are. Arguments on the command line reach it, and
``--show-args`` lists them.
"""

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare


def generate_launch_description() -> LaunchDescription:
    file = PathJoinSubstitution([FindPackageShare("distill3d_ros"), "launch", "distill3d.launch.yaml"])
    return LaunchDescription([IncludeLaunchDescription(AnyLaunchDescriptionSource(file))])
