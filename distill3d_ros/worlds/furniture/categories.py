"""Mapping of catalogue entries to labels.

By title; by id where titles mislead. Entries in neither table are left out: outdoor things, people, switches, stairs,
sets of many things, and whatever a viewer could take for a label that it does not have.
"""

from __future__ import annotations

from typing import NamedTuple


class Category(NamedTuple):
    """Label ("" for clutter: nameless small decor) and, where layouts need it, a subcategory."""

    label: str
    kind: str = ""


# label or label/kind: titles, separated by "|"
_TITLES = """
chair: Chair|Oak chair|Chair with cushion|Osaka chair|Folding chair|Class seat|Plastic chair|Teck chair|Cafe chair
chair/small: Child chair|Children chair
chair/office: Office chair
armchair: Armchair|Winchester armchair|Modern armchair|Rattan armchair
stool/bar: Stool|Bar chair|Bar stool
stool: Piano bench|Puff
sofa: Couch|Sofa|Winchester sofa|Futon couch|Sofa 2 seats|Sofa 3 seats|Burlap sofa|Clear sofa
sofa: Convertible sofa BZ|Rattan sofa
sofa/corner: Corner sofa
table: Oak table|Table with tablecloth|Table|Folding table|Glass table|Black table|Table on trestles|Wooden alder table
table: Wooden table|Wooden teak table|Round table|Bar table|Cafe table
table/small: Children table
table/coffee: Coffee table|Rattan table
desk: Desk|Desk table|Wooden desk
bed: Bed|Iron bed|Captain's bed|Opened convertible sofa BZ|Hospital bed
bed/small: Baby bed|Child bed|Crib|Day bed
bed/bunk: Bunk bed
cabinet/nightstand: Bedside table
cabinet: Dresser with drawers|Cupboard|Filing cabinet|Changing table|Chest
cabinet/television: TV stand
cabinet/kitchen: Drawers cabinet|Lower cabinet|Small lower cabinet|Island|Island extension
cabinet/wall: Glass door cabinet|Small upper cabinet|Upper cabinet
cabinet/high: High cabinet
wardrobe: Wardrobe
shelf: Bookcase|Shelves|Vertical shelves
lamp/table: Desk lamp|Lamp|Little lamp|Pedestal vase lamp|Japanese lantern|Camping lamp
lamp/ceiling: Hanging light|Pendant lamp
plant: Little plant|Plant|Cactus|Decorative plant|Orchids|Indoor plant|Spathiphyllum|Yucca|Spider plant|Succulent plant
plant: Tulips|White lily|Ficus|Bonsai tree|Flowers|Bamboo
television: TV|TV 16:9
television/wall: Wall flat TV
computer: Laptop|Apple iBook|Apple iMac 1998|Apple iMac 2004
fridge: Refrigerator|Large fridge|Fridge
oven: Oven|Double oven|Large stove|Propane stove
oven/microwave: Microwave|Small oven
washing machine: Washing machine|Clothes washing machine|Dryer machine
sink/kitchen: Sink|Sink cabinet
sink: Washbasin|Vanity|Small lavatory|Double vanity
toilet: Toilets unit|Bidet
bathtub: Bath|Island bath
bathtub/corner: Corner bathtub
radiator: Radiator
door: Door|Exterior door|Screen door|Glass door|Double door|Double door with panes
window: Double-hung window|Double window with large pane|Double window 3 panes|Double window 4 panes
window: Double French window 3 panes|Double French window small panes|Triple French window|Turn window
window: Quadruple French window 3 panes|Quadruple French window small panes|Double arched window|Quadruple arched window
window: Sliding window
box: Box|Crate|Gift|Cardboard box|Open cardboard box|Trunck
vase: Vase|Old jar
bottle: Wine bottle|Beer bottle|Baby bottle|Yogurt bottle|Bottle|Medicine bottle|Flacon|Spray bottle
cup: Coffee cup|Plastic cup|Beer glass|Glass|Coffee mug|Cup|Cocktail glass
bowl: Bowl|Plate|Oval plate|Bowl with fruits|Bowl with salad|Pottery
bag: Handbag|Backpack|Briefcase|Suitcase
trash can: Dustbin|Bullet trash can|Recycling bin|Residential trashcan|Park trashcan
: Teddy bear|Mixer|Table fan|Rigged fan|Scissors|Book|Clock|Radio|Toy train|Xylophone|Chessboard|Bread|Hamburger
: Hot dog
: Phone|Wireless phone|Newspaper|Soccer ball|Basketball|Rubik's cube|Doll|Keys|Camera|Reflex camera
: Birthday cake
: Toaster
: Headphones|Calendar|Slippers|Sneakers|Folded clothes|Deer|Car model|Hat|Cap|Helmet|Stapler|TV remote control
: Joystick
: Kitchen scale|Sandwich maker|Cup cake|Tablet|Roasted chicken|Woman shoes|Speaker|Electric guitar|Letter tray|Hammer
: Drill
: Chopping board|Blender|Coffee maker|Knife stand|Paper towel holder|MP3 base|Biplane|Safe|DVD player|PlayStation
"""

