"""The record of one kind of question: what it asks, how geometry decides it, and the words by which it is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, NamedTuple

from distill3d_ros.questions.relations import Relations
from distill3d_ros.questions.thresholds import Thresholds
from distill3d_ros.scene.frame import FloatArray

FAMILIES = ("proximity", "contact", "size", "orientation", "distance", "counting", "existence", "naming")
FORMS = ("yes_no", "choice", "open", "metric", "count")
LAST = 1000
"""Rank of a pattern that is tried after those of the other kinds: it takes no sentence from them."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Words by which a sentence, whose names are written "@", is known to be of a kind."""

    words: str
    """A regular expression that is searched for."""
    rank: int = LAST
    """Of the kinds of one form and number of names whose patterns fit a sentence, the lowest rank decides."""
    _: KW_ONLY
    reference: Literal["last", "than", "next"] = "last"
    """Which name fills the last slot of two: the ``last`` of the sentence; the one after ``than``, "as" or "compared
    with"; or the one that is ``next`` after the words."""
    swapped: bool = False
    """Whether the words say the converse ("shorter" for taller): the two names change places."""
    only: frozenset[str] | None = None
    """Words of which the whole sentence must consist; None allows the grammar's whole vocabulary."""
    unless: str = ""
    """A regular expression that must not be found."""


class Drawn(NamedTuple):
    """Generator of a kind's question candidates; ``question_candidates`` has a function for each.

    The place decides their order, and which bits of a hash of the ids choose among questions that mean the same. A new
    kind takes the next free place, so that all others stay the same for the same seed.
    """

    way: Literal["single", "symmetric", "directed", "ordered", "measured", "anchored"]
    """``single``: of one thing. Of two things: ``symmetric``, ``directed`` (may be false both ways, so that both ways
    are asked), ``ordered`` (true one way if clearly false the other way) or ``measured``. Of three: ``anchored``."""
    place: int


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of question."""

    family: str
    """One of FAMILIES."""
    form: str
    """What answers it, one of FORMS; ``open`` is answered by a label."""
    slots: int
    """How many things it names. Choices name the two alternatives last."""
    _: KW_ONLY
    symmetric: bool = False
    """Whether the two names may change places without changing the answer (for choices they always may)."""
    score: Callable[..., FloatArray] | None = None
    """What decides the answer, from the ``Relations`` of a scene: for ``metric`` the value, else a score.

    (N,) for one name, (N, N) for two, read [subject, reference], positive where the first wins a choice. Of three
    names the index of the first is given as well, and the result is for the other two. For ``open`` all indices are
    given, and the result is (N,): how well each thing fits as the answer; None where every thing does.
    """
    patterns: tuple[Pattern, ...] = ()
    vocabulary: str = ""
    """Words that the grammar has to know for this kind, beyond those in ``vocabulary.py``."""
    drawn: Drawn | None = None
    """None for kinds that others stand in for (``converse``, ``contrary``, ``choices``) or that families draw."""
    converse: str = ""
    """The kind that says the same with the names exchanged; asked in this one's place now and then."""
    contrary: str = ""
    """The kind whose answer is always the other one; likewise."""
    choices: tuple[str, str] | None = None
    """The kinds that ask which of the two it is true of, and which of the two it is not true of; likewise."""
    least: Callable[[Thresholds], float] | None = None
    """The smallest value in metres that is asked for."""
    preference: str = "largest"
    """Which of the things that fit an ``open`` question is named, a key of ``superlatives.SUPERLATIVES``."""
    several_right: bool = False
    """Whether any other thing that fits is a right answer to an ``open`` question as well."""
    may_be_empty: Callable[[str], bool] = lambda label: False
    """Whether "nothing" is a sensible answer to an ``open`` question about a thing of this label."""
    of_namesakes: bool = False
    """Whether an ``open`` question is asked about one of several things of a name: no other can be its answer."""

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(f"family must be one of {', '.join(FAMILIES)}. Got {self.family!r}")
        if self.form not in FORMS:
            raise ValueError(f"form must be one of {', '.join(FORMS)}. Got {self.form!r}")

    def values(self, relations: Relations, *anchor: int) -> Any:
        """The score, or the value in metres, as nested lists: one by one these are read faster than an array."""
        if self.score is None:
            raise ValueError(f"a question of the family {self.family!r} has no score")
        return self.score(relations, *anchor).tolist()

    def value(self, relations: Relations, indices: tuple[int, ...]) -> float:
        """The score, or the value in metres, of the objects with these indices in the order of the slots."""
        if self.score is None:
            raise ValueError(f"a question of the family {self.family!r} has no score")
        return float(self.score(relations, *indices[:-2])[indices[-2:]])
