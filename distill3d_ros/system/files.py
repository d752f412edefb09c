"""Files that appear whole or not at all, their checksums, and folders with one writer at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Content = bytes | str | Callable[[Path], object]
"""Of a file: bytes, text (UTF-8), or a function that writes a file of its own at the path that it is given."""

LOCK = "lock"
"""In a folder that is being written to: a file with the number of the process that writes."""
_BLOCK = 1 << 20
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_OF_WRITING = (*_NO_SPACE, errno.EFBIG, errno.EIO)
"""Errors of ``write``, which do not name a file."""


class FolderInUseError(ValueError):
    """Another process is writing into a folder."""


# ------------------------------------------------------------------------------------------------------- whole files


def write_whole(path: Path, content: Content, *, previous: Path | None = None) -> None:
    """Write a file that replaces ``path`` in one step once it is complete on disk.

    Args:
        previous: name that the file which was there before gets; none is kept without it.

    Raises:
        OSError: it cannot be written; ``filename`` is ``path``, and nothing of it is left.
    """
    with _part_of(path) as part, _errors_name(path):
        _write(part, content)
        if previous is not None and path.exists():
            os.replace(path, previous)
        os.replace(part, path)


def write_together(files: Mapping[Path, Content]) -> None:
    """Write files that belong together: they are renamed, in their order, once all of them are complete on disk.

    Raises:
        OSError: as ``write_whole``.
    """
    with contextlib.ExitStack() as stack:
        parts = {path: stack.enter_context(_part_of(path)) for path in files}
        for path, content in files.items():
            with _errors_name(path):
                _write(parts[path], content)
        for path, part in parts.items():
            with _errors_name(path):
                os.replace(part, path)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Inside the block a temporary path beside ``path``: what is written there takes the name when the block ends well.

    Raises:
        OSError: as ``write_whole``.
    """
    with _part_of(path) as part, _errors_name(path):
        yield part
        _to_disk(part)
        os.replace(part, path)


def remove_partial_files(folder: Path, pid: int | None = None) -> None:
    """Remove what a process (default: any) was writing in ``folder`` when it was killed."""
    for path in folder.glob(f".*.{'*' if pid is None else pid}.tmp"):
        path.unlink(missing_ok=True)


def temporary_path(path: Path) -> Path:
    """Where this process writes ``path`` until it is complete."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


@contextlib.contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    part = temporary_path(path)
    try:
        yield part
    finally:
        with contextlib.suppress(OSError):  # there is none where it was renamed; no other error may hide the first one
            part.unlink()


def _write(part: Path, content: Content) -> None:
    if isinstance(content, bytes):
        part.write_bytes(content)
    elif isinstance(content, str):
        part.write_text(content, encoding="utf-8")
    else:
        part.touch()
        mode = part.stat().st_mode  # of any new file; safetensors writes files that only their owner can read
        content(part)
        part.chmod(mode)
    _to_disk(part)


def _to_disk(part: Path) -> None:
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _errors_name(path: Path) -> Iterator[None]:
    """Errors of writing name the file that was to be written, not its temporary name, and what helps."""
    try:
        yield
    except OSError as error:
        ours = error.filename in (str(temporary_path(path)), str(path))
        if error.errno is None or not (ours or (error.filename is None and error.errno in _OF_WRITING)):
            raise
        reason = error.strerror or os.strerror(error.errno)
        if error.errno in _NO_SPACE and "make room" not in reason:
            reason += "; make room on this disk and give the same command again"
        raise OSError(error.errno, reason, str(path)) from error


# --------------------------------------------------------------------------------------------------------- checksums


def file_sha256(path: str | Path) -> str:
    """Hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check_file(
    path: Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    listed_in: str,
    remedy: str,
    error: type[Exception] = ValueError,
) -> None:
    """Raise ``error`` unless the file is there with this checksum and this many bytes, where they are given.

    Args:
        listed_in: what says so, such as "the manifest".
        remedy: the end of the message.
    """
    try:
        found_size = path.stat().st_size
    except FileNotFoundError:
        raise error(f"{path} is missing, but {listed_in} lists it; {remedy}") from None
    if size is not None and found_size != size:
        raise error(f"{path} has {found_size} bytes, {listed_in} says {size}: it is damaged or was exchanged; {remedy}")
    if sha256 is not None and (found := file_sha256(path)) != sha256:
        raise error(f"{path} has sha256 {found}, {listed_in} says {sha256}: it is damaged or was exchanged; {remedy}")


# ------------------------------------------------------------------------------------------------------------- locks


@contextlib.contextmanager
def only_writer(folder: Path, *, doing: str = "written to") -> Iterator[None]:
    """Inside the block no other process may enter the same block; the lock goes with the process, however it ends.

    Makes the folder if it is not there, and removes what a killed writer left.

    Args:
        doing: what writers do to this folder, for the message: "trained in".

    Raises:
        FolderInUseError: another process is inside.
        OSError: the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, "is a file; --out must name a folder", str(folder)) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "no permission to write into this folder", str(folder))
    lock = folder / LOCK
    with _errors_name(lock):
        descriptor = _locked(lock)
    if descriptor is None:
        raise FolderInUseError(
            f"{folder} is being {doing} by process {_writer_of(folder) or 'unknown'}; stop it first or wait for its "
            "end, or choose another --out"
        )
    try:
        remove_partial_files(folder)  # before anything is written: they may be what fills the disk
        with _errors_name(lock):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _writer_of(folder: Path) -> str:
    """The number of the process that writes into a folder."""
    with contextlib.suppress(FileNotFoundError):  # it ended just now
        return (folder / LOCK).read_text().strip()
    return ""


def _locked(path: Path) -> int | None:
    """A descriptor of the file, locked; None where another process holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # the umask decides
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return None
            raise
        os.close(descriptor)  # the writer before removed the file between the two calls: others do not see this one
