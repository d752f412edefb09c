"""A queue of dependent processes, several at a time; one that fails does not stop the others."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from distill3d_ros.system.processes import Processes

WAITING, RUNNING, DONE, FAILED, STOPPED = "waiting", "running", "done", "failed", "stopped"
STOPPED_STATUS = 130
PROGRESS = re.compile(r"\b(\d+)/(\d+)\b")


@dataclass(slots=True, kw_only=True)
class Job:
    """A process to run."""

    name: str
    command: Sequence[str]
    log: Path
    """File to which its output is appended."""
    after: tuple[str, ...] = ()
    """Jobs that must have ended before, successful or not."""
    state: str = WAITING
    last_line: str = ""
    minutes: float = 0.0

    @property
    def progress(self) -> str:
        """ "62 %" of a training that prints its steps."""
        found = PROGRESS.search(self.last_line)
        return f"{100 * int(found[1]) // max(1, int(found[2]))} %" if found else "begun"


def run_jobs(
    jobs: Sequence[Job],
    *,
    at_once: int,
    memory_gb: float,
    env: dict[str, str],
    on_change: Callable[[Job], None],
    on_time: Callable[[], None],
    every_s: float = 60.0,
) -> None:
    """Runs all jobs; their ``state`` is the result of each.

    A job starts while fewer than ``at_once`` run and, except for the first, ``memory_gb`` are free. An exception
    (Ctrl-C) stops the running ones with SIGINT first, so that a training saves its checkpoint.

    Args:
        on_change: called when a job begins or ends.
        on_time: called every ``every_s`` seconds.
    """
    by_name = {job.name: job for job in jobs}
    began: dict[str, float] = {}

    def log_line(name: str, line: str) -> None:
        job = by_name[name]
        job.last_line = line or job.last_line
        with job.log.open("a") as stream:
            stream.write(line + "\n")

    with Processes(on_line=log_line) as processes:
        last_report = time.monotonic()
        while True:
            for name, status in processes.ended().items():
                processes.stop(name)
                job = by_name[name]
                job.minutes = (time.monotonic() - began[name]) / 60
                job.state = DONE if status == 0 else STOPPED if status == STOPPED_STATUS else FAILED
                if status < 0:
                    job.last_line = f"ended by {signal.Signals(-status).name}"
                on_change(job)
            running = len(processes.running())
            ready = next((j for j in jobs if j.state == WAITING and _may_begin(j, by_name)), None)
            if ready is not None and running < at_once and (not running or free_memory_gb() >= memory_gb):
                ready.log.parent.mkdir(parents=True, exist_ok=True)
                ready.log.touch()  # messages name it, even if the process is killed before its first line
                ready.state, began[ready.name] = RUNNING, time.monotonic()
                processes.start(ready.name, ready.command, env=env)
                on_change(ready)
                continue
            if not any(job.state == RUNNING for job in jobs) and ready is None:
                return
            if time.monotonic() - last_report >= every_s:
                last_report = time.monotonic()
                on_time()
            time.sleep(0.1)


def _may_begin(job: Job, by_name: dict[str, Job]) -> bool:
    return all(by_name[name].state not in (WAITING, RUNNING) for name in job.after if name in by_name)


def free_memory_gb() -> float:
    """Linux's MemAvailable; infinity where it is unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    found = next((line for line in lines if line.startswith("MemAvailable:")), None)
    return float("inf") if found is None else int(found.split()[1]) / 2**20
