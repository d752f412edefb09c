"""Mapping of ScanNet's annotations to this project's labels.

ScanNet's instances carry free words (``raw_category`` of ``scannetv2-labels.combined.tsv``). Those in the table below
become objects; every other one is clutter, which is seen and hides things but has no name. Words are left out on
purpose where they stand for several things at once ("boxes"), for a part of one ("toilet seat"), for what may be part
of the room ("closet", "doorframe"), or for something that the labels do not have ("monitor").
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

from distill3d_ros.training.data.importers.published_files import SourceError

LABEL_MAP_NAME = "scannetv2-labels.combined.tsv"
ROOM_CLASSES = frozenset({"wall", "floor", "ceiling"})
"""NYU40 classes of the room itself; their pixels have id 0."""

# label: raw categories, separated by "|"
_TABLE = """
chair: chair|office chair|dining chair|folded chair|folding chair|desk chair|rocking chair|beach chair|high chair|seat
armchair: armchair|arm chair|sofa chair|recliner|recliner chair|easy chair|lounge chair|massage chair
stool: stool|footstool|foot stool|bar stool|step stool|ottoman|pouf|footrest|piano bench|kitchen stool
sofa: couch|sofa|loveseat|love seat|futon|sofa bed
table: table|coffee table|dining table|end table|side table|conference table|round table|kitchen table|folded table
table: folding table|coffee table round|picnic table|media table
desk: desk|computer desk|writing desk|office desk
bed: bed|bunk bed|loft bed|crib|single bed|double bed
cabinet: cabinet|kitchen cabinet|file cabinet|filing cabinet|bathroom cabinet|storage cabinet|medicine cabinet|dresser
cabinet: nightstand|night stand|bedside table|cupboard|tv stand|sideboard|credenza|chest of drawers|media cabinet
wardrobe: wardrobe|wardrobe cabinet|wardrobe closet|armoire|locker
shelf: shelf|bookshelf|bookcase|storage shelf|shelving unit|wall shelf|bathroom shelf|book shelf
lamp: lamp|desk lamp|table lamp|floor lamp|bedside lamp|light|ceiling light|ceiling lamp
plant: plant|potted plant|house plant|flower pot
television: tv|television|flat screen tv
computer: computer|laptop|computer tower
fridge: refrigerator|fridge|mini fridge|freezer
oven: oven|stove|microwave|toaster oven|stove oven
washing machine: washing machine|washer|clothes dryer|clothes washer
sink: sink|bathroom sink|kitchen sink
toilet: toilet
bathtub: bathtub|bath tub|tub
radiator: radiator|heater|space heater
door: door|closet door|sliding door|bathroom door|glass door
window: window
box: box|cardboard box|crate|storage box|carton|moving box
vase: vase|jar
bottle: bottle|water bottle|wine bottle|soap bottle|spray bottle|detergent bottle
cup: cup|mug|coffee mug|coffee cup|glass
bowl: bowl|plate|fruit bowl
bag: bag|backpack|suitcase|handbag|purse|luggage|duffel bag|paper bag|shopping bag|plastic bag|messenger bag|gym bag
trash can: trash can|trash bin|garbage bin|garbage can|recycling bin|waste basket|wastebasket|dustbin|bin
person: person
picture: picture|painting|poster|photo|picture frame
pillow: pillow|cushion|couch cushions|throw pillow
curtain: curtain|curtains|shower curtain
blinds: blinds|window blinds
mirror: mirror
counter: counter|kitchen counter|bathroom counter|countertop|kitchen island
books: book|books
towel: towel|towels
"""


def _parsed() -> dict[str, str]:
    lines = [line.split(":") for line in _TABLE.strip().splitlines()]
    return {raw.strip(): label for label, names in lines for raw in names.split("|")}


LABEL_OF: dict[str, str] = _parsed()
"""Raw category -> label."""
MARKED = frozenset(LABEL_OF.values())
"""Labels that annotators' words can give: what else there is may be unmarked."""


@dataclass(frozen=True, slots=True)
class LabelMap:
    """The published label map."""

    nyu40: dict[str, str]
    """Raw category -> its NYU40 class."""
    sha256: str

    @classmethod
    def read(cls, path: Path) -> LabelMap:
        """Read ``scannetv2-labels.combined.tsv``: tab-separated, the columns named in its first line.

        Raises:
            SourceError: a column is missing.
        """
        blob = path.read_bytes()
        rows = csv.DictReader(blob.decode("utf-8", "replace").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
        absent = [name for name in ("raw_category", "nyu40class") if name not in (rows.fieldnames or [])]
        if absent:
            raise SourceError(
                f"{path} has no column {' and no column '.join(absent)}; --labels must name {LABEL_MAP_NAME}, which "
                "ScanNet's download-scannet.py --label_map provides"
            )
        nyu40 = {_words(row["raw_category"]): _words(row["nyu40class"]) for row in rows}
        return cls(nyu40, hashlib.sha256(blob).hexdigest())

    def is_room(self, raw_category: str) -> bool:
        """Whether it is a wall, the floor or the ceiling."""
        return self.nyu40.get(_words(raw_category), _words(raw_category)) in ROOM_CLASSES

    def label(self, raw_category: str) -> str:
        """One of ``scene.labels.LABELS``, or empty for what has no label."""
        return LABEL_OF.get(_words(raw_category), "")


def _words(text: str | None) -> str:
    return " ".join((text or "").lower().split())
