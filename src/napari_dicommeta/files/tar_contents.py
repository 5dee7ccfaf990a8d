"""List the members of a tar archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicommeta.files.byte_file import ByteStream
from napari_dicommeta.files.members import Contents, Member, cut_text

if TYPE_CHECKING:
    from napari_dicommeta.files.byte_file import ByteFile

__all__ = ["is_tar", "tar_contents"]

HEADER = 512
MAX_EXTENDED = 1 << 20
"""Bytes of the longest name or list of attributes of a member that is read."""
SPARSE = "a sparse member of a tar archive, which is not read: unpack the archive, and open the folder"


def is_tar(head: bytes) -> bool:
    """Return whether the first bytes of a file are the header of a member of a tar archive, by its checksum."""
    if len(head) < HEADER or not head[148:156].strip(b"\0 "):
        return False
    try:
        stated = int(head[148:156].strip(b"\0 "), 8)
    except ValueError:
        return False
    return stated == sum(head[:148]) + sum(head[156:HEADER]) + 8 * 32


def tar_contents(file: ByteFile) -> Contents:
    """Return the members of a tar archive; raise OSError if it cannot be read."""
    import tarfile

    contents = Contents()
    last, place = "", -1
    try:
        with tarfile.open(fileobj=_Borrowed(file), mode="r:", encoding="utf-8", errors="surrogateescape") as archive:
            while (member := archive.next()) is not None:
                if member.size < 0 or archive.offset <= place:  # it would lead back, for ever
                    raise tarfile.ReadError("a member without a size")
                place = archive.offset
                archive.members = []  # type: ignore[attr-defined]  # it would keep an object for each
                if member.issym() or member.islnk():
                    contents.skip_link(member.name)
                elif member.issparse():
                    contents.refuse(member.name, SPARSE)
                elif member.isreg():
                    last = contents.add(member.name, Member(member.offset_data, member.size, member.size))
                elif not member.isdir():
                    contents.refuse(member.name, "not a regular file", "", "skipped")
            is_whole = file.read(archive.offset, HEADER) == bytes(HEADER)  # tarfile takes any other end for one, too
    except (tarfile.TarError, ValueError, OverflowError, RecursionError):  # what tarfile raises for damaged headers
        is_whole = False
    if not is_whole:
        contents.refuse_rest(cut_text("the archive is cut off or damaged", len(contents.members)))
        _shorten(contents, last, file.size)
    return contents


def _shorten(contents: Contents, name: str, end: int) -> None:
    """Give the last member the size that it has where the archive is cut off in it, as a file that is cut has."""
    if name:
        member = contents.members[name]
        size = min(member.size, max(end - member.start, 0))
        contents.members[name] = member._replace(packed=size, size=size)


class _Borrowed(ByteStream):
    """A stream over a file that stays open, of which only headers are read."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next `size` bytes: the base class makes room for as many as a damaged header declares."""
        if not 0 <= size <= MAX_EXTENDED:
            raise ValueError("a header is longer than any")
        return super().read(size) or b""

    def close(self) -> None:
        """Leave the file open."""
