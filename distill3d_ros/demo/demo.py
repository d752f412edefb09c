"""The demo: a simulated robot in rooms that it has never seen, its answers compared with the truth.

The camera and the spatial node are processes of their own and talk over DDS, as on a robot; this program is a third one
that asks through the service.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distill3d_ros.demo.demo_options import DemoOptions
from distill3d_ros.demo.robot import RobotError, SimulatedRobot, own_domain

if TYPE_CHECKING:
    from rich.console import Console

    from distill3d_ros.demo.demo_report import Findings, View

ASK_LIMIT_S = 20.0
RECORD_EVERY_S = 1.0
"""An uncompressed depth image takes a megabyte of the bag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRoom:
    """A room to drive through."""

    title: str
    room_type: str
    split: str
    seed: int
    share: float
    """Of the questions."""


def demo_rooms(seed: int) -> tuple[DemoRoom, ...]:
    """Rooms are made from their seed, and no training set is made from one as large as these."""
    base = 900_000_000 + seed
    return (
        DemoRoom(title="living room, new furniture", room_type="living room", split="test", seed=base, share=0.4),
        DemoRoom(title="office, new furniture", room_type="office", split="test", seed=base + 1, share=0.3),
        DemoRoom(title="bedroom, known furniture", room_type="bedroom", split="train", seed=base + 2, share=0.3),
    )


