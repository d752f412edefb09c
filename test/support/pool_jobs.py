"""Jobs of a pool of processes, in a module that its processes can import."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

from distill3d_ros.system.files import temporary_path, whole_file


class UnreadableError(Exception):
    """An error that cannot be made again from its message."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a} of {b} are wrong")


def prepare(folder: Path) -> Callable[[str, Callable[[str], None]], tuple[str, int]]:
    def do(job: str, tell: Callable[[str], None]) -> tuple[str, int]:
        tell(f"{job} begun")
        if job == "exit":
            temporary_path(folder / "half").write_text("written half")
            os._exit(7)
        if job == "user's":
            raise ValueError("size must be positive. Got -1")
        if job == "disk":
            raise OSError(errno.ENOSPC, "No space left; make room", str(folder / "shard.tar"))
        if job == "other":
            raise UnreadableError(1, 2)
        if job == "until told":
            while (folder / "waiting").exists():
                time.sleep(0.01)
        if job == "long":
            with whole_file(folder / "long") as part:
                part.write_text("written half")
                tell("writing")
                time.sleep(60)
        return job.upper(), os.getpid()

    return do
