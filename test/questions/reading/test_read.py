"""Texts as people type them: the right reading of all their words, or a refusal that says why."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.scene_samples import random_scene

from distill3d_ros.questions.answer import Answer
from distill3d_ros.questions.parsing import MAX_QUESTION_CHARACTERS, parse
from distill3d_ros.questions.phrases import PHRASES
from distill3d_ros.questions.reading.places import OnSide
from distill3d_ros.questions.reading.queries import Query
from distill3d_ros.questions.reading.read import MOST_QUESTIONS, read
from distill3d_ros.questions.references import ResolvedReferences, resolve
from distill3d_ros.questions.rules import answer_by_rules
from distill3d_ros.questions.templates import templates
from distill3d_ros.scene.labels import LABELS
from distill3d_ros.scene.objects import Scene

THINGS = ("the chair", "my sofa", "a lamp", "the washing machine", "the nearest chair", "the lamp on the desk")
WHERE = (
    *("where is {}?", "Where's {}", "whereabouts is {}", "where can I find {}?", "where do you see {}"),
    *("do you know where {} is?", "can you tell me where {} is, please?", "find {}", "locate {}", "look for {}"),
    *("show me {}", "point to {}", "could you point at {}", "which direction is {}?", "in which direction is {}"),
    *("what is the position of {}?", "give me the location of {}", "I am looking for {}", "I can't find {}"),
    *("on which side is {}?", "which side is {} on?", "Hey robot, where is {} please?", "where does {} stand?"),
)
ONE = {
    # text: what is asked, of which things
    "How far is the box on the left?": ("OnSide distance_to", "box"),
    "where is the box on the left": ("OnSide", "box"),
    "how far is the chair near the door?": ("Direct distance_to", "chair door"),
    "how far apart are the two chairs?": ("Apart", "chair"),
    "what is the distance between the two lamps in feet": ("Apart", "lamp"),
    "how far is the chair in feet?": ("Direct distance_to", "chair"),
    "how many inches wide is the table": ("Direct width_of", "table"),
    "What's the distance between the bed and the desk in cm?": ("Direct distance_between", "bed desk"),
    "is the chair closer than 2 metres?": ("Limit distance_to", "chair"),
    "is the chair closer than 2m": ("Limit distance_to", "chair"),
    "is the chair within 6 feet": ("Limit distance_to", "chair"),
    "is the chair more than two metres away": ("Limit distance_to", "chair"),
    "is the table 2 metres away?": ("Limit distance_to", "table"),
    "is the wardrobe taller than me at 1.80?": ("Limit height_of", "wardrobe"),
    "is the wardrobe taller than 1,80 m": ("Limit height_of", "wardrobe"),
    "is the door higher than 6'2\"?": ("Limit height_of", "door"),
    "is the bed longer than 3 metres": ("Limit width_of", "bed"),
    "is there 60 cm between the bed and the desk?": ("Limit distance_between", "bed desk"),
    "is there at least 60cm of space between the bed and the desk": ("Limit distance_between", "bed desk"),
    "is the gap between the bed and the desk bigger than 60 cm?": ("Limit distance_between", "bed desk"),
    "can a 60 cm wide robot pass between the bed and the desk": ("Limit distance_between", "bed desk"),
    "is the chair less than 1 m from the table?": ("Limit distance_between", "chair table"),
    "is there a chair within 2 metres?": ("Within", "chair"),
    "is there a chair closer than three feet from you": ("Within", "chair"),
    "how many chairs are within 3 metres?": ("Within", "chair"),
    "is anything closer than half a metre?": ("Within", ""),
    "what are the dimensions of the table?": ("Sizes", "table"),
    "how big is the sofa?": ("Sizes", "sofa"),
    "how deep is the wardrobe in inches": ("Sizes", "wardrobe"),
    "how wide, tall and deep is the wardrobe": ("Sizes", "wardrobe"),
    "are there more chairs than tables?": ("MoreOf count count", "chair table"),
    "are there fewer lamps than chairs": ("MoreOf count count", "lamp chair"),
    "are there as many lamps as chairs": ("MoreOf count count", "lamp chair"),
    "which are there more of, chairs or lamps?": ("MoreOf count count", "chair lamp"),
    "are there at least two chairs?": ("CountLimit count", "chair"),
    "is there more than one chair?": ("CountLimit count", "chair"),
    "are there exactly 3 lamps here?": ("CountLimit count", "lamp"),
    "is the chair between the table and the sofa?": ("Between", "chair table sofa"),
    "what is between the bed and the desk?": ("Between", "bed desk"),
    "is the chair on the robot's left?": ("Direct left_side", "chair"),
    "isn't there a chair?": ("Direct exists", "chair"),
    "aren't there any chairs": ("Direct exists", "chair"),
    "is there no chair?": ("Direct exists", "chair"),
    "is the chair not near the table?": ("Direct near", "chair table"),
    "aren't the chair and the table close together?": ("Direct near", "chair table"),
    "is anything on the table?": ("Anything what_is_on", "table"),
    "is there nothing on the table?": ("Anything what_is_on", "table"),
    "hello! where is the chair? thanks": ("Where", "chair"),
    "do you see any people?": ("Direct exists", "person"),
}
TYPOS = {
    "is the chiar near the tabel?": ("chair", "table"),
    "where is the lmap": ("lamp",),
    "how far is teh sofa": ("the",),
    "is there a fridgee?": ("fridge",),
    "waht is on the table": ("what",),
}
SEVERAL = {
    "where is the chair and how far is it?": ("Where chair", "Direct distance_to chair"),
    "Is there a chair? How far is it?": ("Direct exists chair", "Direct distance_to chair"),
    "Is there a chair and how far is the table?": ("Direct exists chair", "Direct distance_to table"),
    "is the lamp on the table and is the cup on the desk?": ("Direct on lamp table", "Direct on cup desk"),
    "what is on the table and what is under it?": ("Direct what_is_on table", "Direct what_is_under table"),
    "Where are the chair and the sofa?": ("Where chair", "Where sofa"),
    "how many chairs and tables are there?": ("Direct count chair", "Direct count table"),
    "is there a chair and a table?": ("Direct exists chair", "Direct exists table"),
    "how tall are the chair and the table?": ("Direct height_of chair", "Direct height_of table"),
    "how far is the chair and the table?": ("Direct distance_to chair", "Direct distance_to table"),
    "is the chair near the sofa and the bed": ("Direct near chair sofa", "Direct near chair bed"),
}
REFUSED = {
    # text: the part that the refusal names
    "is the chair red?": '"red"',
    "is there a red chair?": '"red"',
    "is the door open?": '"open"',
    "is there another chair?": '"another"',
    "are all chairs near the table?": '"all"',
    "are both chairs near the table?": '"both"',
    "how far is the second chair": '"second"',
    "are there two chairs near the table?": '"two"',
    "where was the chair yesterday?": '"yesterday"',
    "where will the chair be": '"will"',
    "where is the chair not": '"not"',
    "where is the chair relative to the table?": '"relative"',
    "is the lamp behind you?": "",
    "go to the chair": '"go"',
    "put the cup on the table": '"put"',
    "what is the time": '"time"',
    "where is everything?": '"everything"',
    "is there a chair but no table?": '"but"',
    "which is closer, the lamp or the chair or the bed?": "",
    "is the chair near the table and the lamp on the desk?": "",
    "is the chair in front of or behind the table?": "",
    "find a way to the door": "",
    "where is it?": "",
    "how far is it?": "",
    "hello": "",
    "is the cup in the box?": "",
    "is the table bigger than 2 metres": "",
    "is the chair closer than 2": "",
    "is the chair twice as tall as the table?": '"twice"',
    "is the chair left or right of the table?": "",
    "is every chair near a table": '"every"',
    "how many metres left of the table is the chair": "",
    "is the left chair on the right?\x1b[2J": "",
    "wo steht der stuhl": "",
    "is the chair, which is near the table, red": '"red"',
    "where is the chair again": '"again"',
}
UNKNOWN = {
    "is there a unicorn?": "unicorns",
    "where is the dog": "dogs",
    "is there a dog on the sofa?": "dogs",
    "how many dogs are there?": "dogs",
    "is the toaster near the table?": "toasters",
}


def told(query: Query) -> str:
    return " ".join([type(query).__name__, *(part.kind for part in query.parts)])


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("form", WHERE)
def test_where_in_all_its_forms(form: str, thing: str) -> None:
    reading = read(form.format(thing))
    (query,) = reading.queries
    last = thing.split(" ", 1)[1].removeprefix("nearest ").split(" on ")[0]
    assert (told(query), query.labels[0]) == ("Where", last)
    assert ("desk" in query.labels) == ("desk" in thing)


@pytest.mark.parametrize("text", ONE)
def test_one_question(text: str) -> None:
    for typed in (text, text.upper(), text.rstrip("?") + " please", f"Hey, {text}"):
        reading = read(typed)
        assert reading.refusal is None, typed
        (query,) = reading.queries
        assert (told(query), " ".join(query.labels)) == ONE[text], typed
        assert not reading.notes


@pytest.mark.parametrize("text", TYPOS)
def test_typing_errors_are_read_and_said_back(text: str) -> None:
    reading = read(text)
    assert reading.refusal is None
    assert reading.notes == tuple(f"I read '{word}'" for word in TYPOS[text])


@pytest.mark.parametrize("text", SEVERAL)
def test_two_questions(text: str) -> None:
    reading = read(text)
    assert tuple(f"{told(q)} {' '.join(q.labels)}" for q in reading.queries) == SEVERAL[text]
    assert len(reading.texts) == 2


@pytest.mark.parametrize("text", REFUSED)
def test_never_another_question(text: str) -> None:
    reading = read(text)
    assert reading.refusal is not None, reading.queries
    assert not reading.queries
    assert (reading.refusal.reason, reading.refusal.value) == ("not_understood", None)
    assert REFUSED[text] in reading.refusal.text
    assert reading.refusal.text.isprintable()


@pytest.mark.parametrize("text", UNKNOWN)
def test_unknown_things_are_named(text: str) -> None:
    refusal = read(text).refusal
    assert refusal is not None
    assert refusal.reason == "unknown_thing"
    assert refusal.text.startswith(f"I do not know {UNKNOWN[text]}. I know chairs")


def test_what_a_student_never_learned_is_unknown_to_it() -> None:
    for text in ("where is the pillow?", "is the chair closer to the pillow than 2 m?", "how many pillows are there"):
        refusal = read(text, known=("chair", "table")).refusal
        assert refusal is not None
        assert (refusal.reason, refusal.text) == (
            "unknown_thing",
            "I do not know pillows. I know chairs, tables.",
        )
        assert read(text).refusal is None


@pytest.mark.parametrize("kind", PHRASES)
def test_what_training_asks_is_read_as_ever(kind: str) -> None:
    for held_out in (False, True):
        for template in templates(kind, held_out):
            text = template.replace("{0a}", "a chair").replace("{0s}", "chairs")
            text = text.format("the chair", "the table", "the lamp")
            (query,) = read(text).queries
            assert query.parts == (parse(text),)
            assert type(query).__name__ == "Direct"


def test_too_many_questions_are_refused() -> None:
    text = "is there a chair? " * (MOST_QUESTIONS + 1)
    refusal = read(text).refusal
    assert refusal is not None
    assert f"more than {MOST_QUESTIONS} questions" in refusal.text


def by_rules(text: str, scene: Scene) -> list[Answer]:
    """Answers to a text's questions from the boxes alone."""
    answers = []
    for query in read(text).queries:
        replies = []
        for part in query.parts:
            meant = resolve(part.references, scene) if part.references else None
            if isinstance(meant, Answer):
                replies.append(meant)
            else:
                replies.append(answer_by_rules(part, meant.scene if isinstance(meant, ResolvedReferences) else scene))
        answers.append(query.answer(replies, scene))
    return answers