def run_demo(options: DemoOptions) -> int:
    """Returns the exit status: 0 when questions were answered, right or wrong."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 130, highlight=False, soft_wrap=True)
    if options.questions < 1:
        raise ValueError(f"questions must be at least 1. Got {options.questions}")
    if options.seed < 0:
        raise ValueError(f"seed must be 0 or more. Got {options.seed}")
    signal.signal(signal.SIGTERM, _interrupt)
    started = time.monotonic()
    console.print(f"[bold]distill3d demo[/]: two ROS 2 nodes, ROS_DOMAIN_ID={own_domain()} (Ctrl-C ends everything)")
    try:
        with written_at_once(options.out) as folder:
            findings = _Demo(console, folder, options).run()
    except RobotError as error:
        console.print(f"The demo failed: {error}", style="red", markup=False)
        return 1
    seconds = time.monotonic() - started
    console.print(
        f"\n{seconds:.0f} s. In [bold]{options.out}[/]: overview.png (annotated, depth, from above), each of them,"
    )
    console.print("answers.json, nodes.log, and bag/ (MCAP: camera, truth, depth, objects, answers)")
    return 0 if findings.exchanges else 1


@contextlib.contextmanager
def written_at_once(out: Path) -> Iterator[Path]:
    """A folder that takes the place of ``out`` when the block ends well, and disappears when it does not."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out must be a folder. Got '{out}', which is a file")
    if out.is_dir() and any(out.iterdir()) and not (out / "answers.json").is_file():
        raise ValueError(f"--out must be new, empty or of an earlier demo. Got '{out}', which holds other files")
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        yield folder
        folder.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Demo:
    """One run: drives through the rooms, asks, and collects what is found."""

    def __init__(self, console: Console, folder: Path, options: DemoOptions) -> None:
        from distill3d_ros.demo.demo_report import Findings
        from distill3d_ros.demo.question_plan import QuestionPlan

        self.console, self.folder, self.model, self.questions = console, folder, options.model, options.questions
        self.rooms = demo_rooms(options.seed)
        self.plan = QuestionPlan(np.random.default_rng(options.seed))
        self.findings: Findings = Findings()
        self.best: View | None = None
        self.questions_began = False
        self.printed: set[str] = set()
        self.recorded_at = 0.0

    def run(self) -> Findings:
        from distill3d_ros.demo.demo_report import print_summary, write_findings, write_pictures
        from distill3d_ros.nodes.recorder import BagRecorder

        self.console.print("starting the spatial node")
        with (
            open(self.folder / "nodes.log", "w", encoding="utf-8") as self.log,
            BagRecorder(self.folder / "bag") as self.bag,
            SimulatedRobot(model=self.model, on_line=self._on_line, on_message=self._on_message) as self.robot,
        ):
            self._prepare_furniture()
            for number in range(len(self.rooms)):
                self._visit(number)
            self.robot.wait_for_round()
            self.findings.perception_hz = self.robot.perception_rate(4.0)
            recent_output = self.robot.recent_output()
        if not self.findings.exchanges or self.best is None:
            raise RobotError("no question was answered" + recent_output)
        write_pictures(self.folder, self.best)
        write_findings(self.folder, self.findings)
        self.console.print()
        print_summary(self.console, self.findings)
        return self.findings

    def _prepare_furniture(self) -> None:
        from distill3d_ros.worlds.furniture.pack import FurniturePack

        self.console.print("loading the furniture (made once, about a minute)")
        FurniturePack.load()

    def _on_line(self, name: str, line: str, trouble: bool) -> None:
        """Runs in a thread for each node. Good news matters until questions are asked, trouble always, but once."""
        self.log.write(f"{name}: {line}\n")
        kind = re.sub(r"[\d.]+", "", line)
        if (trouble or not self.questions_began) and kind not in self.printed:
            self.printed.add(kind)
            self.console.print(f"  {name}: {line}", style="yellow" if trouble else "dim", markup=False)

    # ---------------------------------------------------------------------------------------------- questions

    def _visit(self, number: int) -> None:
        from distill3d_ros.demo.demo_report import exchange_header

        room = self.rooms[number]
        self.console.print(f"\n[bold]{room.title}[/]: a drive through room {room.seed}")
        self.questions_began = False
        self.printed.clear()
        self.plan.new_room()
        self.robot.drive(seed=room.seed, room_type=room.room_type, split=room.split)
        exchange_header(self.console)
        self.questions_began = True
        due = round(self.questions * sum(r.share for r in self.rooms[: number + 1]))
        tries = 0
        while len(self.findings.exchanges) < due and tries < 6 * self.questions:
            tries += 1
            self.robot.check()
            self._ask_one(room)

    def _ask_one(self, room: DemoRoom) -> None:
        from distill3d_ros.demo.demo_report import Exchange, print_exchange
        from distill3d_ros.demo.question_plan import same_fact
        from distill3d_ros.questions.answer import Answer
        from distill3d_ros.questions.ground_truth.question import is_correct

        moment = self.robot.client.newest()
        if moment is None:
            time.sleep(0.05)
            return
        question = self.plan.choose(truth_of(moment))
        if question is None:
            time.sleep(0.2)  # the drive goes on to where there is more to see
            return
        try:
            reply = self.robot.client.ask(question.text, stamp_ns=moment.stamp_ns, timeout_s=ASK_LIMIT_S)
        except TimeoutError as error:
            self._unanswered(question.text, str(error))
            return
        answered = self.robot.client.moment(reply.stamp_ns, "truth") if reply.stamp_ns else None
        if answered is None:
            self._unanswered(question.text, reply.text)
            return
        truth = same_fact(question.fact, truth_of(answered))
        if truth is None:  # meanwhile the view has changed
            self.findings.skipped += 1
            self.plan.skip(question)
            return
        exchange = Exchange(
            place=room.title,
            family=question.family,
            kind=question.kind,
            question=question.text,
            answer=reply.text,
            truth=truth.answer.text,
            right=is_correct(truth, Answer(text=reply.text, value=reply.value)),
            confidence=reply.response.confidence,
            latency_ms=reply.response.latency_ms,
            round_trip_ms=reply.round_trip_ms,
            stamp_ns=reply.stamp_ns,
        )
        self.plan.count(question, truth)
        self.findings.exchanges.append(exchange)
        self.bag.write("/spatial_node/answer", reply.to_message(question.text), reply.stamp_ns)
        print_exchange(self.console, exchange)
        self._record_view(exchange, reply.object_ids)

    def _unanswered(self, question: str, why: str) -> None:
        self.console.print(f"  no answer to '{question}': {why}", style="yellow", markup=False)
        self.findings.unanswered.append(question)
        if len(self.findings.unanswered) >= 3 and not self.findings.exchanges:
            raise RobotError(f"the first three questions had no answer: {why}" + self.robot.recent_output())

    def _record_view(self, exchange: Any, object_ids: tuple[int, ...]) -> None:
        """Depth error of the moment that was asked about, and its view where that makes the best picture so far."""
        from distill3d_ros.demo.demo_report import View
        from distill3d_ros.nodes.client import scene_from
        from distill3d_ros.nodes.conversions.images import image_to_rgb
        from distill3d_ros.questions.answer import Answer
        from distill3d_ros.system.ros_messages import image_to_depth
        from distill3d_ros.training.evaluation.metrics import depth_score

        moment = self.robot.client.moment(exchange.stamp_ns, "image", "truth_depth", "depth", "objects")
        if moment is None or moment.image is None or moment.objects is None:
            return
        truth = replace(truth_of(moment), depth=image_to_depth(moment.truth_depth))
        seen = scene_from(moment.objects, truth, depth=image_to_depth(moment.depth))
        scores = self.findings.depth.setdefault(exchange.place, [])
        if seen.depth is not None and truth.depth is not None and seen.depth.shape == truth.depth.shape:
            scores.append(depth_score(seen.depth, truth.depth))
        known = {o.id for o in seen.objects}
        answer = Answer(
            text=exchange.answer, value=None, object_ids=tuple(i for i in object_ids if i in known), source="language"
        )
        view = View(
            image=np.array(image_to_rgb(moment.image)), seen=seen, truth=truth, exchange=exchange, answer=answer
        )
        if self.best is None or _picture_rank(view) > _picture_rank(self.best):
            self.best = view

    def _on_message(self, part: str, message: Any) -> None:
        """Runs in the client's thread: what was perceived goes into the bag, complete with its image and truth."""
        from distill3d_ros.nodes.conversions.images import stamp_to_ns

        if part == "objects" and time.monotonic() - self.recorded_at >= RECORD_EVERY_S:
            whole = ("image", "camera_info", "truth", "objects")  # a part can be lost, or come late
            moment = self.robot.client.moment(stamp_to_ns(message.header.stamp), *whole, timeout_s=0.0)
            if moment is not None:
                self.bag.write_moment(moment)
                self.recorded_at = time.monotonic()


def _picture_rank(view: View) -> tuple[bool, bool, int]:
    """Rank of a view as a picture: a right answer that rests on objects, in a view that shows many."""
    return view.exchange.right, len(view.answer.object_ids) >= 2, len(view.seen.objects)


def truth_of(moment: Any) -> Any:
    """The true scene of a moment."""
    from distill3d_ros.scene.objects import Scene

    return Scene.from_dict(json.loads(moment.truth.data))


def _interrupt(signum: int, _: Any) -> None:
    raise KeyboardInterrupt
