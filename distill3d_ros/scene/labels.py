"""Labels of object categories: name, plural and synonyms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Label:
    """A category of things."""

    name: str
    plural: str
    synonyms: tuple[str, ...] = ()
    """Other words for the same category, singular."""

    @property
    def article(self) -> str:
        """Of an answer; empty for what has no singular ("books")."""
        if self.name == self.plural:
            return ""
        return "an" if self.name[0] in "aeiou" else "a"

    @property
    def singular(self) -> str:
        """The name of one of them: "book" for "books"."""
        return self.synonyms[0] if self.name == self.plural else self.name


_TABLE = (
    Label("chair", "chairs", ("seat", "folding chair", "dining chair", "office chair")),
    Label("armchair", "armchairs", ("easy chair", "recliner")),
    Label("stool", "stools", ("footstool", "bar stool", "ottoman", "pouf")),
    Label("sofa", "sofas", ("couch", "settee")),
    Label("table", "tables", ("coffee table", "dining table", "side table")),
    Label("desk", "desks", ("writing desk", "work desk")),
    Label("bed", "beds", ("bunk bed", "crib")),
    Label(
        "cabinet",
        "cabinets",
        ("dresser", "sideboard", "chest of drawers", "nightstand", "bedside table", "cupboard"),
    ),
    Label("wardrobe", "wardrobes", ("closet", "locker")),
    Label("shelf", "shelves", ("bookcase", "bookshelf", "shelving unit")),
    Label("lamp", "lamps", ("light", "desk lamp", "floor lamp")),
    Label("plant", "plants", ("potted plant", "houseplant", "flower pot", "flowers")),
    Label("television", "televisions", ("tv", "tv screen", "television set")),
    Label("computer", "computers", ("laptop", "notebook", "pc")),
    Label("fridge", "fridges", ("refrigerator", "freezer")),
    Label("oven", "ovens", ("stove", "cooker", "microwave")),
    Label("washing machine", "washing machines", ("washer", "dryer")),
    Label("sink", "sinks", ("washbasin", "basin")),
    Label("toilet", "toilets", ("lavatory", "wc", "bidet")),
    Label("bathtub", "bathtubs", ("bath", "tub")),
    Label("radiator", "radiators", ("heater",)),
    Label("door", "doors", ("doorway",)),
    Label("window", "windows", ()),
    Label("box", "boxes", ("crate", "cardboard box", "carton")),
    Label("vase", "vases", ("jar",)),
    Label("bottle", "bottles", ("flask",)),
    Label("cup", "cups", ("mug", "glass", "coffee cup")),
    Label("bowl", "bowls", ("plate", "dish")),
    Label("bag", "bags", ("backpack", "handbag", "suitcase")),
    Label("trash can", "trash cans", ("bin", "trash bin", "waste basket", "dustbin")),
    Label("person", "people", ("human", "man", "woman", "child", "somebody", "someone")),
    Label("picture", "pictures", ("painting", "poster", "picture frame")),
    Label("pillow", "pillows", ("cushion",)),
    Label("curtain", "curtains", ("drape", "shower curtain")),
    Label("blinds", "blinds", ("window blind", "roller blind", "venetian blind")),
    Label("mirror", "mirrors", ()),
    Label("counter", "counters", ("countertop", "worktop", "kitchen counter")),
    Label("books", "books", ("book",)),
    Label("towel", "towels", ()),
)

SIMULATED_LABELS: tuple[str, ...] = tuple(label.name for label in _TABLE[:30])
"""The categories that simulated rooms mark. Of the others their furniture may show parts without saying so: a pillow
on a bed, a book as clutter."""

LABELS: dict[str, Label] = {label.name: label for label in _TABLE}
"""Every category, by name, in a fixed order."""


def find_label(words: str) -> Label | None:
    """The category that a name, plural or synonym (any case, singular or plural) stands for."""
    return _BY_WORDS.get(" ".join(words.lower().split()))


def known_names() -> dict[str, str]:
    """Every name, plural and synonym (with its plural) -> category name."""
    return {words: label.name for words, label in _BY_WORDS.items()}


def plural_of(words: str) -> str:
    """English plural of a synonym."""
    if words in ("flowers", "chest of drawers"):
        return {"flowers": "flowers", "chest of drawers": "chests of drawers"}[words]
    if words.endswith("shelf"):
        return words.removesuffix("f") + "ves"
    if words.endswith(("s", "x", "ch", "sh")):
        return words + "es"
    if words.endswith("y") and words[-2] not in "aeiou":
        return words[:-1] + "ies"
    return words + "s"


_BY_WORDS: dict[str, Label] = {}
for _label in _TABLE:
    for _words in _label.synonyms:
        _BY_WORDS[_words] = _label
        _BY_WORDS[plural_of(_words)] = _label
for _label in _TABLE:
    _BY_WORDS[_label.name] = _label
    _BY_WORDS[_label.plural] = _label
