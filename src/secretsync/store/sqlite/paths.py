"""Folder paths as ranges that an index can search."""

from typing import NamedTuple


class PathRange(NamedTuple):
    """Paths greater than `after` and less than `before`, by code point."""

    after: str
    before: str


def below(path: str) -> PathRange:
    """Return the range of all paths below a folder, itself not among them.

    `0` is the character that follows `/`, so that below `/a` means between `/a/` and `/a0`: no
    wildcard is involved, and `/a-b` is not taken for a part of `/a`.
    """
    prefix = path.rstrip("/")
    return PathRange(f"{prefix}/", f"{prefix}0")


def ancestors(path: str) -> list[str]:
    """Return the folders that contain a folder, without itself, `/` last."""
    found = []
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        found.append(path)
    return found
