"""A process that saves a memory after each frame and then prints the frame's stamp, until it is killed."""

from __future__ import annotations

import sys

import numpy as np
from support.memory_drives import Drive, camera_pose

from distill3d_ros.memory.store import MemoryStore


def main() -> None:
    with MemoryStore(sys.argv[1]) as store:
        memory = store.load("home")
        drive = Drive(rng=np.random.default_rng(0), stamp_ns=(memory.newest_ns or 0) + 1_000_000_000)
        drive.add("chair", (3.0, 2.5))
        while True:
            drive.show(memory, camera_pose(1.0, 2.5, 0.0))
            if not store.save(memory):
                raise SystemExit(store.error)
            print(memory.newest_ns, flush=True)


if __name__ == "__main__":
    main()