_EXCEPTIONS = {
    "Blend Swap CC-0#armchair": Category("chair", "office"),
    "Blend Swap CC-0#table_football": None,
    "Blend Swap CC-0#foldingChair": Category("stool"),
    "Blend Swap CC-0#lamp2": Category("lamp", "ceiling"),
    "Blend Swap CC-0#riggedFan": None,
    "Blend Swap CC-BY#chessboard": None,
    "Blend Swap CC-0#knifeStandSwap": None,
    "Scopia#bamboo": None,
    "Scopia#ficusTree": None,
    "Scopia#ext_chair": None,
    "Scopia#ext_table": None,
    "Scopia#rattanTable": None,
    "Scopia#children_table": Category("table", "coffee"),
    "Blend Swap CC-BY#classSeat": None,
    "Blend Swap CC-0#radiator2": None,
    "Blend Swap CC-BY#boiler": None,
    "Blend Swap CC-BY#green_stool": Category("stool"),
    "Blend Swap CC-BY#officeTable": Category("desk"),
    "Blend Swap CC-BY#chest": Category("cabinet"),
    "Blend Swap CC-BY#armChair2": Category("armchair"),
    "Kator Legaz#office-chair": Category("chair", "office"),
    "Kator Legaz#custom-desk": Category("desk", "hutch"),
    "Blend Swap CC-0#desk": Category("desk", "hutch"),
    "Kator Legaz#chair-ottoman": None,
    "Scopia#armchair1": Category("armchair"),
    "Scopia#box_room": Category("cabinet"),
    "Scopia#dining_room": Category("shelf", "wide"),
    "Scopia#office_furniture1": Category("shelf", "wide"),
    "Scopia#office_box": Category("shelf", "wide"),
    "Scopia#office_chair": Category("chair", "office"),
    "Scopia#kids_desk_chair": Category("chair", "office"),
    "Scopia#desk_table": Category("table"),
    "Scopia#table3": Category("table"),
    "Scopia#living_lamp": Category("lamp", "floor"),
    "Scopia#living_room_table": Category("table", "coffee"),
    "Scopia#chair": Category("chair"),
    "Scopia#cooker": None,
    "Scopia#pottery": Category("bowl"),
    "Scopia#convertible-sofa-BZ-opened": Category("bed"),
    "Blend Swap CC-0#lockedLocker": None,
    "Blend Swap CC-BY#bathroomRadiator": Category("radiator", "towel"),
    "Blend Swap CC-BY#radiatorAndTowels": Category("radiator", "towel"),
    "Blend Swap CC-0#shelves": Category("shelf"),
    "Blend Swap CC-0#highCabinet": Category("wardrobe"),
}


def _parse(table: str) -> dict[str, Category]:
    by_title: dict[str, Category] = {}
    for line in table.strip().splitlines():
        head, titles = line.split(":", 1)
        label, _, kind = head.strip().partition("/")
        by_title.update(dict.fromkeys((t.strip() for t in titles.split("|")), Category(label, kind)))
    return by_title


_BY_TITLE = _parse(_TITLES.replace("TV 16:9", "TV 16;9"))


def category_of(model_id: str, title: str) -> Category | None:
    """The category of a catalogue entry; None when it is to be left out."""
    if model_id in _EXCEPTIONS:
        return _EXCEPTIONS[model_id]
    return _BY_TITLE.get(title.replace(":", ";"))
