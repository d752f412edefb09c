"""The camera node's parameters."""

from __future__ import annotations

from distill3d_ros.nodes.setting import Setting

CAMERA_SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="source",
        default="drive",
        choices=("drive", "folder", "bag"),
        description="What to play: a simulated robot's drive, a folder of pictures, or a bag.",
    ),
    Setting(name="path", default="", description="The folder or the bag (.mcap, .db3 or its folder)."),
    Setting(name="image_topic", default="", description="Topic of the bag's images; empty for the first one."),
    Setting(
        name="seed", default=0, low=0, high=2**31 - 1, description="Which room and which way the simulated drive takes."
    ),
    Setting(
        name="room_type",
        default="",
        description="Type of the simulated room: living_room, bedroom, kitchen, office, bathroom; empty for any.",
    ),
    Setting(
        name="split",
        default="test",
        choices=("train", "test"),
        description="Furniture of the simulated room: models that training saw, or models it never saw.",
    ),
    Setting(name="frames", default=120, low=1, high=100000, description="Length of the simulated drive, in frames."),
    Setting(name="width", default=640, low=32, high=4096, description="Pixels of the simulated image."),
    Setting(name="height", default=480, low=32, high=4096, description="Pixels of the simulated image."),
    Setting(
        name="horizontal_fov",
        default=60.0,
        low=10.0,
        high=150.0,
        description="Degrees; of the simulated camera, and of a folder's pictures that come without camera.yaml.",
    ),
    Setting(name="rate", default=10.0, low=0.1, high=120.0, live=True, description="Frames a second."),
    Setting(name="loop", default=True, description="Start again at the end; false ends the node there."),
    Setting(name="compressed", default=False, description="Publish image/compressed (JPEG) instead of image."),
    Setting(
        name="reliability",
        default="reliable",
        choices=("best_effort", "reliable"),
        description="QoS of what is published; reliable serves every subscriber.",
    ),
    Setting(name="frame_id", default="camera_optical_frame", description="The camera's tf frame."),
    Setting(
        name="start_subscribers",
        default=0,
        low=0,
        high=16,
        description="Wait for this many subscribers of the image before the first frame.",
    ),
)
