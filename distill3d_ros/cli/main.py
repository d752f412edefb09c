"""The command ``distill3d``: arguments in, one call, an exit status out. Everything heavy is imported when needed.

The options of a command are a dataclass; cyclopts makes flags, types, defaults and help from it.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter, UnknownCommandError, UnusedCliTokensError

from distill3d_ros import __version__
from distill3d_ros.cli import robot
from distill3d_ros.cli.command import Command
from distill3d_ros.cli.data import DATA_COMMANDS
from distill3d_ros.cli.training import TRAINING_COMMANDS
from distill3d_ros.system.threads import prepare_threads

COMMANDS: dict[str, Command[Any]] = {
    "ask": robot.ASK,
    "demo": robot.DEMO,
    "doctor": robot.DOCTOR,
    **DATA_COMMANDS,
    **TRAINING_COMMANDS,
    "info": robot.INFO,
    "bench": robot.BENCH,
}
"""Name, as it is typed -> what it does, its options, and the function that they are handed on to."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. A mistake of the user's or of the machine is one line and status 2, Ctrl-C is one line and 130."""
    prepare_threads()
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        parsed = parse([word for word in words if word != "--debug"])
        return 0 if parsed is None else int(parsed[0].run(parsed[1]))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader (a pager, head) has seen enough; keep Python from complaining while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ImportError, CycloptsError) as error:
        if debug:
            traceback.print_exc()
        print(f"distill3d: {_describe(error)}", file=sys.stderr)
        return 2


def parse(words: Sequence[str]) -> tuple[Command[Any], Any] | None:
    """The command that these words call, and its options; None once help or the version was printed.

    Raises:
        CycloptsError: there is no such command or flag, or a value is missing or not of its type.
        ValueError: no command is given, or the options do not go together.
    """
    called, bound, _ = _app().parse_args(list(words), exit_on_error=False, print_error=False)
    command = next((c for c in COMMANDS.values() if c.options is called), None)
    if command is None:
        if not {"--help", "-h", "--version"}.intersection(words):
            name = " ".join(("distill3d", *words))
            raise ValueError(f"a command must follow {name}: {', '.join(_members(words))} (see {name} --help)")
        called(*bound.args, **bound.kwargs)
        return None
    return command, command.options(*bound.args, **bound.kwargs)


def flags(name: str) -> Iterator[tuple[str, str, str]]:
    """(flag, default, help) for each option of a command, in the order of its help.

    What may be given by its place has its name in capitals first, as in ``IMAGE, --image``. A default is empty where
    there is none to tell, ``required`` where one must be given.
    """
    app = _app()
    for word in name.split():
        app = app[word]
    for argument in app.assemble_argument_collection(parse_docstring=True):
        names = [argument.name.lstrip("-").upper()] * (argument.index is not None) + list(argument.names)
        default: str | None = "required"
        if not argument.required:
            shown = argument.parameter.show_default
            default = shown(argument.field_info.default) if callable(shown) else _shown(argument.field_info.default)
        yield ", ".join(names), default or "", argument.parameter.help or ""


def _app() -> App:
    """The parser of all commands."""
    root = App(
        name="distill3d",
        help="Spatial questions, depth and 3D boxes from RGB.\n\nWith --debug anywhere, an error shows its traceback.",
        version=__version__,
        help_format="plaintext",
    )
    groups: dict[tuple[str, ...], App] = {(): root}
    for place, (name, command) in enumerate(COMMANDS.items()):
        *path, last = name.split()
        for depth in range(1, len(path) + 1):
            key = tuple(path[:depth])
            if key not in groups:
                groups[key] = App(name=key[-1], help=f"Data sets: {', '.join(_members(key))}.", sort_key=place)
                groups[key[:-1]].command(groups[key])
        sentence = f"{command.help[:1].upper()}{command.help[1:]}."
        usage = f"Usage: distill3d {name} {_usage(command.options)}"
        groups[tuple(path)].command(
            command.options,
            name=last,
            help=sentence,
            usage=usage,
            sort_key=place,
            default_parameter=Parameter(negative=(), show_default=_shown),
        )
    return root


def _members(group: Sequence[str]) -> list[str]:
    """What may follow the words of a group of commands, as ``generate`` follows ``data``."""
    paths = [name.split() for name in COMMANDS]
    return list(dict.fromkeys(p[len(group)] for p in paths if p[: len(group)] == list(group)))


def _usage(options: type) -> str:
    """What must be given: ``--out OUT [OPTIONS] IMAGE QUESTION...``."""
    fields = [(f, f.name.upper() + "..." * str(f.type).startswith("tuple")) for f in dataclasses.fields(options)]
    needed = [f for f in fields if f[0].default is dataclasses.MISSING]
    flagged = [f"--{f.name.replace('_', '-')} {f.name.upper()}" for f, _ in needed if f.kw_only]
    placed = [word if (f, word) in needed else f"[{word}]" for f, word in fields if not f.kw_only]
    return " ".join([*flagged, "[OPTIONS]", *placed])


def _shown(default: object) -> str | None:
    """A default as help shows it; None where it says nothing."""
    return None if default is None or default is False or default in ((), "") else str(default)


def _describe(error: Exception) -> str:
    if isinstance(error, CycloptsError):
        return _describe_slip(error)
    if isinstance(error, ImportError):
        return f"{error}. `make setup` installs everything; run distill3d from .venv/bin"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__


def _describe_slip(error: CycloptsError) -> str:
    """A mistake on the command line: what is wrong, what would be right, and where help is."""
    chain = list(error.command_chain or ())
    text = str(error)
    if isinstance(error, UnknownCommandError):
        text = f"{text.partition(' Available commands: ')[0]} Available commands: {', '.join(_members(chain))}."
    elif isinstance(error, UnusedCliTokensError):
        text = f"unexpected: {' '.join(error.unused_tokens or ())}."
    elif isinstance(error, MissingArgumentError) and error.argument is not None and not error.argument.tokens:
        command = " ".join(chain)
        needed = [names.split(", ") for names, default, _ in flags(command) if default == "required"]
        missing = next((names[0] for names in needed if error.argument.name in names), error.argument.name)
        if error.keyword is None:
            text = f"{missing} is missing; {command} needs {', '.join(names[0] for names in needed)}."
    return f"{text} (see {' '.join(['distill3d', *chain])} --help)"
