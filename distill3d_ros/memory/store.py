"""The file of a memory: sqlite with a write-ahead log, keyed by map id, one writer."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from distill3d_ros.memory.events import Event
from distill3d_ros.memory.map_memory import MapMemory
from distill3d_ros.memory.schema import APPLICATION_ID, SCHEMA_VERSION, migrate
from distill3d_ros.memory.settings import MemorySettings
from distill3d_ros.memory.thing import Thing


class MemoryFileError(RuntimeError):
    """The file cannot be used: no memory, damaged, or of a newer version."""


class MemoryInUseError(MemoryFileError):
    """Another process writes this file."""


class MemoryStore:
    """Loads maps from a file and saves what changed.

    ``save`` returns True when the changes are on the disk (synchronous=FULL: neither kill -9 nor a loss of power takes
    them away), and False with the reason in ``error`` when they could not be written, as on a full disk: they stay in
    the memory, and the next save tries them again.
    """

    def __init__(self, path: Path | str) -> None:
        """Opens or makes the file, and takes the lock.

        Raises:
            MemoryInUseError: another process has it open.
            MemoryFileError: it is not a memory, damaged, of a newer version, or its folder cannot be written to.
        """
        self.path = Path(path)
        self.error = ""
        """Of the last save; empty when it succeeded."""
        self._written_events: dict[str, int] = {}
        self._lock = _lock(self.path)
        try:
            self._connection = _open(self.path)
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> MemoryStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the writing; changes that were not saved are lost."""
        self._connection.close()
        os.close(self._lock)

    def maps(self) -> list[str]:
        """Ids of the maps in the file."""
        return [row[0] for row in self._connection.execute("SELECT map_id FROM maps ORDER BY map_id")]

    def load(self, map_id: str, *, settings: MemorySettings | None = None) -> MapMemory:
        """The memory of a map as it was last saved; an empty one for a map that the file does not have."""
        try:
            row = self._select("SELECT next_id, newest_ns FROM maps WHERE map_id = ?", map_id)
            things = self._select("SELECT row FROM things WHERE map_id = ? ORDER BY id", map_id)
            events = self._select("SELECT row FROM events WHERE map_id = ? ORDER BY number", map_id)
            next_id, newest_ns = row[0] if row else (1, None)
            memory = MapMemory(
                map_id,
                settings=settings,
                things=[Thing.from_row(json.loads(r[0])) for r in things],
                events=[Event.from_row(json.loads(r[0])) for r in events],
                next_id=next_id,
                newest_ns=newest_ns,
            )
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as error:
            raise MemoryFileError(
                f"{self.path} cannot be read for the map '{map_id}': {error}; it is damaged. Move it "
                "away and start anew"
            ) from error
        self._written_events[map_id] = memory.events[-1].number if memory.events else 0
        return memory

    def save(self, memory: MapMemory) -> bool:
        """Writes what changed since the last save in one transaction; True once it is on the disk."""
        written = self._written_events.setdefault(memory.map_id, 0)
        events = [e for e in memory.events if e.number > written]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._write(memory, events)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            self.error = (
                f"{self.path} could not be written: {error}; is the disk full? What is remembered is kept in memory "
                "and lost with the process unless a later save succeeds"
            )
            return False
        memory.changed.clear()
        memory.removed.clear()
        self._written_events[memory.map_id] = events[-1].number if events else written
        self.error = ""
        return True

    def _write(self, memory: MapMemory, events: list[Event]) -> None:
        run: Callable[..., Any] = self._connection.execute
        key = memory.map_id
        for thing_id in sorted(memory.removed):
            run("DELETE FROM things WHERE map_id = ? AND id = ?", (key, thing_id))
        for thing_id in sorted(memory.changed & memory.things.keys()):
            row = json.dumps(memory.things[thing_id].to_row())
            run("INSERT OR REPLACE INTO things VALUES (?, ?, ?)", (key, thing_id, row))
        for event in events:
            run("INSERT OR REPLACE INTO events VALUES (?, ?, ?)", (key, event.number, json.dumps(event.to_row())))
        if events:
            run("DELETE FROM events WHERE map_id = ? AND number < ?", (key, memory.events[0].number))
        run("INSERT OR REPLACE INTO maps VALUES (?, ?, ?)", (key, memory.next_id, memory.newest_ns))

    def _select(self, query: str, map_id: str) -> list[Any]:
        return self._connection.execute(query, (map_id,)).fetchall()


def _lock(path: Path) -> int:
    """Descriptor of the locked file beside ``path``; the lock goes with the process, however it ends."""
    lock = path.with_name(path.name + ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise MemoryFileError(
            f"memory file {path} cannot be made: {error}; choose a path in a folder that can be written to"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        writer = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise MemoryInUseError(
            f"memory file {path} is in use by process {writer}; stop it first, or choose another file"
        ) from error
    with contextlib.suppress(OSError):  # a full disk: the number is for the message alone
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def _open(path: Path) -> sqlite3.Connection:
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, isolation_level=None, timeout=2.0, check_same_thread=False)
        _check(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        migrate(connection)
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise MemoryFileError(
            f"memory file {path} cannot be opened: {error}; it is no memory, damaged, or the disk is full. Move it "
            "away or choose another file"
        ) from error
    except MemoryFileError:
        if connection is not None:
            connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Another program's file, and a newer version's, are left as they are."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0])
    if application != APPLICATION_ID and (tables or version):
        raise MemoryFileError(f"{path} is an sqlite file of another program, no memory; choose another file")
    if version > SCHEMA_VERSION:
        raise MemoryFileError(
            f"{path} has version {version} of the memory's file; this program knows versions up to {SCHEMA_VERSION}. "
            "Use the newer program, or choose another file"
        )
