"""The command ``shell``: completion of commands in a shell, and the manual page, both made from the parser."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from napari_dicommeta._version import __version__
from napari_dicommeta.cli.terminal import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FORMS", "manual_page", "print_for_shell"]

FORMS = ("bash", "zsh", "tcsh", "man")
PATHS = frozenset(("source", "other", "output", "labels", "decisions"))
"""The arguments whose values are paths."""


def print_for_shell(options: argparse.Namespace) -> None:
    """Print the script that completes commands in a shell, or the manual page.

    Raises
    ------
    CommandError
        If shtab, which writes the scripts, is not installed.
    """
    parser: argparse.ArgumentParser = options.parser
    if options.form == "man":
        print(manual_page(parser), end="")
        return
    try:
        import shtab
    except ImportError as error:
        raise CommandError('shtab is not installed: pip install "napari-dicommeta[completion]"') from error
    for sub in _commands(parser).values():
        for action in sub._actions:
            if action.dest in PATHS:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell=options.form))


def manual_page(parser: argparse.ArgumentParser) -> str:
    """Return the manual page of a parser and its commands, in roff with the macros of man(7)."""
    lines = [f'.TH {_roff(parser.prog).upper()} 1 "" "{_roff(parser.prog)} {__version__}"', ".SH NAME"]
    lines += [f"{_roff(parser.prog)} \\- {_roff(parser.description or '')}", ".SH SYNOPSIS", *_usage(parser)]
    lines += [".SH OPTIONS", *_arguments(parser), ".SH COMMANDS"]
    for name, sub in _commands(parser).items():
        lines += [f'.SS "{_roff(name)}"', _roff(sub.description or ""), ".PP", *_usage(sub), *_arguments(sub)]
    return "\n".join(lines) + "\n"


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


def _usage(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield _roff(" ".join(parser.format_usage().removeprefix("usage: ").split()))


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield a paragraph for each argument: its names and value in bold, and its help."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
            continue
        value = "" if action.nargs == 0 else action.metavar or "|".join(action.choices or ()) or action.dest.upper()
        names = ", ".join(f"{name} {value}".strip() for name in action.option_strings) or str(value)
        text = parser._get_formatter()._expand_help(action) if action.help else ""
        yield from (".TP", f"\\fB{_roff(names)}\\fR", _roff(text))


def _roff(text: str) -> str:
    """Return text that roff shows as it is, on one line."""
    shown = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{shown}" if shown.startswith((".", "'")) else shown
