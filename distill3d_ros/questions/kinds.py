"""The kinds of questions, by family, and where a question names a thing."""

from __future__ import annotations

from dataclasses import dataclass

FAMILIES = ("proximity", "contact", "size", "orientation", "distance", "counting", "existence", "naming")
FORMS = ("yes_no", "choice", "open", "metric", "count")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of question."""

    family: str
    """One of FAMILIES."""
    form: str
    """What answers it, one of FORMS; ``open`` is answered by a label."""
    slots: int
    """How many things it names. Choices name the two alternatives last."""
    symmetric: bool = False
    """Whether the two names may change places without changing the answer (for choices they always may)."""


KINDS: dict[str, Kind] = {
    "near": Kind("proximity", "yes_no", 2, True),
    "far": Kind("proximity", "yes_no", 2, True),
    "closer": Kind("proximity", "choice", 3),
    "farther": Kind("proximity", "choice", 3),
    "touching": Kind("contact", "yes_no", 2, True),
    "on": Kind("contact", "yes_no", 2),
    "against": Kind("contact", "yes_no", 2, True),
    "larger": Kind("size", "yes_no", 2),
    "taller": Kind("size", "yes_no", 2),
    "wider": Kind("size", "yes_no", 2),
    "which_larger": Kind("size", "choice", 2),
    "which_smaller": Kind("size", "choice", 2),
    "which_taller": Kind("size", "choice", 2),
    "which_shorter": Kind("size", "choice", 2),
    "which_wider": Kind("size", "choice", 2),
    "which_narrower": Kind("size", "choice", 2),
    "height_of": Kind("size", "metric", 1),
    "width_of": Kind("size", "metric", 1),
    "left_of": Kind("orientation", "yes_no", 2),
    "right_of": Kind("orientation", "yes_no", 2),
    "in_front_of": Kind("orientation", "yes_no", 2),
    "behind": Kind("orientation", "yes_no", 2),
    "above": Kind("orientation", "yes_no", 2),
    "below": Kind("orientation", "yes_no", 2),
    "under": Kind("orientation", "yes_no", 2),
    "left_side": Kind("orientation", "yes_no", 1),
    "right_side": Kind("orientation", "yes_no", 1),
    "which_left": Kind("orientation", "choice", 2),
    "which_right": Kind("orientation", "choice", 2),
    "distance_to": Kind("distance", "metric", 1),
    "distance_between": Kind("distance", "metric", 2, True),
    "nearer_to_me": Kind("distance", "choice", 2),
    "farther_from_me": Kind("distance", "choice", 2),
    "count": Kind("counting", "count", 1),
    "exists": Kind("existence", "yes_no", 1),
    "what_is_on": Kind("naming", "open", 1),
    "what_is_under": Kind("naming", "open", 1),
    "standing_on": Kind("naming", "open", 1),
    "what_is_left_of": Kind("naming", "open", 1),
    "what_is_right_of": Kind("naming", "open", 1),
    "what_is_in_front_of": Kind("naming", "open", 1),
    "what_is_behind": Kind("naming", "open", 1),
    "nearest_to": Kind("naming", "open", 1),
    "nearest_to_me": Kind("naming", "open", 0),
    "farthest_thing": Kind("naming", "open", 0),
    "largest_thing": Kind("naming", "open", 0),
    "tallest_thing": Kind("naming", "open", 0),
}
"""Every kind, by name, in a fixed order."""
