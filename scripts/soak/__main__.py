"""All parts, one after the other; one table as Markdown and as JSON: ``make soak``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from distill3d_ros.system.environment import ros_environment
from distill3d_ros.system.files import write_whole
from soak.part import Part, as_json, as_markdown

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 where a part found a fault."""
    options = _options(arguments)
    # A domain of its own: no robot on this network may hear spoilt messages.
    os.environ.update(ros_environment(domain=1 + os.getpid() % 100, localhost=True))
    parts: list[Part] = []
    about = {
        "command": "make soak" if arguments is None and len(sys.argv) == 1 else "python -m soak " + shlex.join(
            sys.argv[1:] if arguments is None else arguments
        ),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "model": Path(options.model).name,
    }  # fmt: skip
    for part in _parts(options):
        print(f"{part.name}: {part.figures}, {part.fault_count} faults", *part.faults, sep="\n  ", flush=True)
        parts.append(part)
        # After each: hours of work must not be lost with the last part.
        write_whole(options.json, (json.dumps(as_json(parts, about), indent=1) + "\n").encode())
        write_whole(options.table, as_markdown(parts, about).encode())
    return int(any(part.fault_count for part in parts))


def _parts(options: argparse.Namespace) -> Iterator[Part]:
    from distill3d_ros.engine.engine import Engine
    from distill3d_ros.nodes.spatial.inputs import CameraItem
    from soak import in_process, over_dds
    from soak.spoilt_messages import good_pair

    yield in_process.fuzzed_messages(options.messages)
    engine = Engine.from_pretrained(options.model, device="cpu")
    scene = engine.perceive(CameraItem(*good_pair(), 0.0).to_frame(rectified=False, up=None))
    yield in_process.hostile_questions(engine, scene, options.questions)
    with over_dds.Rig(options.model) as rig:
        yield over_dds.fuzzed_over_dds(rig, options.dds_messages)
        yield over_dds.steady_memory(rig, 60 * options.minutes)
        yield over_dds.listeners(rig, options.subscribers)
        yield over_dds.unplugged(rig, options.unplugged)
        yield over_dds.killed(rig)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--model", default=str(ROOT / "models" / "pico"), help="folder of a student")
    parser.add_argument("--messages", type=int, default=100_000, help="fuzzed in process")
    parser.add_argument("--dds-messages", type=int, default=5_000, help="fuzzed over DDS")
    parser.add_argument("--questions", type=int, default=5_000, help="hostile ones")
    parser.add_argument("--minutes", type=float, default=5.0, help="at 10 Hz; 60 for an hour")
    parser.add_argument("--subscribers", type=int, default=50)
    parser.add_argument("--unplugged", type=float, default=10.0, help="seconds without a camera")
    parser.add_argument("--json", type=Path, default=Path("soak.json"), help="file to write")
    parser.add_argument("--table", type=Path, default=Path("soak.md"), help="file to write")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
