"""The package's vocabulary: module docstrings are noun phrases, and private names do not return."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = sorted(f for f in (ROOT / "distill3d_ros").rglob("*.py") if "__pycache__" not in f.parts)
QUESTION_WORDS = re.compile(r"(What|How|Which|Where|Who|Whose|Whether|When|Why)\b")
PRIVATE_NAMES = frozenset(
    {
        "with_meant_only",
        "once_each",
        "faintest",
        "kept_views",
        "keep_perception",
        "sight",
        "lesson",
        "lessons",
        "taught",
        "taught_batch",
        "taught_keys",
        "answer_teaching",
        "kept_view",
        "worded",
        "balance_of",
        "beginnings",
        "deepening",
        "recomputing",
        "against_teacher",
        "teacher_beside",
        "in_words",
        "view_of",
        "stretched",
        "recoloured",
        "given_depth",
        "depth_given",
        "specials",
        "taps",
        "read_thinking",
        "question_desk",
        "camera_place",
        "in_known_words",
        "deaf_to_interrupts",
        "last_words",
        "give_back_memory",
        "made_models",
        "more_designs",
        "on_spot",
        "eyes",
        "sights",
        "heard",
        "bent_share",
    }
)
"""Words of a private vocabulary, for which the field has terms; in snake case, classes in CamelCase count as well."""


def identifiers(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Defined or used names with their lines, in snake case and without leading underscores."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found = name
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                found = name
            case ast.alias(name=name, asname=alias):
                found = alias or name.rpartition(".")[2]
            case _:
                continue
        yield snake_case(found), getattr(node, "lineno", 0)


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip("_")).lower()


def test_module_docstrings_are_noun_phrases() -> None:
    """ "Running tallies of an evaluation", not "What is kept of an evaluation while it runs"."""
    questions = []
    for file in MODULES:
        docstring = ast.get_docstring(ast.parse(file.read_text()))
        assert docstring, f"{file.relative_to(ROOT)} has no docstring"
        if QUESTION_WORDS.match(docstring):
            questions.append(f"{file.relative_to(ROOT)}: {docstring.splitlines()[0]}")
    assert not questions, "\n".join(questions)


def test_private_names_do_not_return() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in MODULES
        for name, line in identifiers(ast.parse(file.read_text()))
        if name in PRIVATE_NAMES
    ]
    found += [f"{file.relative_to(ROOT)}: file name" for file in MODULES if file.stem in PRIVATE_NAMES]
    assert not found, "\n".join(found)


def test_the_search_for_private_names_finds_them() -> None:
    source = "from a import Lessons\n\nclass KeptViews:\n    def _once_each(self, taught): return self.depth_given"
    assert [name for name, _ in identifiers(ast.parse(source)) if name in PRIVATE_NAMES] == [
        "kept_views",
        "lessons",
        "once_each",
        "taught",
        "depth_given",
    ]
