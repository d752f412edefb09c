"""ScanNet's ``.sens`` files, version 4: colour, depth and poses of one scan in one file.

Layout, little-endian (``SensReader/c++/src/sensorData.h`` of ScanNet's repository): uint32 version; uint64 length and
that many characters, the sensor's name; four 4 x 4 float32 matrices by rows: intrinsics and extrinsics of colour, then
of depth; int32 compression of colour, of depth; uint32 width and height of colour, of depth; float32 depth units a
metre; uint64 number of frames. Each frame: 4 x 4 float32 camera-to-world; uint64 time of colour, of depth; uint64 bytes
of colour, of depth; the two blobs. Measurements of the IMU follow and are not read.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.training.data.importers.published_files import SourceError

VERSION = 4
JPEG, PNG = 2, 1
RAW_USHORT, ZLIB_USHORT = 0, 1
LONGEST_NAME = 4096
"""Characters; more than that is no name, and the file no .sens file."""
_HEADER = struct.Struct("<64f2i4IfQ")
_FRAME = struct.Struct("<16f4Q")
_AGAIN = "download it again"


@dataclass(frozen=True, slots=True)
class _Place:
    """Byte ranges of a frame in the file."""

    pose: tuple[float, ...]
    color: int
    color_bytes: int
    depth: int
    depth_bytes: int


class SensFile:
    """Frames of a ``.sens`` file in any order, each decoded when asked for. Frame numbers count from 0.

    Extrinsics are not used: colour and depth are published aligned (ScanNet's repository, issue 92).
    """

    def __init__(self, path: Path) -> None:
        """
        Raises:
            SourceError: the file is not in the format above, or ends early.
        """
        self.source = path
        with open(path, "rb") as file:
            self._read_header(file)
            self._places = [self._read_place(file, number) for number in range(self._frames)]
        self.numbers = self.views = tuple(range(self._frames))

    def pose(self, number: int) -> FloatArray:
        """(4, 4) camera-to-world as it is stored; not finite where tracking was lost."""
        return np.array(self._places[number].pose, np.float64).reshape(4, 4)

    def image(self, number: int) -> NDArray[np.uint8]:
        """(H, W, 3) RGB."""
        place = self._places[number]
        blob = np.frombuffer(self._blob(place.color, place.color_bytes), np.uint8)
        image = cv2.imdecode(blob, cv2.IMREAD_COLOR) if len(blob) else None
        if image is None or image.shape[:2] != (self.color.height, self.color.width):
            raise self._damaged(number, f"colour is no picture of {self.color.width} x {self.color.height}")
        return np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)

    def depth_image(self, number: int) -> NDArray[np.float32]:
        """(h, w) metres, 0 where unknown."""
        place = self._places[number]
        blob = self._blob(place.depth, place.depth_bytes)
        if self._depth_compression == ZLIB_USHORT:
            try:
                blob = zlib.decompress(blob)
            except zlib.error as error:
                raise self._damaged(number, f"depth cannot be unpacked ({error})") from error
        if len(blob) != 2 * self.depth.width * self.depth.height:
            raise self._damaged(number, f"depth has {len(blob)} bytes for {self.depth.width} x {self.depth.height}")
        units = np.frombuffer(blob, "<u2").reshape(self.depth.height, self.depth.width)
        return units.astype(np.float32) / np.float32(self._units_a_metre)

    def _read_header(self, file: BinaryIO) -> None:
        (version,) = struct.unpack("<I", self._exactly(file, 4, "the version"))
        if version != VERSION:
            raise SourceError(f"{self.source} has .sens version {version}, this program reads {VERSION}; {_AGAIN}")
        (length,) = struct.unpack("<Q", self._exactly(file, 8, "the sensor's name"))
        if length > LONGEST_NAME:
            raise SourceError(f"{self.source} has a sensor name of {length} characters; {_AGAIN}")
        self._exactly(file, length, "the sensor's name")
        values = _HEADER.unpack(self._exactly(file, _HEADER.size, "the header"))
        matrices = np.array(values[:64], np.float64).reshape(4, 4, 4)
        color_compression, self._depth_compression, cw, ch, dw, dh, units, self._frames = values[64:]
        self.color = intrinsics_of(matrices[0], width=cw, height=ch, source=self.source)
        self.depth = intrinsics_of(matrices[2], width=dw, height=dh, source=self.source)
        if color_compression not in (JPEG, PNG) or self._depth_compression not in (RAW_USHORT, ZLIB_USHORT):
            raise SourceError(
                f"{self.source} has colour compression {color_compression} and depth compression "
                f"{self._depth_compression}; 1 (png), 2 (jpeg) and 0 (raw_ushort), 1 (zlib_ushort) are read; export "
                "its frames with ScanNet's SensReader"
            )
        if not units > 0:
            raise SourceError(f"{self.source} has {units} depth units a metre; {_AGAIN}")
        self._units_a_metre = units

    def _read_place(self, file: BinaryIO, number: int) -> _Place:
        what = f"frame {number} of {self._frames}"
        values = _FRAME.unpack(self._exactly(file, _FRAME.size, what))
        color_bytes, depth_bytes = values[18:]
        at = file.tell()
        place = _Place(values[:16], at, color_bytes, at + color_bytes, depth_bytes)
        if color_bytes + depth_bytes > 0:
            file.seek(at + color_bytes + depth_bytes - 1)
            self._exactly(file, 1, what)
        return place

    def _exactly(self, file: BinaryIO, size: int, what: str) -> bytes:
        at, blob = file.tell(), file.read(size)
        if len(blob) != size:
            raise SourceError(f"{self.source} ends early, in {what} at byte {at}; {_AGAIN}")
        return blob

    def _blob(self, at: int, size: int) -> bytes:
        with open(self.source, "rb") as file:
            file.seek(at)
            return self._exactly(file, size, "a frame")

    def _damaged(self, number: int, what: str) -> SourceError:
        return SourceError(f"{self.source}, frame {number}: {what}; {_AGAIN}")


def intrinsics_of(matrix: FloatArray, *, width: int, height: int, source: Path) -> Intrinsics:
    """The camera of a published 3 x 3 or 4 x 4 intrinsic matrix, for pictures of ``width`` x ``height`` pixels.

    Raises:
        SourceError: it is none; the message names ``source``.
    """
    try:
        fx, fy, cx, cy = (float(matrix[row][column]) for row, column in ((0, 0), (1, 1), (0, 2), (1, 2)))
        return Intrinsics(fx=fx, fy=fy, cx=cx, cy=cy, width=width, height=height)
    except (ValueError, IndexError) as error:
        raise SourceError(f"{source} has no usable intrinsics: {error}; {_AGAIN}") from error
