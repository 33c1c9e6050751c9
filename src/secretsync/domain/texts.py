"""Texts for people that several rules have in common."""

from collections.abc import Sequence
from typing import Final

MAX_LISTED: Final = 10
"""How many things a text names at most."""


def listed(items: Sequence[str]) -> str:
    """Return things in a row, the first `MAX_LISTED` by name: `A, B and 3 more`."""
    more = len(items) - MAX_LISTED
    return ", ".join(items[:MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
