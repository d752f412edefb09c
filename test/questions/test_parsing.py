"""Reading what people type: phrasings that are in no template, and what must not be understood."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill3d_ros.questions.parsing import MAX_QUESTION_CHARACTERS, parse
from distill3d_ros.scene.labels import known_names

UNDERSTOOD = [
    ('is there a sink in the picture?', 'exists', ('sink',)),
    ('is the lamp in the picture left of the bed?', 'left_of', ('lamp', 'bed')),
    ('how many chairs are in the whole picture?', 'count', ('chair',)),
    ('do you see a chair on this picture?', 'exists', ('chair',)),
    ('does the picture show a chair?', 'exists', ('chair',)),
    ('is the chair in the left half of the picture?', 'left_side', ('chair',)),
    ('is there a picture in the picture?', 'exists', ('picture',)),
    ('is there a picture?', 'exists', ('picture',)),
    ('is the picture above the sofa?', 'above', ('picture', 'sofa')),
    ('what is in front of the picture?', 'what_is_in_front_of', ('picture',)),
    ('how far away is the picture?', 'distance_to', ('picture',)),
    ('is the cup on the picture frame?', 'on', ('cup', 'picture')),
    ('how many people are in the room?', 'count', ('person',)),
    ('is there somebody in front of you?', 'exists', ('person',)),
    ('is someone near the door?', 'near', ('person', 'door')),
    ('how far away is the man?', 'distance_to', ('person',)),
    ('what is on the kitchen counter?', 'what_is_on', ('counter',)),
    ('are the books on the table?', 'on', ('books', 'table')),
    ('is there a book on the table?', 'on', ('books', 'table')),
    ('are the blinds left of the mirror?', 'left_of', ('blinds', 'mirror')),
    ('Is the CUP on the table', 'on', ('cup', 'table')),
    ('what\u2019s nearest to the door?', 'nearest_to', ('door',)),
    ('How far away is the couch', 'distance_to', ('sofa',)),
    ('is there a mug on the desk?', 'on', ('cup', 'desk')),
    ('are there any cups on the dining table', 'on', ('cup', 'table')),
    ('chair near table?', 'near', ('chair', 'table')),
    ('Hey robot, is the bin next to the fridge?', 'near', ('trash can', 'fridge')),
    ('robot, how many chairs can you see', 'count', ('chair',)),
    ('how many plates are there in the room?', 'count', ('bowl',)),
    ('Is the tv bigger than the microwave?', 'larger', ('television', 'oven')),
    ('is the lamp taller than the plant', 'taller', ('lamp', 'plant')),
    ('which is bigger the sofa or the bed', 'which_larger', ('sofa', 'bed')),
    ('what is taller: wardrobe or fridge', 'which_taller', ('wardrobe', 'fridge')),
    ('is the wardrobe or the fridge taller', 'which_taller', ('wardrobe', 'fridge')),
    ('Is the backpack underneath the desk?', 'under', ('bag', 'desk')),
    ('do you see a toilet', 'exists', ('toilet',)),
    ('is there a toilet in this room', 'exists', ('toilet',)),
    ('any chairs?', 'exists', ('chair',)),
    ('what is to the left of the bookshelf', 'what_is_left_of', ('shelf',)),
    ('what is left of the sofa?', 'what_is_left_of', ('sofa',)),
    ("what's behind the couch", 'what_is_behind', ('sofa',)),
    ("what's under the bed?", 'what_is_under', ('bed',)),
    ('what is the vase standing on?', 'standing_on', ('vase',)),
    ('what is the closest object to you', 'nearest_to_me', ()),
    ('what is the nearest thing to the robot?', 'nearest_to_me', ()),
    ('what is closest?', 'nearest_to_me', ()),
    ('which object is the tallest?', 'tallest_thing', ()),
    ('how tall is the wardrobe?', 'height_of', ('wardrobe',)),
    ('how wide is the door', 'width_of', ('door',)),
    ('how far is it from the sofa to the tv?', 'distance_between', ('sofa', 'television')),
    ('distance between the sofa and the tv', 'distance_between', ('sofa', 'television')),
    ('distance to the door', 'distance_to', ('door',)),
    ('how far apart are the desk and the window', 'distance_between', ('desk', 'window')),
    ('does the sofa touch the table', 'touching', ('sofa', 'table')),
    ('is the box leaning against the sofa', 'against', ('box', 'sofa')),
    ('does the chair lean on the desk?', 'against', ('chair', 'desk')),
    ('is the chair left of the desk', 'left_of', ('chair', 'desk')),
    ('is the chair to the right of the desk', 'right_of', ('chair', 'desk')),
    ('is the chair on the right side of the desk', 'right_of', ('chair', 'desk')),
    ('is the chair on the right', 'right_side', ('chair',)),
    ('is the door on my left hand side?', 'left_side', ('door',)),
    ('which is nearer to the bed, the lamp or the chair', 'closer', ('bed', 'lamp', 'chair')),
    ('which is closer, the lamp or the chair?', 'nearer_to_me', ('lamp', 'chair')),
    ('which is closest to you: the lamp or the chair?', 'nearer_to_me', ('lamp', 'chair')),
    ('which one is further away, the bed or the door', 'farther_from_me', ('bed', 'door')),
    ('is the bed further away than the door', 'behind', ('bed', 'door')),
    ('is the bed closer than the door', 'in_front_of', ('bed', 'door')),
    ('is the window above the radiator', 'above', ('window', 'radiator')),
    ('is the lamp over the table?', 'above', ('lamp', 'table')),
    ('is the radiator below the window', 'below', ('radiator', 'window')),
    ('is the plant in front of the window', 'in_front_of', ('plant', 'window')),
    ('could you please tell me whether there is a sink?', 'exists', ('sink',)),
    ('Can you tell me what is on the coffee table?', 'what_is_on', ('table',)),
    ('what do you see on top of the fridge', 'what_is_on', ('fridge',)),
    ('which things are on the table?', 'what_is_on', ('table',)),
    ('on the table, is there a cup?', 'on', ('cup', 'table')),
    ('to the left of the sofa is there a lamp?', 'left_of', ('lamp', 'sofa')),
    ('is the table supporting the vase?', 'on', ('vase', 'table')),
    ('is the vase supported by the table?', 'on', ('vase', 'table')),
    ('is the desk smaller than the bed', 'larger', ('bed', 'desk')),
    ('is the stool shorter than the chair', 'taller', ('chair', 'stool')),
    ('is the desk narrower than the bed', 'wider', ('bed', 'desk')),
    ('are the chair and the table close together', 'near', ('chair', 'table')),
    ('are the sofa and bed far apart?', 'far', ('sofa', 'bed')),
    ('is the sofa a long way from the bed', 'far', ('sofa', 'bed')),
    ('number of chairs', 'count', ('chair',)),
    ('how many lamps', 'count', ('lamp',)),
    ('how high is the table', 'height_of', ('table',)),
    ('IS THE POTTED PLANT BESIDE THE WASHING MACHINE', 'near', ('plant', 'washing machine')),
    ('is the   chair \n near the\ttable ?', 'near', ('chair', 'table')),
    ('is the chair by the window?', 'near', ('chair', 'window')),
    ('what is next to the bed?', 'nearest_to', ('bed',)),
    ('between the bed and the sofa, which is wider?', 'which_wider', ('bed', 'sofa')),
    ('which of these is further left: the bed or the sofa?', 'which_left', ('bed', 'sofa')),
    ('is the box or the bag on the left', 'which_left', ('box', 'bag')),
    ('is a chair visible?', 'exists', ('chair',)),
    ('is the chair visible', 'exists', ('chair',)),
    ('do you have a chair in view', 'exists', ('chair',)),
    ('tell me how far the door is', 'distance_to', ('door',)),
    ('how far is the door from you?', 'distance_to', ('door',)),
    ('how far from the bed is the sofa', 'distance_between', ('bed', 'sofa')),
    ('what sits on the shelf', 'what_is_on', ('shelf',)),
    ('what is the biggest thing here', 'largest_thing', ()),
    ("What's the farthest thing from you?", 'farthest_thing', ()),
    ('does the bed take up more space than the desk?', 'larger', ('bed', 'desk')),
    ('Is the office chair pushed up against the desk?', 'against', ('chair', 'desk')),
    ('is the laptop on the desk', 'on', ('computer', 'desk')),
    ('which is wider - the sofa or the bed?', 'which_wider', ('sofa', 'bed')),
    ('is the chair further left than the desk', 'left_of', ('chair', 'desk')),
    ('is the lamp closer to the bed or the chair?', 'closer', ('lamp', 'bed', 'chair')),
    ('which is the bigger one, the sofa or the bed', 'which_larger', ('sofa', 'bed')),
    ('Could you tell me how many bookshelves there are?', 'count', ('shelf',)),
    ('how many seats do we have here', 'count', ('chair',)),
    ('what lies beneath the desk', 'what_is_under', ('desk',)),
    ("what's the tallest thing in the room?", 'tallest_thing', ()),
    ('is the table holding a vase?', 'on', ('vase', 'table')),
    ('is a vase on top of the table', 'on', ('vase', 'table')),
    ('can you see a bottle on the shelf?', 'on', ('bottle', 'shelf')),
    ('do the sofa and the table touch each other?', 'touching', ('sofa', 'table')),
    ('is the fridge not as tall as the door', 'taller', ('door', 'fridge')),
    ('how close is the sofa to the bed', 'distance_between', ('sofa', 'bed')),
    ('what is the distance from here to the window', 'distance_to', ('window',)),
    ('is the bin right next to the desk?', 'near', ('trash can', 'desk')),
    ('is the desk nowhere near the window', 'far', ('desk', 'window')),
    ("How many chair(s) are in this room?", "count", ("chair",)),
    (
        "Measuring from the closest point of each object, what is the distance between the bed and the tv (in meters)?",
        "distance_between",
        ("bed", "television"),
    ),
]  # fmt: skip

NOT_UNDERSTOOD = [
    "",
    "   ",
    "?",
    "hello",
    "what",
    "how",
    "is the chair",
    "the chair",
    "chair table",
    "is the chair red?",
    "where is the chair?",
    "ist der stuhl neben dem tisch?",
    "¿hay una silla?",
    "椅子はテーブルの近くにありますか",
    "est-ce que la chaise est près de la table ?",
    "\u0421\u0442\u0443\u043b \u0440\u044f\u0434\u043e\u043c?",
    "asdf qwer zxcv",
    "is the unicorn near the table?",
    "go to the chair",
    "turn on the light",
    "what is the weather today?",
    "who is near the table?",
    "is the chair near the chair?",
    "is the chair not near the table?",
    "isn't the chair near the table?",
    "what time is it?",
    "is the cup on the table and the chair on the bed near the sofa?",
    "is the light on?",
    "what is the table?",
    "is it?",
    "near",
    "on on on",
    "left of",
    "what color is the sofa",
    "is the chair between the table and the sofa?",
    "tell me a joke about chairs",
    "why is the chair near the table",
    "what is not on the table",
    "pick up the cup from the table",
    "what is two plus two",
    "please",
    "how many?",
    "how many things do you see?",
    "which is closer?",
    "is there?",
    "is the door open?",
    "\x00\x01",
    "is the chair nearer to the sofa than the table",
    "is the chair near you?",
    "is there something like a chair",
    "is the fridge as tall as the door",
    "is the distance between the sofa and the bed big",
    "is the chair near table near lamp near bed?",
    "drive to the nearest door",
    "the sofa is nice",
    "put the cup on the table",
    "can you put the cup on the table?",
    "please carry the box to the door",
    "could you take the bag near the sofa",
    "hold the cup",
    "how far",
    "Can I see the television from my position on the bed?",
    "is the nearest chair left of the farthest chair?",
    "which is bigger, the sofa",
    "is the bed longer than 3 metres",
    "show me the chair near the table",
    "does the chair have four legs?",
    "is there a cat on the sofa?",
    "what is on the moon",
    "how many chairs and tables are there?",
    "are there more chairs than tables?",
    "is the chair near a table or not near it",
    # what a question of the kind does not use would make it another question
    "how far is the box on the left?",
    "how far apart are the two chairs?",
    "how far is the chair and the table?",
    "how far is the robot from the table and the chair",
    "is there a chair and is it near the table?",
    "is there another chair?",
    "are all chairs near the table?",
    "are both chairs near the table?",
    "which is closer, the lamp or the chair or the bed?",
    "is the chair next to you or the table",
    "is the chair seen by the lamp?",
    "how close together are the chairs",
    "is the chair left or right of the table?",
    "is the chair near and left of the table?",
    "is the top of the table near the lamp?",
    "how many metres left of the table is the chair",
]


@pytest.mark.parametrize(("text", "kind", "labels"), UNDERSTOOD)
def test_free_phrasings(text: str, kind: str, labels: tuple[str, ...]) -> None:
    parsed = parse(text)
    assert parsed is not None
    assert (parsed.kind, parsed.labels) == (kind, labels)


@pytest.mark.parametrize("text", NOT_UNDERSTOOD)
def test_what_is_not_understood(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(("words", "label"), sorted(known_names().items()))
def test_every_name_plural_and_synonym_is_known(words: str, label: str) -> None:
    other = "window" if label != "window" else "door"
    for text in (f"is the {words} near the {other}?", f"Is the {other.upper()} near the {words.title()}"):
        parsed = parse(text)
        assert parsed is not None
        assert set(parsed.labels) == {label, other}
        for mention in parsed.mentions:
            assert text[mention.start : mention.end].lower() in (words, other)


def test_names_keep_their_place_in_the_original() -> None:
    text = "  What\u2019s   left of the\tWASHING  machine ?!"
    parsed = parse(text)
    assert parsed is not None
    (mention,) = parsed.mentions
    assert text[mention.start : mention.end] == "WASHING  machine"


@pytest.mark.parametrize(
    "text", ["x" * 10_000, "is the chair near the table? " * 400, "chair " * 2_000, "@" * 10_000, "a " * 5_000]
)
def test_endless_questions_are_refused_at_once(text: str) -> None:
    start = time.process_time()
    assert parse(text) is None
    assert time.process_time() - start < 0.05


def test_the_longest_question_is_read_quickly() -> None:
    text = ("is the " * 100)[:MAX_QUESTION_CHARACTERS]
    start = time.process_time()
    assert parse(text) is None
    assert time.process_time() - start < 0.1


@given(st.text(max_size=400))
def test_any_text_is_survived(text: str) -> None:
    parsed = parse(text)
    if parsed is not None:
        assert all(0 <= m.start < m.end <= len(text) for m in parsed.mentions)


@given(st.lists(st.text(string.ascii_lowercase, min_size=4, max_size=9), min_size=1, max_size=8))
def test_random_letters_are_not_understood(words: list[str]) -> None:
    if not set(words) & set(known_names()):
        assert parse(" ".join(words)) is None
