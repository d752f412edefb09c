"""The pool of processes: every job is done, failures speak, and nothing is left of a worker that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from support.pool_jobs import prepare

from distill3d_ros.system.worker_pool import RETRIES, JobDone, JobLost, JobProgress, WorkerError, WorkerPool


def pool_in(folder: Path, count: int = 1) -> WorkerPool[str, tuple[str, int], str]:
    return WorkerPool(partial(prepare, folder), count, folder=folder, describe=lambda job: f"{job}.tar")


def test_every_job_is_done_once_and_there_are_no_more_processes_than_jobs(tmp_path: Path) -> None:
    with pool_in(tmp_path, 8) as pool:
        events = list(pool.run(["a", "b"]))
        assert len(pool.pids()) == 2
    done = {e.job: e.result[0] for e in events if isinstance(e, JobDone)}
    assert done == {"a": "A", "b": "B"}
    assert sorted(e.value for e in events if isinstance(e, JobProgress)) == ["a begun", "b begun"]
    assert not pool.pids()
    with pool_in(tmp_path) as pool:
        assert list(pool.run([])) == []


@pytest.mark.parametrize(
    ("job", "error", "message"),
    [
        ("user's", ValueError, r"^size must be positive\. Got -1$"),
        ("disk", OSError, r"No space left; make room: .*shard\.tar"),
        ("other", WorkerError, "^UnreadableError: 1 of 2 are wrong$"),
    ],
)
def test_a_failure_has_the_workers_own_message(tmp_path: Path, job: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message), pool_in(tmp_path) as pool:
        list(pool.run([job]))


def test_a_job_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    lost = []
    with (
        pytest.raises(WorkerError, match=r"makes exit\.tar died 3 times, with status 7.*Fewer --workers"),
        pool_in(tmp_path) as pool,
    ):
        lost.extend(event for event in pool.run(["exit"]) if isinstance(event, JobLost))
    assert len(lost) == RETRIES
    assert not list(tmp_path.iterdir())


def test_leaving_ends_the_workers_and_removes_what_they_wrote(tmp_path: Path) -> None:
    with pool_in(tmp_path) as pool:
        for event in pool.run(["long"]):
            if isinstance(event, JobProgress) and event.value == "writing":
                assert list(tmp_path.iterdir())
                (pid,) = pool.pids()
                break
    assert not list(tmp_path.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from functools import partial; from pathlib import Path\n"
        "from distill3d_ros.system.worker_pool import WorkerPool; from support.pool_jobs import prepare\n"
        "folder = Path(sys.argv[1])\n"
        "with WorkerPool(partial(prepare, folder), 1, folder=folder) as pool:\n"
        "    for event in pool.run(['long']):\n"
        "        if event.value == 'writing': os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(tmp_path)]
    # A worker that lives on, for the 60 s of its job, would keep the pipe open.
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=40, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not list(tmp_path.iterdir())


def test_a_worker_that_dies_without_a_job_is_no_loss(tmp_path: Path) -> None:
    (tmp_path / "waiting").write_text("")
    with pool_in(tmp_path, 2) as pool:
        events = pool.run(["until told", "b"])
        idle = next(event.result[1] for event in events if isinstance(event, JobDone))
        os.kill(idle, signal.SIGKILL)
        os.waitid(os.P_PID, idle, os.WEXITED | os.WNOWAIT)  # leaves its status to the pool
        (tmp_path / "waiting").unlink()
        assert [event.job for event in events if isinstance(event, JobDone)] == ["until told"]
        assert idle not in pool.pids()


def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    seen: list[type] = []
    with pool_in(tmp_path) as pool:
        for event in pool.run(["long", "b"]):
            seen.append(type(event))
            if isinstance(event, JobProgress) and event.value == "writing":
                os.kill(pool.pids()[0], signal.SIGKILL)
            if isinstance(event, JobLost):
                assert not list(tmp_path.iterdir())
                assert event.how == "by signal 9"
                break
    assert seen == [JobProgress, JobProgress, JobLost]
