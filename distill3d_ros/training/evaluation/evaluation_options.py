"""Options of ``distill3d evaluate``, ``export`` and ``data blind``."""

# Without `from __future__ import annotations`: Python 3.10 cannot evaluate a text that says KW_ONLY.

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from distill3d_ros.system.command_options import InferenceOptions, PictureSizes, PositiveInt, Seed, Words


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(InferenceOptions):
    """The student that is measured, the frames and the questions."""

    data: Path
    """Folder of a data set."""
    out: Path
    """Folder for report.md and report.json."""
    splits: Words = ()
    """Parts of it, such as val (default: the test splits it has)."""
    train_data: Path | None = None
    """Data set from whose training split the baselines learn (default: DATA); without one they are left out."""
    seed: Seed = 0
    """Which questions are asked."""
    questions: PositiveInt = 2000
    """Questions a split, about; balanced so that their names do not give the answers away."""
    frames: PositiveInt = 600
    """Frames a split, at most, evenly spread."""
    lenses: PositiveInt | None = None
    """Also render so many rooms through 3 lenses; needs the furniture."""
    views: PositiveInt | None = None
    """Also look at so many rooms of each split in several views together."""
    references: PositiveInt | None = None
    """Also ask so many questions a split about "the nearest chair" etc."""
    teacher: Path | None = None
    """Also ask this teacher of the student's family."""
    camera_height: bool = False
    """Tell the student how high the camera stands above the floor."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The student that ships, and what its card says."""

    run: Path | None = None
    """Folder of a training run."""
    out: Path
    """Folder of the student that ships."""
    notes: str = ""
    """A paragraph for its card."""
    train_data: tuple[Path, ...] = ()
    """Data folders that the run learned from: the card says where they come from and what is marked in them."""
    earlier_card: Path | None = None
    """Student that the run started from: its stages come first in the card."""
    earlier: Path | None = None
    """Student that the run went on from: mix in what it sees with."""
    earlier_share: float = 0.3
    """Its share of the average, above 0 and below 1; choose it on validation rooms."""
    onnx: PictureSizes = ()
    """Write the student in --out as ONNX, too, for pictures of these sizes (640x480 or 640x480,1280x720)."""
    report: Path | None = None
    """Folder of its evaluation, for its card."""
    real_report: Path | None = None
    """Folder of its evaluation on real pictures; its figures come first in the card."""
    data: Path | None = None
    """Measure it on this data set first, into --report, as evaluate does."""
    teacher: Path | None = None
    """With --data: also ask this teacher."""

    def __post_init__(self) -> None:
        if self.data is not None and self.report is None:
            raise ValueError("export --data measures the student and needs --report, the folder for what it finds")
        if self.run is None and self.report is None and self.real_report is None and not self.onnx:
            raise ValueError("export needs --run (a training run), --report (an evaluation), or --onnx")


@dataclass(frozen=True)
class BlindOptions:
    """The questions that models which never look are trained and tested on."""

    data: Path
    """Folder of a data set with a training split."""
    _: KW_ONLY
    splits: Words = ()
    """Where it is tested (default: the test splits it has)."""
    questions: PositiveInt = 4000
    """Questions a split, about."""
    frames: PositiveInt = 600
    """Frames a split, at most."""
    steps: PositiveInt = 2000
    """Training steps of the text model, at most."""
    seed: Seed = 0
    """Which questions are asked."""
    out: Path | None = None
    """Also write the tables to this file (Markdown)."""
