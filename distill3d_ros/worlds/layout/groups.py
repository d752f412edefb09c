"""Groups of furniture: a table with its chairs, a kitchen row, a bed with cabinets beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from distill3d_ros.worlds.layout.builder import SLACK, Builder
from distill3d_ros.worlds.layout.small_things import cover, small, under
from distill3d_ros.worlds.room import PlacedObject

SEATS = ("chair", "chair", "chair", "stool", "armchair")


def openings(b: Builder, *, walls: Sequence[int] = range(4), door: float = 0.75) -> None:
    """A closed door (``door``: how often), and windows, some with a radiator under them; set into these walls."""
    for label, chance in (("door", door), ("window", 0.8), ("window", 0.35)):
        if b.rng.uniform() > chance:
            continue
        instance = b.pick(label)
        if instance is None:
            continue
        instance.scale[1] = b.rng.uniform(0.04, 0.09) / instance.model.size[1]  # the rest is inside the wall
        z = 0.0
        if label == "window":
            z = b.rng.uniform(0.7, 1.0) if b.rng.uniform() < 0.8 else 0.05
            height = min(b.size[2] - z - 0.15, b.rng.uniform(0.9, 1.5) if z > 0.1 else 2.2)
            instance.scale[2] = height / instance.model.size[2]
            instance.scale[0] = min(instance.scale[0], 2.0 / instance.model.size[0])
        else:
            instance.scale[2] = min(instance.scale[2], (b.size[2] - 0.1) / instance.model.size[2])
        wall = walls[int(b.rng.integers(len(walls)))]
        placed = b.against_wall(instance, wall, z=z)
        if placed is None:
            continue
        if label == "door":
            b.keep_free(placed.position + placed.rotation @ [0, 0.4, 0], (0.9 * instance.size[0], 0.7), placed.yaw)
        elif z > 0.6 and b.rng.uniform() < 0.6:
            radiator(b, wall, below=placed)


def radiator(b: Builder, wall: int, below: PlacedObject | None = None) -> None:
    """On the wall, under a window if one is given."""
    instance = b.pick("radiator", ("",) if below is not None else None)
    if instance is None:
        return
    z, room = 0.08, (below.position[2] if below is not None else 2.2) - 0.12
    instance.scale[2] *= min(1.0, room / instance.size[2])
    along = None
    if below is not None:
        w, d = b.size[:2]
        x, y = below.position[:2]
        along = (w - x, d - y, x, y)[wall]
    b.against_wall(instance, wall, along=along, z=z)


def dining(b: Builder) -> None:
    """A table with one to four seats, some pushed under it, things on it."""
    instance = b.pick("table", ("",), max_size=(2.0, 1.3, 0.95))
    if instance is None:
        return
    if b.rng.uniform() < 0.4:
        table = b.against_wall(instance, int(b.rng.integers(4)), gap=float(b.rng.choice([0.0, 0.02, 0.6])))
    else:
        table = b.somewhere(instance, margin=0.8)
    if table is None:
        return
    seats(b, table, int(b.rng.choice([1, 2, 3, 4], p=[0.35, 0.35, 0.15, 0.15])))
    cover(b, table, int(b.rng.integers(1, 5)))
    under(b, table, 0.2)


def seats(b: Builder, table: PlacedObject, count: int) -> None:
    """Around a table, turned to it, each with its own distance and a little angle."""
    same = b.pick(str(b.rng.choice(SEATS)), ("", "office"), max_size=(0.9, 0.9, 1.3))
    size = table.model.size * table.scale
    sides = list(b.rng.permutation(4))
    for k in range(count):
        instance = same if same is not None and b.rng.uniform() < 0.8 else b.pick("chair", ("", "office"))
        if instance is None:
            return
        side = sides[k % 4]
        turn = side * np.pi / 2
        reach = size[1] / 2 if side % 2 == 0 else size[0] / 2
        span = size[0] if side % 2 == 0 else size[1]
        shift = b.rng.uniform(-0.3, 0.3) * max(span - instance.size[0], 0.0)
        angle = 0.0 if b.rng.uniform() < 0.4 else b.rng.normal(0, 0.35)
        clear = reach + float(np.hypot(*instance.size[:2])) / 2
        own = np.array([-np.sin(turn) * clear + np.cos(turn) * shift, np.cos(turn) * clear + np.sin(turn) * shift])
        start = table.position[:2] + table.rotation[:2, :2] @ own
        heading = table.yaw + turn + np.pi + angle
        if b.rng.uniform() < 0.65:  # pushed in, until it touches or some way under the table
            travel = float(b.rng.choice([0.9, b.rng.uniform(0.1, 0.5)]))
            b.push_to(instance, table, start, heading, min(travel, clear - 0.05))
        else:
            b.put(instance, start + (start - table.position[:2]) * b.rng.uniform(-0.1, 0.3), heading)


def desk(b: Builder) -> None:
    """A desk at the wall, a chair before it, a computer and a lamp on it."""
    instance = b.pick("desk")
    if instance is None:
        return
    wall = int(b.rng.integers(4))
    turn = 0.0 if b.rng.uniform() < 0.75 else float(b.rng.choice([np.pi, np.pi / 2, b.rng.uniform(-3, 3)]))
    placed = b.against_wall(instance, wall, turn=turn, gap=0.0 if turn == 0 else b.rng.uniform(0, 1.0))
    if placed is None:
        return
    if computer := small(b, "computer"):
        b.on_top(computer, placed, yaw=placed.yaw + b.rng.normal(0, 0.2))
    if b.rng.uniform() < 0.7 and (lamp := small(b, "lamp")):
        b.on_top(lamp, placed, back=True)
    chair = b.pick("chair", ("office",) if b.rng.uniform() < 0.6 else ("", "office"))
    if chair is not None and b.rng.uniform() < 0.9:
        if b.rng.uniform() < 0.5:
            start = placed.position[:2] + placed.rotation[:2, :2] @ [
                b.rng.uniform(-0.2, 0.2),
                placed.box.size[1] / 2 + 0.6,
            ]
            b.push_to(chair, placed, start, placed.yaw + np.pi + b.rng.normal(0, 0.3), b.rng.uniform(0.2, 0.7))
        else:
            b.in_front(
                chair,
                placed,
                b.rng.uniform(0.0, 0.4),
                shift=b.rng.uniform(-0.2, 0.2),
                turn=np.pi + b.rng.normal(0, 0.5),
            )
    cover(b, placed, int(b.rng.integers(1, 4)))
    if b.rng.uniform() < 0.4 and (bin_ := b.pick("trash can")):
        b.beside(bin_, placed, int(b.rng.choice([-1, 1])), gap=float(b.rng.choice([SLACK, 0.1])))


def bed(b: Builder) -> None:
    """Head to the wall, cabinets or a table beside it, lamps and a plant on them."""
    instance = b.pick("bed", ("", "", "small", "bunk"))
    if instance is None:
        return
    placed = b.against_wall(
        instance, int(b.rng.integers(4)), turn=0.0 if b.rng.uniform() < 0.85 else b.rng.uniform(-0.4, 0.4), gap=0.0
    )
    if placed is None:
        return
    for side in (-1, 1):
        if b.rng.uniform() < 0.6 and (stand := b.pick("cabinet", ("nightstand", ""), max_size=(1.0, 0.6, 0.85))):
            beside = b.beside(stand, placed, side, gap=float(b.rng.choice([SLACK, 0.05])))
            if beside is not None:
                cover(b, beside, int(b.rng.integers(1, 3)), ("lamp", "lamp", "plant", "cup", "vase", "bottle", ""))
    if b.rng.uniform() < 0.35:
        thing = small(b, str(b.rng.choice(("bag", "box", "computer", ""))))
        if thing is not None:
            b.on_top(thing, placed)


def sofas(b: Builder) -> None:
    """Sofa, table before it, an armchair, the television on a cabinet across."""
    wall = int(b.rng.integers(4))
    instance = b.pick("sofa")
    placed = None
    if instance is not None:
        placed = b.against_wall(instance, wall, gap=float(b.rng.choice([0.0, 0.03, 0.4])))
    if placed is not None:
        low = b.pick("table", ("coffee", "small"))
        if low is not None:
            table = b.in_front(low, placed, b.rng.uniform(0.2, 0.5), shift=b.rng.uniform(-0.2, 0.2), turn=0.0)
            if table is not None:
                cover(b, table, int(b.rng.integers(1, 4)), ("cup", "bowl", "vase", "plant", "bottle", "box", "", ""))
        if b.rng.uniform() < 0.5 and (side := b.pick("cabinet", ("nightstand",))):
            stand = b.beside(side, placed, int(b.rng.choice([-1, 1])))
            if stand is not None and (lamp := small(b, "lamp")):
                b.on_top(lamp, stand)
        if b.rng.uniform() < 0.25 and (thing := small(b, str(b.rng.choice(("bag", "box", ""))))):
            b.on_top(thing, placed)
    television(b, (wall + 2) % 4)
    if b.rng.uniform() < 0.6 and (chair := b.pick("armchair")):
        b.somewhere(chair)


def television(b: Builder, wall: int) -> None:
    """On a cabinet, or hung on the wall."""
    instance = b.pick("television")
    if instance is None:
        return
    if instance.model.kind == "wall":
        b.against_wall(instance, wall, z=b.rng.uniform(0.8, 1.3))
        return
    stand = b.pick("cabinet", ("television", ""), max_size=(2.0, 0.7, 1.0)) or b.pick("table", ("coffee",))
    if stand is None:
        return
    placed = b.against_wall(stand, wall)
    if placed is not None:
        b.on_top(instance, placed, yaw=placed.yaw + b.rng.normal(0, 0.1))
        cover(b, placed, int(b.rng.integers(0, 3)), ("vase", "plant", "lamp", "box", ""))


def kitchen_row(b: Builder) -> None:
    """Cabinets, oven, sink, washing machine and fridge in a touching row, things on top, cabinets above."""
    wall = int(b.rng.integers(4))
    wishes: list[tuple[str, tuple[str, ...] | None]] = [("oven", ("",)), ("sink", ("kitchen",)), ("fridge", None)]
    wishes += [("cabinet", ("kitchen",))] * int(b.rng.integers(1, 3))
    if b.rng.uniform() < 0.6:
        wishes.append(("washing machine", None))
    along = b.rng.uniform(0.0, 0.8)
    row: list[PlacedObject] = []
    for k in b.rng.permutation(len(wishes)):
        label, kinds = wishes[k]
        instance = b.pick(label, kinds) or b.pick(label)
        if instance is None:
            continue
        instance.scale[1] *= b.rng.uniform(0.58, 0.64) / instance.size[1] if instance.size[1] > 0.5 else 1.0
        width = instance.size[0]
        placed = b.against_wall(instance, wall, along=along + width / 2)
        along += width + (SLACK if placed is not None else 0.1)
        if placed is not None:
            row.append(placed)
    for placed in row:
        if placed.label in ("cabinet", "washing machine", "oven") or b.rng.uniform() < 0.2:
            cover(b, placed, int(b.rng.integers(0, 3)), ("cup", "bowl", "bottle", "plant", "vase", "box", ""))
            if b.rng.uniform() < 0.3 and (oven := b.pick("oven", ("microwave",))):
                b.on_top(oven, placed, yaw=placed.yaw)
        if placed.label == "cabinet" and b.rng.uniform() < 0.5 and (upper := b.pick("cabinet", ("wall",))):
            w, d = b.size[:2]
            x, y = placed.position[:2]
            b.against_wall(upper, wall, along=(w - x, d - y, x, y)[wall], z=b.rng.uniform(1.4, 1.55))


def bathroom_set(b: Builder) -> None:
    """Toilet, sink, bathtub, a washing machine now and then, bottles and cups on them."""
    tub = b.pick("bathtub")
    if tub is not None and b.rng.uniform() < 0.75:
        wall = int(b.rng.integers(4))
        along = tub.size[0] / 2 if tub.model.kind == "corner" else None
        placed = b.against_wall(tub, wall, along=along)
        if placed is not None:
            cover(b, placed, 1, ("bottle", "cup", "plant"))
    wishes = (
        ("toilet", 0.95, None),
        ("sink", 0.95, ("",)),
        ("washing machine", 0.5, None),
        ("radiator", 0.4, ("towel", "")),
        ("cabinet", 0.6, ("", "nightstand")),
    )
    for label, chance, kinds in wishes:
        instance = b.pick(label, kinds)
        if instance is None or b.rng.uniform() > chance:
            continue
        z = instance.model.elevation if label in ("sink", "radiator") else 0.0
        placed = b.against_wall(instance, int(b.rng.integers(4)), z=z)
        if placed is not None and label in ("washing machine", "cabinet", "sink"):
            cover(b, placed, int(b.rng.integers(1, 3)), ("bottle", "cup", "bottle", "vase", "plant", "box", ""))


def storage(b: Builder, label: str) -> None:
    """Wardrobe, shelf or cabinet at a wall, now and then with something on top or right beside it."""
    kinds = {"cabinet": ("", "nightstand", "television"), "shelf": None, "wardrobe": None}[label]
    instance = b.pick(label, kinds, max_size=(2.3, 1.0, b.size[2] / 1.15))
    if instance is None:
        return
    placed = b.against_wall(instance, int(b.rng.integers(4)), gap=float(b.rng.choice([0.0, 0.02])))
    if placed is None:
        return
    if b.rng.uniform() < 0.6:
        cover(b, placed, int(b.rng.integers(1, 3)), ("box", "vase", "plant", "bag", "lamp", "bowl", "bottle", ""))
    if b.rng.uniform() < 0.4 and (
        thing := b.pick(str(b.rng.choice(("trash can", "plant", "stool", "chair", "box", "bag"))))
    ):
        b.beside(thing, placed, int(b.rng.choice([-1, 1])), flush="center" if b.rng.uniform() < 0.5 else "back")


def ceiling_lamp(b: Builder) -> None:
    """Hangs from the ceiling."""
    instance = b.pick("lamp", ("ceiling",))
    if instance is not None:
        instance.scale[2] *= min(1.0, 0.9 / instance.size[2])
        b.put(
            instance,
            b.rng.uniform(0.3, 0.7, 2) * b.size[:2],
            b.rng.uniform(-np.pi, np.pi),
            b.size[2] - instance.size[2] - 0.001,
        )


def tabletop(b: Builder) -> None:
    """A table, desk or counter that is densely covered."""
    instance = b.pick(
        str(b.rng.choice(["table", "table", "desk", "cabinet"])), ("", "kitchen", "coffee"), (2.2, 1.3, 1.0)
    )
    if instance is None or instance.size[0] * instance.size[1] < 0.45:
        return
    placed = b.somewhere(instance, margin=0.8) or b.against_wall(instance, int(b.rng.integers(4)))
    if placed is None:
        return
    wanted = len(b.objects) + int(b.rng.integers(6, 12))
    for _ in range(30):
        if len(b.objects) >= wanted:
            return
        cover(b, placed, 1)


GROUPS: dict[str, Callable[[Builder], None]] = {
    "dining": dining,
    "desk": desk,
    "bed": bed,
    "sofas": sofas,
    "kitchen_row": kitchen_row,
    "bathroom_set": bathroom_set,
    "tabletop": tabletop,
    "wardrobe": lambda b: storage(b, "wardrobe"),
    "shelf": lambda b: storage(b, "shelf"),
    "cabinet": lambda b: storage(b, "cabinet"),
}
