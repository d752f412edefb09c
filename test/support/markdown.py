"""Tables, commands and questions of the README and the pages in docs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
QUESTION = re.compile(r"(?:Is|Are|Does|Do|Which|What|How)\b[^?|*\"']*\?")


def read_page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the end of the page."""
    parts = f"\n{page}".split(f"\n{heading}\n", 1)
    assert len(parts) == 2, f"there is no heading '{heading}'"
    return parts[1]


def table_after(page: str, heading: str) -> list[list[str]]:
    """Rows of the first table below a heading, cells stripped; the table's head and rule left out."""
    lines = section(page, heading).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows[2:]


def as_table(rows: Iterable[Iterable[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def code_blocks(page: str, *languages: str) -> list[str]:
    return re.findall(rf"```(?:{'|'.join(languages)})\n(.*?)```", page, re.DOTALL)


def shell_lines(page: str) -> list[str]:
    """Commands of the page's shell blocks, without comments, lines that go on joined."""
    joined = (block.replace("\\\n", " ") for block in code_blocks(page, "bash", "sh"))
    lines = [line.split(" # ")[0].strip() for block in joined for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def questions_in(page: str) -> list[str]:
    return QUESTION.findall(" ".join(page.split()))
