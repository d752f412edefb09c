"""Device, threads and arithmetic of a student."""

from __future__ import annotations

import torch

from distill3d_ros.student.student import Student

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("", "float32", "bfloat16")


def choose_device(device: str) -> str:
    """``cpu`` or ``cuda``; ``auto`` takes a GPU where there is one.

    Raises:
        ValueError: it is none of DEVICES, or a GPU that is not there.
    """
    if device not in DEVICES:
        raise ValueError(f"device must be one of {', '.join(DEVICES)}. Got '{device}'")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device 'cuda' was asked for but torch sees no GPU; use 'auto' or 'cpu'")
    return device


def set_threads(threads: int | None) -> None:
    """Sets torch's CPU threads, for the whole process; None leaves them as they are."""
    if threads is None:
        return
    if threads < 1:
        raise ValueError(f"threads must be at least 1. Got {threads}")
    torch.set_num_threads(threads)


def set_arithmetic(student: Student, *, precision: str, compiled: bool) -> None:
    """Sets the perception's arithmetic (one of PRECISIONS; empty leaves the student's own), or has it compiled."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(map(repr, PRECISIONS))}. Got {precision!r}")
    if precision:
        student.inference_dtype = precision
    if compiled:
        for part in (student.encoder, student.depth_head, student.detection_head):
            part.compile()
