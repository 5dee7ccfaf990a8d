"""What an archive lists: members to read, and entries that cannot be read, with the reason."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import NamedTuple

from napari_dicommeta.support.words import counted

__all__ = ["DEFLATED", "STORED", "Contents", "Member", "Refused", "cut_text"]

STORED, DEFLATED = 0, 8
"""Methods of compression, as ZIP numbers them (APPNOTE 4.4.5)."""
ENTRY_BYTES = 400
"""About the bytes that an entry takes in memory, besides its name."""
LINK = "a link in an archive, which is not followed"
OUTSIDE = "its name leads out of the archive: unpack the archive if you trust it"
TWICE = "a later member of the archive has the same name"


def cut_text(why: str, n_members: int) -> str:
    """Return that only the first members of an archive can be read, why, and what to do."""
    some = f"only {counted(n_members, 'member')} before that" if n_members else "none of its members"
    return f"{why}: {some} can be read; copy or download it again"


class Member(NamedTuple):
    """A member of an archive. `start`: its first byte, or that of its local header, if it `has_header`."""

    start: int
    packed: int
    size: int
    method: int = STORED
    crc: int | None = None
    has_header: bool = False


class Refused(NamedTuple):
    """A member that cannot be read, "" for the archive itself, with its outcome, reason and code (`ScanFailure`)."""

    name: str
    outcome: str
    reason: str
    code: str = ""


@dataclass(slots=True, kw_only=True)
class Contents:
    """The members of an archive by name, and what cannot be read of it. Names are relative, with ``/``."""

    members: dict[str, Member] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)

    def add(self, name: str, member: Member) -> str:
        """Add a member, and return its name, "" if it is refused. The last one of a name counts, as when unpacked."""
        if (clean := self._clean(name)) is None:
            return ""
        if clean in self.members:
            self.refused.append(Refused(clean, "skipped", TWICE))
        self.members[clean] = member
        return clean

    @property
    def nbytes(self) -> int:
        """About the bytes that it takes in memory."""
        names = sum(map(len, self.members)) + sum(len(entry.name) for entry in self.refused)
        return 1000 + names + ENTRY_BYTES * (len(self.members) + len(self.refused))

    def refuse(self, name: str, reason: str, code: str = "unreadable", outcome: str = "rejected") -> None:
        """Add a member that cannot be read."""
        if (clean := self._clean(name)) is not None:
            self.refused.append(Refused(clean, outcome, reason, code))

    def skip_link(self, name: str) -> None:
        """Add a link, which is not followed."""
        self.refuse(name, LINK, "", "skipped")

    def refuse_rest(self, reason: str) -> None:
        """Say why the archive has more, or other, members than those listed."""
        self.refused.append(Refused("", "rejected", reason, "unreadable"))

    def _clean(self, name: str) -> str | None:
        """Return a relative name without ``.`` and doubled slashes; None, and an entry, for one that leads outside."""
        if "/." not in name and "//" not in name and name[:1] not in ("/", "."):
            return name
        clean = posixpath.normpath(name.lstrip("/"))
        if clean != ".." and not clean.startswith("../"):
            return clean
        self.refused.append(Refused(clean.replace("..", "(parent folder)"), "rejected", OUTSIDE, "unreadable"))
        return None
