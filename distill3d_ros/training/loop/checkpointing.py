"""Checkpoints of a run in progress: everything that is needed to go on as if it had not been stopped.

(The finished student is another file, written by ``student.checkpoint``: weights and configuration only.)
"""

from __future__ import annotations

import pickle
import random
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distill3d_ros.system.files import write_whole

LATEST, PREVIOUS = "latest.pt", "previous.pt"


def save_checkpoint(folder: Path, state: dict[str, Any]) -> Path:
    """Writes ``state`` as ``latest.pt``; the one before it stays as ``previous.pt``.

    At every moment one of the two is whole: the new file is complete on disk before it takes its name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    latest = folder / LATEST

    def write(path: Path) -> None:
        with path.open("wb") as stream:
            torch.save(state, stream)

    write_whole(latest, write, previous=folder / PREVIOUS)
    return latest


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint, or None if there is none.

    Raises:
        ValueError: the file is truncated or is not a checkpoint; the message says how to go on.
    """
    latest, previous = folder / LATEST, folder / PREVIOUS
    if not latest.exists():
        if not previous.exists():
            return None
        latest = previous  # stopped between the two renames
    try:
        state = torch.load(latest, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError, ValueError) as error:
        size = latest.stat().st_size
        remedy = "delete it to start again"
        if previous.exists():
            remedy = f"rename {previous.name} to {LATEST} to go on from the one before"
        raise ValueError(f"checkpoint {latest} ({size} bytes) is truncated or damaged: {error}. {remedy}") from error
    if not isinstance(state, dict) or "step" not in state:
        raise ValueError(f"{latest} is not a training checkpoint: it has no 'step'. Delete it to start again")
    return state


MAY_CHANGE = (
    *("steps", "minutes", "max_minutes", "stop_early", "best", "checkpoint_minutes", "log_every", "validate_every"),
    *("validate_samples", "settings_may_change", "workers", "precision", "accumulate", "gradient_checkpointing"),
    *("teacher", "perception_cache"),
)
"""Settings of a stage that another call may have otherwise: how long it goes on, what it reports, how it computes, and
where files lie."""


def check_same_settings(before: Mapping[str, Any], now: Mapping[str, Any], *, stage: str) -> None:
    """A run goes on with the settings that it began with.

    Raises:
        ValueError: one that is not in ``MAY_CHANGE`` has another value; the message has both.
    """
    changed = [
        f"{name} was {before[name]!r} and is now {now[name]!r}"
        for name in now
        if name in before and name not in MAY_CHANGE and before[name] != now[name]
    ]
    if changed:
        raise ValueError(
            f"stage {stage!r} was begun with other settings: {'; '.join(changed)}. Give it what it had, set "
            f"{stage}.settings_may_change=true to go on all the same, or choose another --out to start anew"
        )


def rng_state() -> dict[str, Any]:
    """The state of every random generator that a step may use."""
    version, keys, position, has_gauss, cached = np.random.get_state()
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [
            str(version),
            torch.from_numpy(np.array(keys, dtype=np.int64)),
            int(position),
            int(has_gauss),
            float(cached),
        ],
        "python": [random.getstate()[0], list(random.getstate()[1]), random.getstate()[2]],
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_rng(state: dict[str, Any]) -> None:
    """Undoes everything random since ``rng_state``."""
    torch.set_rng_state(state["torch"])
    version, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((version, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    random.setstate((state["python"][0], tuple(state["python"][1]), state["python"][2]))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
