"""Milliseconds that a frame costs the memory with many remembered things: ``python scripts/memory_cost.py``."""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path

import numpy as np

from distill3d_ros.memory.map_memory import MapMemory
from distill3d_ros.memory.observation import Observation
from distill3d_ros.memory.store import MemoryStore
from distill3d_ros.scene.frame import FloatArray, Intrinsics
from distill3d_ros.scene.objects import Box3D, Scene, SceneObject

CAMERA = Intrinsics.from_fov(width=640, height=480, horizontal_fov=math.radians(80))
LABELS = ("chair", "table", "cabinet", "plant", "box")


def observation(places: FloatArray, at: int, stamp_ns: int, rng: np.random.Generator) -> Observation:
    """A frame at the ``at``-th of ``places`` (N, 2), level, that looks along x and detects what is within 4 m."""
    pose = np.eye(4)
    pose[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    pose[:3, 3] = *(places[at] - (2.0, 0.0)), 1.0
    level = np.stack([-(places[:, 1] - pose[1, 3]), np.full(len(places), 0.6), places[:, 0] - pose[0, 3]], 1)
    seen = np.flatnonzero((level[:, 2] > 0.8) & (level[:, 2] < 4) & (np.abs(level[:, 0]) < 0.8 * level[:, 2]))
    objects = tuple(
        SceneObject(
            id=int(i) + 1,
            label=LABELS[i % len(LABELS)],
            box=Box3D(center=level[i] + rng.normal(0, 0.03, 3), size=np.array([0.5, 0.8, 0.5]), yaw=0.0),
            score=0.9,
        )
        for i in seen
        if rng.random() < 0.7
    )
    depth = np.full((CAMERA.height, CAMERA.width), 3.0)
    scene = Scene(objects=objects, intrinsics=CAMERA, depth=depth, stamp_ns=stamp_ns)
    return Observation.with_sigmas(scene, pose, position_m=0.02, rotation_rad=0.01)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--things", type=int, default=200)
    parser.add_argument("--frames", type=int, default=300)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    side = math.ceil(math.sqrt(options.things))
    places = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)[: options.things] * 1.0
    with tempfile.TemporaryDirectory() as folder, MemoryStore(Path(folder) / "memory.sqlite") as store:
        memory = store.load("bench")
        stamp = fill(memory, places, rng)
        observing, cpu, saving, detected = [], [], [], []
        for k in range(options.frames):
            frame = observation(places, int(rng.integers(len(places))), stamp + k * 10**11, rng)
            before, before_cpu = time.perf_counter(), time.process_time()
            update = memory.observe(frame)
            observing.append(time.perf_counter() - before)
            cpu.append(time.process_time() - before_cpu)
            before = time.perf_counter()
            store.save(memory)
            saving.append(time.perf_counter() - before)
            detected.append(len(update.matched))
    print(
        f"{len(memory.things)} things, {len(memory.remembered())} present; {np.mean(detected):.1f} detections a frame"
    )
    for name, values in (("observe", observing), ("observe, processor time", cpu), ("save", saving)):
        milliseconds = 1e3 * np.array(values)
        print(f"{name}: median {np.median(milliseconds):.2f} ms, 95 % {np.percentile(milliseconds, 95):.2f} ms")


def fill(memory: MapMemory, places: FloatArray, rng: np.random.Generator) -> int:
    """Shows every place; the stamp after it. The robot has time to drive from each to the next."""
    stamp = 10**9
    for at in range(len(places)):
        memory.observe(observation(places, at, stamp, rng))
        stamp += 10**11
    return stamp


if __name__ == "__main__":
    main()
