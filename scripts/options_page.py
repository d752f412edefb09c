"""Write docs/cli_options.md, the options of all commands, from the code: ``python scripts/options_page.py``."""

from __future__ import annotations

from pathlib import Path

from distill3d_ros.cli.main import COMMANDS, flags

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli_options.md"
HEAD = """# Options of all commands

Written by `python scripts/options_page.py`, not by hand. `distill3d COMMAND --help` prints the same. What has a name in
capitals may be given by its place.
"""


def options_page() -> str:
    """The page as Markdown."""
    lines = [HEAD]
    for name, command in COMMANDS.items():
        lines += [f"## distill3d {name}", "", f"{command.help[:1].upper()}{command.help[1:]}.", ""]
        if rows := list(flags(name)):
            lines += ["| option | default | |", "|---|---|---|"]
            lines += [
                f"| {', '.join(f'`{word}`' for word in names.split(', '))} | {_code(default)} | {text} |"
                for names, default, text in rows
            ]
            lines.append("")
    return "\n".join(lines)


def _code(default: str) -> str:
    return default if default in ("", "required") else f"`{default}`"


if __name__ == "__main__":
    PAGE.write_text(options_page(), encoding="utf-8")
