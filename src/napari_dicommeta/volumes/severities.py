"""How much notes and findings matter. A module of its own, since the command line needs it before it reads anything."""

from __future__ import annotations

__all__ = ["SEVERITIES"]

SEVERITIES = ("wrong", "decision", "info")
"""Wrong: the data contradict themselves or the Standard; decision: a person must decide; info: good to know."""
