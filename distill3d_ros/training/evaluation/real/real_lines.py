"""Part of a report about real frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def real_lines(real: Mapping[str, Any]) -> list[str]:
    """Tables and sentences, from ``RealTally.figures``."""
    boxes, existence = real["boxes_2d"], real["existence"]
    names = boxes["names"]
    lines = [
        f"Boxes: projected into the picture they meet the masks' rectangles with mAP@0.5 {_share(boxes['map50'])} over "
        f"{len(boxes['classes'])} classes that the student knows and the set marks. Of {names['shown']} things that it "
        f"shows, {_share(names['precision'])} bear the right name within 0.5 m of the visible surface; of "
        f"{names['marked']} marked things it names {_share(names['recall'])} so.",
        "",
        f'"Is there a ...?" for {len(existence["classes"])} classes: absent called present '
        f"{_rate(existence['absent_called_present'])}, in plain sight called absent "
        f"{_rate(existence['present_called_absent'])}; {existence['withheld']} answers withheld. Expected calibration "
        f"error {_share(existence['calibration'].get('ece', math.nan))}.",
    ]
    told, narrow = real["camera_height"], real["narrow_lens"]
    rows = [
        ("told the camera's height", told, "told", "the same frames, not told", "not_told"),
        (f"cropped to {narrow['degrees']:g} degrees", narrow, "cropped", "the same pixels, seen whole", "whole"),
    ]
    if told["frames"] or narrow["frames"]:
        lines += ["", "| depth | frames | AbsRel | delta1 | RMSE (m) |", "|---|---|---|---|---|"]
    for first, part, first_key, second, second_key in rows:
        for title, key in ((first, first_key), (second, second_key)):
            if part.get(key):
                d = part[key]
                lines.append(
                    f"| {title} | {part['frames']} | {d['absrel']:.3f} | {d['delta1']:.3f} | {d['rmse']:.2f} |"
                )
    lines += ["", "| class | things | frames | 2D AP@0.5 | called present where absent | called absent in sight |"]
    lines += ["|---|---|---|---|---|---|"]
    wrong, missed = (existence[key]["by_class"] for key in ("absent_called_present", "present_called_absent"))
    for label, row in boxes["classes"].items():
        cells = (_share(wrong.get(label, math.nan)), _share(missed.get(label, math.nan)))
        lines.append(f"| {label} | {row['objects']} | {row['frames']} | {_share(row['ap50'])} | {' | '.join(cells)} |")
    return lines


REAL_ROWS_EXPLAINED = (
    "Real frames: the truth is measured depth, masks and gravity. Asked is what visible surfaces decide whatever is "
    "hidden, of the classes that were marked; nothing is called absent that nobody looked for, and pixels of which "
    "nobody said what they show are left out."
)


def _rate(entry: Mapping[str, Any]) -> str:
    low, high = entry["interval"]
    return f"{_share(entry['rate'])} [{_share(low)}, {_share(high)}] of {entry['n']}"


def _share(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.3f}"