ALL = (*ONE, *SEVERAL, *TYPOS, *(form.format(thing) for form in WHERE for thing in THINGS))


def test_every_reading_has_an_answer_on_any_scene() -> None:
    for seed in range(6):
        scene = random_scene(np.random.default_rng(seed), 7, labels=tuple(LABELS)[:12])
        for text in ALL:
            for answer in by_rules(text, scene):
                assert answer.understood
                assert answer.text
                assert 0 <= answer.confidence <= 1
                assert (answer.value is None) == bool(answer.reason)
                assert all(scene.by_id(i) for i in answer.object_ids)


MEANING = ("not", "red", "second", "twice", "yesterday", "except", "behind")
WORDS = sorted({word for text in (*ALL, *REFUSED) for word in text.lower().split()})


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), st.text(max_size=8))
def test_any_order_of_words_is_survived(words: list[str], noise: str) -> None:
    text = " ".join([*words, noise])[:MAX_QUESTION_CHARACTERS]
    reading = read(text)
    assert bool(reading.queries) != (reading.refusal is not None)
    assert len(reading.texts) == len(reading.queries)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(ONE)), st.sampled_from(MEANING))
def test_a_word_with_a_meaning_is_never_dropped(text: str, word: str) -> None:
    """At the end of a question it changes what is asked: it is read as such, or refused, never passed over."""
    reading = read(f"{text.rstrip('?')} {word}")
    assert reading.refusal is not None
    assert not any(isinstance(query, OnSide) for query in reading.queries)


@pytest.mark.parametrize("text", ["a ", "is the ", "chair and ", "lmap tabel ", "? ", "1 m ", "is there a chair and "])
def test_long_texts_are_read_or_refused_quickly(text: str) -> None:
    start = time.process_time()
    read((text * 250)[:MAX_QUESTION_CHARACTERS])
    assert time.process_time() - start < 1.0
