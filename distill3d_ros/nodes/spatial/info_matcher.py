"""The camera_info that belongs to an image."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TypeAlias

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from distill3d_ros.nodes.conversions.images import stamp_to_ns
from distill3d_ros.system.texts import shown

Picture: TypeAlias = "Image | CompressedImage"
Pair: TypeAlias = tuple[Picture, CameraInfo]

PATIENCE_S = 0.15
"""An image waits so long for the camera_info of its own stamp; then the newest one serves."""
_INFOS_KEPT = 16
_MISSES_ALLOWED = 3
_ASPECT_TOLERANCE = 0.01


class InfoMatcher:
    """Finds the camera_info that belongs to an image: the one with its stamp, or else the newest of the same camera.

    Image and camera_info travel apart, so an image may have to wait a moment for its own. Of cameras whose stamps never
    match (a latched camera_info, say) no image waits.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[int, CameraInfo] = OrderedDict()
        self._held: Picture | None = None
        self._held_since = 0.0
        self._misses = _MISSES_ALLOWED
        """Images in a row whose own camera_info never came; starts as if there were no matching ones."""
        self.newest: CameraInfo | None = None
        self.unmatched = 0
        """Images that no camera_info was found for."""
        self.problem = ""
        """Why the last one found none; empty when it did."""

    def image(self, message: Picture) -> Pair | None:
        """The pair to go on with, or None as long as it is not complete."""
        late = None
        if self._held is not None:
            self._misses += 1
            late = self._with_newest(self._held)
        self._held = None
        own = self._known.get(stamp_to_ns(message.header.stamp))
        if own is not None:
            self._misses, self.problem = 0, ""
            return message, own
        if self.newest is not None and self._misses >= _MISSES_ALLOWED:
            return self._with_newest(message)
        self._held, self._held_since = message, time.monotonic()
        return late

    def info(self, message: CameraInfo) -> Pair | None:
        """The pair that this one completes, if an image waits for it."""
        stamp_ns = stamp_to_ns(message.header.stamp)
        self.newest = self._known[stamp_ns] = message
        while len(self._known) > _INFOS_KEPT:
            self._known.popitem(last=False)
        if self._held is None or stamp_to_ns(self._held.header.stamp) != stamp_ns:
            return None
        image, self._held, self._misses, self.problem = self._held, None, 0, ""
        return image, message

    def overdue(self) -> Pair | None:
        """The image that has waited long enough, with the newest camera_info."""
        if self._held is None or self.newest is None or time.monotonic() - self._held_since < PATIENCE_S:
            return None
        held, self._held = self._held, None
        self._misses += 1
        return self._with_newest(held)

    def _with_newest(self, image: Picture) -> Pair | None:
        if self.newest is None:  # said elsewhere: there is no camera_info at all
            self.unmatched += 1
            return None
        self.problem = _mismatch(image, self.newest)
        if self.problem:
            self.unmatched += 1
            return None
        return image, self.newest


def _mismatch(image: Picture, info: CameraInfo) -> str:
    """Why a camera_info of another stamp is not this image's; empty where it may be."""
    ours, theirs = image.header.frame_id, info.header.frame_id
    if ours and theirs and ours != theirs:
        return f"the images are of frame {shown(ours)}, the camera_info is of frame {shown(theirs)}"
    if not isinstance(image, Image) or not info.width or not info.height or not image.width or not image.height:
        return ""  # a size that makes no sense is told where the image is decoded
    stretch = (image.width / info.width) / (image.height / info.height)
    if (info.roi.width and info.roi.height) or abs(stretch - 1.0) <= _ASPECT_TOLERANCE:
        return ""
    return f"the images have {image.width}x{image.height} pixels, the camera_info is for {info.width}x{info.height}"
