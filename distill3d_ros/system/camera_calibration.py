"""Camera calibration files."""

from __future__ import annotations

from pathlib import Path

from distill3d_ros.scene.frame import Intrinsics


def read_camera_yaml(file: Path) -> Intrinsics:
    """The camera in a file as camera_calibration and camera_info_manager write it.

    Raises:
        ValueError: an entry is missing or wrong.
    """
    import yaml  # here, because most commands do without it

    try:
        data = yaml.safe_load(file.read_text())
        k = [float(value) for value in data["camera_matrix"]["data"]]
        width, height = int(data["image_width"]), int(data["image_height"])
        fx, cx, fy, cy = k[0], k[2], k[4], k[5]
    except (KeyError, IndexError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(
            f"'{file}' must have image_width, image_height and camera_matrix.data (9 numbers), "
            f"as camera_calibration writes it: {error!r}"
        ) from error
    return Intrinsics(fx=fx, fy=fy, cx=cx, cy=cy, width=width, height=height)


def for_image(camera: Intrinsics, *, width: int, height: int, origin: str) -> Intrinsics:
    """The intrinsics for an image of the calibration's size, or of the same picture resized.

    Raises:
        ValueError: the image has another shape; ``origin`` names it in the message.
    """
    if abs(camera.width * height - camera.height * width) > 0.01 * camera.width * height:
        raise ValueError(
            f"{origin} is {width}x{height} but its calibration is for {camera.width}x{camera.height}, another shape"
        )
    return camera if (camera.width, camera.height) == (width, height) else camera.resized(width=width, height=height)
