"""Package for colcon (ament_python) and pip alike."""

import re
from pathlib import Path

from setuptools import find_packages, setup

NAME = "distill3d_ros"
ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (ROOT / NAME / "__init__.py").read_text()).group(1)


def shared(folder):
    """(destination, files) for every folder below ``folder``, as it stands."""
    files = [f.relative_to(ROOT) for f in sorted((ROOT / folder).rglob("*")) if f.is_file() and f.name != ".gitkeep"]
    return [(f"share/{NAME}/{f.parent}", [str(f)]) for f in files if "__pycache__" not in f.parts]


setup(
    name=NAME,
    version=VERSION,
    description="Spatial questions, metric depth and 3D boxes from a robot's RGB camera, in ROS 2",
    license="Apache-2.0",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["**/*.json", "**/*.yaml", "**/*.glsl"]},
    python_requires=">=3.10",
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *shared("launch"),
        *shared("config"),
        *shared("models/pico"),  # a robot needs no teacher
    ],
    entry_points={
        "console_scripts": [
            f"spatial_node = {NAME}.nodes.spatial_node:main",
            f"camera_node = {NAME}.nodes.camera_node:main",
            f"distill3d = {NAME}.cli.main:main",
        ]
    },
    zip_safe=False,
)
