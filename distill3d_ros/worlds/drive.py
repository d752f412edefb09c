"""A simulated robot's drive through a room: a closed path with clearance from the furniture."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import CubicSpline

from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.worlds.camera_pose import CameraPose
from distill3d_ros.worlds.cameras import pose_along
from distill3d_ros.worlds.room import Room

CELL = 0.05
"""Metres a cell of the grid in which the path is planned."""

GAZE_STEP = 0.1
"""Seconds between the planned viewing directions."""

DIRECTIONS = 120
"""Directions that the planned view chooses from; one step of 3 degrees each 0.1 s is 30 degrees a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveConfig:
    """Configuration of the robot, its camera and its drive."""

    speed: float = 0.3
    """Metres a second."""
    robot_radius: float = 0.18
    """Metres; the path's centre line keeps at least this far from everything lower than the camera mast."""
    camera_height: float = 0.9
    """Metres above the floor."""
    camera_pitch: float = -8.0
    """Degrees; up is positive."""
    horizontal_fov: float = 69.0
    """Degrees."""
    width: int = 640
    """Pixels."""
    height: int = 480
    """Pixels."""
    look_ahead: float = 0.2
    """0: a pan unit turns the camera to where most things are; 1: it points along the path."""
    turn_rate: float = 40.0
    """Degrees a second; the camera never turns faster."""
    waypoints: int = 6
    """Waypoints of the loop, drawn with the seed."""

    def __post_init__(self) -> None:
        for name in ("speed", "robot_radius", "camera_height", "horizontal_fov", "width", "height", "turn_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"drive {name} must be positive. Got {getattr(self, name)}")
        if not 0.0 <= self.look_ahead <= 1.0:
            raise ValueError(f"drive look_ahead must lie between 0 and 1. Got {self.look_ahead}")
        if self.waypoints < 3:
            raise ValueError(f"drive waypoints must be at least 3 for a loop. Got {self.waypoints}")


class Drive:
    """A closed, smooth path through ``room``; the same seed gives the same path.

    Raises ValueError when the room has no floor free for the robot.
    """

    def __init__(self, room: Room, *, config: DriveConfig | None = None, seed: int = 0) -> None:
        self.config = config or DriveConfig()
        self.room = room
        free = clearance(room, height=self.config.camera_height + 0.15)
        path = plan_loop(free, self.config, np.random.default_rng([seed, room.seed]))
        self._spline, self.length = _through(path, free, self.config.robot_radius)
        self._yaw = self._plan_gaze()

    @property
    def duration(self) -> float:
        """Seconds for one round."""
        return self.length / self.config.speed

    def position(self, time: float) -> FloatArray:
        """(2,) metres, ``time`` seconds after the start; the drive repeats."""
        return np.asarray(self._spline((time * self.config.speed) % self.length))

    def heading(self, time: float) -> float:
        """Radians about the vertical from +x, of the driving direction."""
        dx, dy = self._spline((time * self.config.speed) % self.length, 1)
        return math.atan2(dy, dx)

    def camera(self, time: float) -> CameraPose:
        """The camera's pose after ``time`` seconds."""
        config = self.config
        x, y = self.position(time)
        k = Intrinsics.from_fov(
            width=config.width, height=config.height, horizontal_fov=math.radians(config.horizontal_fov)
        )
        return pose_along(
            k,
            eye=np.array([x, y, config.camera_height]),
            yaw=self.gaze(time),
            pitch=math.radians(config.camera_pitch),
        )

    def gaze(self, time: float) -> float:
        """Radians about the vertical from +x, of the camera's viewing direction."""
        steps = len(self._yaw) - 1
        return float(np.interp((time / self.duration % 1.0) * steps, np.arange(steps + 1), self._yaw))

    def _plan_gaze(self) -> FloatArray:
        """(T + 1,) yaw over one round: the turn-limited sequence of directions with the most things in view."""
        steps = max(8, int(self.duration / GAZE_STEP))
        times = np.arange(steps) * self.duration / steps
        worth = np.stack([self._view_value(t) for t in times])  # (T, DIRECTIONS)
        limit = math.radians(self.config.turn_rate) * self.duration / steps
        # The second of three rounds, so that neither the start nor the end influences it.
        chosen = best_sequence(np.tile(worth, (3, 1)), turn=1)
        yaw = np.unwrap(chosen * 2 * math.pi / DIRECTIONS)
        yaw = ndimage.gaussian_filter1d(yaw, 0.7 / GAZE_STEP, mode="nearest")
        turns = np.clip(np.diff(yaw), -limit, limit)
        yaw = yaw[0] + np.append(0.0, np.cumsum(turns))
        return np.asarray(yaw[steps : 2 * steps + 1])

    def _view_value(self, time: float) -> FloatArray:
        """(DIRECTIONS,) value of each viewing direction: visible things from 0.6 to 4.5 m, near ones count more."""
        yaw = np.arange(DIRECTIONS) * 2 * math.pi / DIRECTIONS
        ahead = np.cos(yaw - self.heading(time))
        named = self.room.labelled()
        if not named:
            return ahead
        centers = np.array([o.box.center for o in named])
        position = self.position(time)
        offset = centers[:, :2] - position  # (N, 2)
        distance = np.linalg.norm(offset, axis=1)
        value = np.where((distance > 0.6) & (distance < 4.5), 1.0 / (1.0 + 0.3 * distance), 0.0)
        value *= self.room.in_sight([*position, self.config.camera_height], centers)
        beside = np.abs(np.angle(np.exp(1j * (yaw[:, None] - np.arctan2(offset[:, 1], offset[:, 0])))))
        half = math.radians(self.config.horizontal_fov) / 2
        inside = np.clip((half - beside) / (0.3 * half), 0.0, 1.0)  # (DIRECTIONS, N); things at the rim count less
        share = self.config.look_ahead
        return (1.0 - share) * (inside @ value) + share * ahead


def best_sequence(worth: FloatArray, *, turn: int) -> NDArray[np.integer]:
    """(T,) columns with the largest sum of ``worth`` (T, D); neighbours differ by at most ``turn``, cyclically."""
    shifts = np.arange(-turn, turn + 1)
    total = worth[0]
    came = np.zeros(worth.shape, int)
    columns = np.arange(worth.shape[1])
    for i in range(1, len(worth)):
        before = np.stack([np.roll(total, shift) for shift in shifts])  # row k: coming from column - shift
        best = before.argmax(axis=0)
        came[i] = (columns - shifts[best]) % worth.shape[1]
        total = before[best, columns] + worth[i]
    sequence = [int(total.argmax())]
    for i in range(len(worth) - 1, 0, -1):
        sequence.append(int(came[i, sequence[-1]]))
    return np.array(sequence[::-1])


def clearance(room: Room, *, height: float) -> FloatArray:
    """(X, Y) metres from every cell of the floor to the nearest wall or furniture that is lower than ``height``."""
    width, depth = (math.ceil(float(s) / CELL) for s in room.size[:2])
    x = (np.arange(width) + 0.5) * CELL
    y = (np.arange(depth) + 0.5) * CELL
    blocked = np.zeros((width + 2, depth + 2), bool)
    blocked[[0, -1], :] = blocked[:, [0, -1]] = True
    for placed in room.objects:
        box = placed.box
        if box.center[2] - box.size[2] / 2 > height or box.size[2] < 0.03:
            continue  # hangs above the robot, or is a rug
        c, s = math.cos(box.yaw), math.sin(box.yaw)
        dx, dy = x[:, None] - box.center[0], y[None, :] - box.center[1]
        own_x, own_y = c * dx + s * dy, c * dy - s * dx
        blocked[1:-1, 1:-1] |= (np.abs(own_x) <= box.size[0] / 2) & (np.abs(own_y) <= box.size[1] / 2)
    return np.asarray(ndimage.distance_transform_edt(~blocked))[1:-1, 1:-1] * CELL


def plan_loop(free: FloatArray, config: DriveConfig, rng: np.random.Generator) -> FloatArray:
    """(N, 2) metres: a closed path over cells with enough clearance, through random waypoints round the room."""
    open_cells = free >= config.robot_radius + CELL  # smoothing the path takes some of it
    parts, count = ndimage.label(open_cells)
    if count == 0:
        raise ValueError(
            f"the room has no floor {config.robot_radius + CELL:.2f} m from all furniture; "
            f"choose another room or a smaller robot_radius. Got {config.robot_radius}"
        )
    largest = parts == 1 + int(np.argmax(ndimage.sum(open_cells, parts, range(1, count + 1))))
    cells = np.argwhere(largest)
    middle = cells.mean(axis=0)
    picked = cells[rng.choice(len(cells), size=max(config.waypoints * 4, 12))]
    offset = picked - middle
    angle = np.arctan2(offset[:, 1], offset[:, 0])
    # The farthest waypoint in each direction, so that the path is a loop round the room.
    sector = ((angle + math.pi) / (2 * math.pi) * config.waypoints).astype(int) % config.waypoints
    stops = []
    for k in range(config.waypoints):
        here = np.flatnonzero(sector == k)
        if len(here):
            stops.append(picked[here[np.argmax((offset[here] ** 2).sum(1))]])
    cost = np.where(largest, 1.0 + 0.6 * np.exp(-(free - config.robot_radius) / 0.15), np.inf)
    path: list[tuple[int, int]] = []
    for start, goal in zip(stops, stops[1:] + stops[:1], strict=True):
        path += shortest_path(cost, (int(start[0]), int(start[1])), (int(goal[0]), int(goal[1])))[:-1]
    return (np.array(path or [tuple(cells[0])], float) + 0.5) * CELL


def shortest_path(cost: FloatArray, start: tuple[int, int], goal: tuple[int, int]) -> list[tuple[int, int]]:
    """A* over the eight neighbours of each cell; both ends included. Cells of infinite cost are walls."""
    width, depth = cost.shape
    best = {start: 0.0}
    came: dict[tuple[int, int], tuple[int, int]] = {}
    queue = [(0.0, start)]
    while queue:
        _, cell = heapq.heappop(queue)
        if cell == goal:
            break
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)):
            x, y = cell[0] + dx, cell[1] + dy
            if not (0 <= x < width and 0 <= y < depth) or not math.isfinite(cost[x, y]):
                continue
            length = best[cell] + math.hypot(dx, dy) * float(cost[x, y])
            if length < best.get((x, y), math.inf):
                best[x, y] = length
                came[x, y] = cell
                heapq.heappush(queue, (length + math.hypot(goal[0] - x, goal[1] - y), (x, y)))
    path = [goal]
    while path[-1] != start:
        path.append(came[path[-1]])
    return path[::-1]


def _through(path: FloatArray, free: FloatArray, radius: float) -> tuple[CubicSpline, float]:
    """A closed curve by its length near the cells of ``path``, as smooth as its clearance allows."""
    for softness in (4.0, 2.5, 1.5, 0.8, 0.4):
        smooth: NDArray[np.floating] = ndimage.gaussian_filter1d(path, softness, axis=0, mode="wrap")
        closed = np.concatenate([smooth, smooth[:1]])
        length = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1)))
        keep = np.append(True, np.diff(length) > 1e-6)
        if keep.sum() < 4:  # no free path: stand still
            return CubicSpline([0.0, 0.5, 1.0], np.tile(path.mean(axis=0), (3, 1)), bc_type="periodic"), 1.0
        closed, length = closed[keep], length[keep]
        closed[-1] = closed[0]
        spline, total = CubicSpline(length, closed, bc_type="periodic"), float(length[-1])
        cells = (spline(np.linspace(0.0, total, 4 * len(path))) / CELL).astype(int)
        if free[tuple(np.clip(cells, 0, np.array(free.shape) - 1).T)].min() >= radius:
            break
    return spline, total
