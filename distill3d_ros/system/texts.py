"""Foreign text in our own lines: a message or a file may hold anything, of any length."""

from __future__ import annotations

LONGEST = 120


def shown(text: object, *, longest: int = LONGEST) -> str:
    """``text`` in quotes on one line: control characters escaped, a long one cut and its length told."""
    full = str(text)
    kept = full[:longest]
    # Printable characters of any script stay; escape sequences, line breaks and bidirectional marks do not.
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in kept)
    more = f"... ({len(full)} characters)" if len(full) > longest else ""
    return f"'{escaped}{more}'"
