"""One training sample: a frame, the truth about what it shows, and how both become the members of a shard.

Member names are ``<key>.<part>``: the picture as JPEG, depth as 16-bit PNG in millimetres (0 where unknown), the id
image as PNG (0 is the room itself), everything else as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Frame
from distill3d_ros.scene.objects import Scene

SIMULATED_SPLITS = ("train", "val", "test_known", "test_unseen")
"""Splits of simulated rooms, by room: ``val`` and ``test_known`` are unseen rooms with furniture models of the training
set, ``test_unseen`` has rooms and models that training never saw."""
SPLITS = (*SIMULATED_SPLITS, "test")
"""``test`` is of real rooms."""
UNKNOWN_ID = 65535
"""In the id image: a pixel of which nobody said what it shows."""

PARTS = ("depth.png", "ids.png", "rgb.jpg", "scene.json")
"""The members of a sample, in the order in which they lie in the tar."""

JPEG_QUALITY = 92
PNG_LEVEL = 2
"""zlib effort: level 9 saves a tenth of the bytes and costs ten times the time."""
MILLIMETRES = 1000.0
FAR = 65.5
"""Metres; 16-bit millimetres end here."""


class SampleError(ValueError):
    """A sample could not be read back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A frame with its truth."""

    key: str
    """Unique in the data set; no dots."""
    frame: Frame
    scene: Scene
    """Truth: boxes, depth, contacts, gaps and supports."""
    ids: NDArray[np.uint16]
    """(H, W) object id a pixel, 0 for walls, floor, ceiling and things of no category, ``UNKNOWN_ID`` where unknown."""
    room: str
    """Which room it was taken in; unique over all splits."""
    room_type: str
    split: str
    sequence: str = ""
    """Which drive through the room it belongs to, unique over all splits; empty for a single view."""
    index: int = 0
    """Its place in the sequence, from 0."""

    def __post_init__(self) -> None:
        check_key(self.key)
        if self.split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}. Got {self.split!r}")
        size = self.frame.image.shape[:2]
        if self.ids.shape != size:
            raise ValueError(f"ids must be (H, W) = {size} as the image. Got {self.ids.shape}")
        if self.scene.depth is None or self.scene.depth.shape != size:
            got = None if self.scene.depth is None else self.scene.depth.shape
            raise ValueError(f"scene.depth must be (H, W) = {size} as the image. Got {got}")


def check_key(key: str) -> None:
    """WebDataset takes everything before the first dot as the key."""
    if not key or "." in key or "/" in key or len(key) > 80:
        raise ValueError(f"key must have 1 to 80 characters, no dot and no slash. Got {key!r}")


def encode_sample(sample: Sample) -> dict[str, bytes]:
    """Part name -> bytes, in the order of ``PARTS``. The same sample always gives the same bytes."""
    assert sample.scene.depth is not None  # Sample checks it
    depth = np.nan_to_num(np.asarray(sample.scene.depth, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    depth = np.round(np.clip(depth, 0.0, FAR) * MILLIMETRES).astype(np.uint16)
    ids = sample.ids.astype(np.uint8 if sample.ids.max(initial=0) < 256 else np.uint16)
    png = [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL]
    return {
        "depth.png": _encode(".png", depth, png),
        "ids.png": _encode(".png", ids, png),
        "rgb.jpg": _encode(".jpg", sample.frame.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]),
        "scene.json": _scene_json(sample),
    }


def decode_sample(parts: Mapping[str, bytes]) -> Sample:
    """Reads ``encode_sample``'s parts back; images are RGB, depth is float32 metres."""
    data = _load_json(parts["scene.json"])
    image = _decode(parts["rgb.jpg"], cv2.IMREAD_COLOR, "rgb.jpg")
    depth = _decode(parts["depth.png"], cv2.IMREAD_UNCHANGED, "depth.png")
    ids = _decode(parts["ids.png"], cv2.IMREAD_UNCHANGED, "ids.png").astype(np.uint16)
    scene = Scene.from_dict(data, depth=depth.astype(np.float32) / np.float32(MILLIMETRES))
    pose = data.get("world_from_camera")
    frame = Frame(
        image=np.ascontiguousarray(image[..., ::-1]),
        intrinsics=scene.intrinsics,
        up=up_of(scene) if scene.annotation.gravity else None,
        world_from_camera=None if pose is None else np.asarray(pose, float),
        depth=scene.depth,
        stamp_ns=scene.stamp_ns,
        frame_id=scene.frame_id,
    )
    where = {name: data[name] for name in ("key", "room", "room_type", "split")}
    place = {name: data[name] for name in ("sequence", "index") if name in data}
    return Sample(frame=frame, scene=scene, ids=ids, **where, **place)


def decode_scene(scene_json: bytes) -> Scene:
    """Only the boxes and relations, without decoding an image: what questions are made from."""
    return Scene.from_dict(_load_json(scene_json))


def decode_place(scene_json: bytes) -> tuple[str, str]:
    """The room that a sample was taken in, and the type of that room."""
    data = _load_json(scene_json)
    return data["room"], data["room_type"]


def up_of(scene: Scene) -> FloatArray:
    """(3,) unit vector against gravity in the optical frame; the level frame's y axis points down."""
    up = -np.asarray(scene.level_from_optical[1], np.float64)
    return up / np.linalg.norm(up)


def _scene_json(sample: Sample) -> bytes:
    pose = sample.frame.world_from_camera
    data: dict[str, Any] = {
        **sample.scene.to_dict(),
        "key": sample.key,
        "room": sample.room,
        "room_type": sample.room_type,
        "split": sample.split,
        "world_from_camera": None if pose is None else np.round(pose, 6).tolist(),
    }
    if sample.sequence:
        data |= {"sequence": sample.sequence, "index": sample.index}
    return json.dumps(data, separators=(",", ":"), sort_keys=True).encode()


def _load_json(blob: bytes) -> dict[str, Any]:
    try:
        return json.loads(blob)
    except ValueError as error:
        raise SampleError(f"scene.json of a sample is not JSON ({error}); is the shard damaged?") from error


def _encode(extension: str, image: NDArray[Any], flags: list[int]) -> bytes:
    done, blob = cv2.imencode(extension, np.ascontiguousarray(image), flags)
    if not done:
        raise SampleError(f"OpenCV could not encode a {image.dtype} image of shape {image.shape} as {extension}")
    return blob.tobytes()


def _decode(blob: bytes, flags: int, part: str) -> NDArray[Any]:
    image = cv2.imdecode(np.frombuffer(blob, np.uint8), flags) if blob else None
    if image is None:
        raise SampleError(f"{part} of a sample is not an image ({len(blob)} bytes); is the shard damaged?")
    return image
