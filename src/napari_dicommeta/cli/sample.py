"""The command ``sample``: a synthetic chest CT to try the others on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from napari_dicommeta.cli.terminal import CommandError
from napari_dicommeta.support.words import display

if TYPE_CHECKING:
    import argparse

__all__ = ["add_sample"]


def add_sample(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add the command to the parsers `commands`; `shared` holds the arguments of all of them."""
    text = "Write a synthetic chest CT, to try the other commands on."
    command = commands.add_parser("sample", help=text, description=text, parents=[shared])
    command.set_defaults(run=_sample)
    command.add_argument("output", metavar="DIR", help="the folder to write to; it is made if it does not exist")


def _sample(options: argparse.Namespace) -> None:
    from napari_dicommeta.phantom import SLICES, sample
    from napari_dicommeta.support.atomic import write_failure

    try:
        folder = sample(options.output)
    except OSError as error:
        raise CommandError(display(write_failure(error, options.output), 400)) from error
    print(f"{SLICES} files in {display(os.fspath(folder))}")
