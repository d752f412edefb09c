"""ros2 launch distill3d_ros distill3d.launch.py image:=/camera/image_raw camera_info:=/camera/camera_info"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

# name: (default, description)
ARGUMENTS = {
    "image": ("/camera/image_raw", "Topic of the camera's images"),
    "camera_info": ("/camera/camera_info", "Topic of the camera's calibration"),
    "namespace": ("", "Namespace of the nodes"),
    "play": ("false", "Also start the camera node"),
    "source": ("drive", "What the camera node plays: drive, folder or bag"),
    "path": ("", "The folder or bag that the camera node plays"),
    "seed": ("0", "Which simulated room the camera node drives through"),
    "rate": ("10.0", "Frames a second of the camera node"),
    "rviz": ("false", "Also start RViz"),
}


def generate_launch_description() -> LaunchDescription:
    config = PathJoinSubstitution([FindPackageShare("distill3d_ros"), "config"])
    profile = PathJoinSubstitution([config, "fastdds.xml"])
    value = {name: LaunchConfiguration(name) for name in [*ARGUMENTS, "params_file"]}
    camera_topics = [("image", value["image"]), ("camera_info", value["camera_info"])]
    return LaunchDescription(
        [
            *(DeclareLaunchArgument(name, default_value=d, description=text) for name, (d, text) in ARGUMENTS.items()),
            DeclareLaunchArgument(
                "params_file",
                default_value=PathJoinSubstitution([config, "spatial_node.yaml"]),
                description="Parameters of the spatial node",
            ),
            # Without it most images larger than half a megabyte are lost between processes.
            SetEnvironmentVariable("FASTDDS_DEFAULT_PROFILES_FILE", profile),
            SetEnvironmentVariable("FASTRTPS_DEFAULT_PROFILES_FILE", profile),
            Node(
                package="distill3d_ros",
                executable="camera_node",
                name="camera_node",
                namespace=value["namespace"],
                output="screen",
                condition=IfCondition(value["play"]),
                parameters=[
                    {
                        "source": value["source"],
                        "path": ParameterValue(value["path"], value_type=str),
                        "seed": ParameterValue(value["seed"], value_type=int),
                        "rate": ParameterValue(value["rate"], value_type=float),
                    }
                ],
                remappings=camera_topics,
            ),
            Node(
                package="distill3d_ros",
                executable="spatial_node",
                name="spatial_node",
                namespace=value["namespace"],
                output="screen",
                parameters=[value["params_file"]],
                remappings=[*camera_topics, ("image/compressed", [value["image"], "/compressed"])],
            ),
            Node(
                package="rviz2",
                executable="rviz2",
                name="rviz2",
                output="screen",
                condition=IfCondition(value["rviz"]),
                arguments=["-d", PathJoinSubstitution([config, "distill3d.rviz"])],
            ),
        ]
    )
