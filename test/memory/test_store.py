"""The memory's file: restarts, kill -9, a second writer, other files and versions, a full disk."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.memory_drives import Drive, Noise, camera_pose
from support.programs import start_module

from distill3d_ros.memory.map_memory import MapMemory
from distill3d_ros.memory.schema import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION
from distill3d_ros.memory.store import MemoryFileError, MemoryInUseError, MemoryStore


def filled(memory: MapMemory, frames: int = 6) -> Drive:
    drive = Drive(rng=np.random.default_rng(0), noise=Noise())
    drive.add("chair", (3.0, 2.5))
    drive.add("plant", (3.0, 3.5))
    for _ in range(frames):
        drive.show(memory, camera_pose(1.0, 2.5, 0.0))
    return drive


def rows(memory: MapMemory) -> list[dict[str, object]]:
    return [memory.things[i].to_row() for i in sorted(memory.things)] + [e.to_row() for e in memory.events]


def test_a_restart_finds_everything_and_goes_on_with_the_same_ids(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "memory.sqlite"
    with MemoryStore(path) as store:
        memory = store.load("home")
        drive = filled(memory)
        assert store.save(memory)
    with MemoryStore(path) as store:
        again = store.load("home")
        assert rows(again) == rows(memory)
        assert (again.next_id, again.newest_ns) == (memory.next_id, memory.newest_ns)
        assert store.maps() == ["home"]
        assert not store.load("office").things
        update = drive.show(again, camera_pose(1.0, 2.5, 0.0))
        assert sorted(update.matched.values()) == sorted(memory.things)


def test_removed_things_are_removed_from_the_file_and_their_ids_not_given_again(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite"
    with MemoryStore(path) as store:
        memory = store.load("home")
        filled(memory)
        store.save(memory)
        for thing in list(memory.things.values()):
            memory._remove(thing)
        assert store.save(memory)
    with MemoryStore(path) as store:
        again = store.load("home")
        assert not again.things
        assert again.next_id == memory.next_id == 3


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Ten times, at whatever moment it strikes."""
    path = tmp_path / "memory.sqlite"
    for round_number in range(10):
        writer = start_module("support.memory_writer", str(path), stdout=subprocess.PIPE)
        assert writer.stdout is not None
        acknowledged = -1
        for _ in range(3 + 2 * round_number):
            acknowledged = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.communicate()
        acknowledged = int(rest[-1]) if rest else acknowledged
        with MemoryStore(path) as store:
            newest = store.load("home").newest_ns
        assert newest is not None
        assert newest >= acknowledged


def test_a_second_writer_is_refused_with_the_number_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite"
    with MemoryStore(path), pytest.raises(MemoryInUseError, match=f"in use by process {os.getpid()}"):
        MemoryStore(path)
    MemoryStore(path).close()


def test_files_that_are_no_memory_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"no database at all" * 100)
    with pytest.raises(MemoryFileError, match="cannot be opened"):
        MemoryStore(text)
    assert text.read_bytes() == b"no database at all" * 100
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE tracks (id)")
    with pytest.raises(MemoryFileError, match="another program"):
        MemoryStore(other)
    newer = tmp_path / "newer.sqlite"
    MemoryStore(newer).close()
    with sqlite3.connect(newer) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(MemoryFileError, match=f"version {SCHEMA_VERSION + 1}.*up to {SCHEMA_VERSION}"):
        MemoryStore(newer)
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(MemoryFileError, match="cannot be made"):
        MemoryStore(file / "memory.sqlite")


def test_version_1_is_migrated_with_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite"
    with MemoryStore(path) as store:
        memory = store.load("home")
        filled(memory)
        store.save(memory)
    with sqlite3.connect(path) as connection:  # back to version 1: what version 2 added goes
        connection.execute("DROP TABLE maps")
        connection.execute("PRAGMA user_version = 1")
    assert len(MIGRATIONS) == SCHEMA_VERSION == 2
    with MemoryStore(path) as store:
        again = store.load("home")
        assert rows(again) == rows(memory)
        assert (again.next_id, again.newest_ns) == (memory.next_id, memory.newest_ns)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def test_a_full_disk_is_told_and_the_memory_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite"
    with MemoryStore(path) as store:
        memory = store.load("home")
        assert store.save(memory)
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")  # sqlite's own SQLITE_FULL
        drive = filled(memory, frames=40)
        for number in range(40):
            drive.add("box", (number % 4 + 0.5, 4.5))
            memory.things[100 + number] = memory.things[1].from_row(memory.things[1].to_row() | {"id": 100 + number})
            memory.changed.add(100 + number)
        assert not store.save(memory)
        assert "full" in store.error
        drive.show(memory, camera_pose(1.0, 2.5, 0.0))
        store._connection.execute("PRAGMA max_page_count = 100000")
        assert store.save(memory)
        assert store.error == ""
    with MemoryStore(path) as store:
        assert rows(store.load("home")) == rows(memory)


def test_a_damaged_row_is_told(tmp_path: Path) -> None:
    path = tmp_path / "memory.sqlite"
    with MemoryStore(path) as store:
        memory = store.load("home")
        filled(memory)
        store.save(memory)
        store._connection.execute("UPDATE things SET row = '{' WHERE id = 1")
        with pytest.raises(MemoryFileError, match=r"map 'home'.*damaged"):
            store.load("home")
