"""Pages of lists: bounded sizes, and opaque tokens that fit only the list that gave them."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from secretsync.domain.problems import Violations

DEFAULT_SIZE = 50
MAX_SIZE = 1000
MAX_INTEGER = 2**63 - 1
MAX_PAGE_BYTES = 3 * 1024 * 1024
"""Of the texts of a page: gRPC clients take 4 MiB per message unless told otherwise."""

T = TypeVar("T")
Position = str | int


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a list request says of pages.

    Attributes:
        size: `page_size` of the request.
        token: `page_token` of the request.
    """

    size: int
    token: str

    def check_size(self, violations: Violations) -> None:
        """Note what is wrong with the size."""
        if self.size < 0:
            violations.add("page_size", "must be 0 (for 50) to 1000")

    def open(
        self, scope: str, first: Sequence[Position], violations: Violations
    ) -> tuple[int, tuple[Position, ...]]:
        """Return how many items to show and the position to begin after.

        Args:
            scope: method and filters of the list; a token of another list is refused.
            first: the position before the first item, whose shape a token's must have.
            violations: what is wrong with the rest of the request; raised together with what is
                wrong here.

        Raises:
            Problem: INVALID_ARGUMENT.
        """
        self.check_size(violations)
        position = read_token(self.token, scope, first) if self.token else tuple(first)
        if position is None:
            violations.add(
                "page_token", "must be empty or next_page_token of the same list, unchanged"
            )
        violations.raise_if_any()
        return min(self.size or DEFAULT_SIZE, MAX_SIZE), position or tuple(first)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list."""

    items: Sequence[T]
    next_token: str


def fitting(found: Sequence[T], size: int, texts: Callable[[T], Iterable[str]]) -> int:
    """Return how many of at most `size` items a page can show, one at least.

    Args:
        found: the items.
        size: how many the page may show.
        texts: an item's long texts, which others have their say in.
    """
    room = MAX_PAGE_BYTES
    for index, item in enumerate(found[:size]):
        room -= sum(len(text.encode()) for text in texts(item))
        if room < 0 and index:
            return index
    return size


def close_page(
    found: Sequence[T], size: int, scope: str, position: Callable[[T], Sequence[Position]]
) -> Page[T]:
    """Return a page of at most `size` items, given up to one more than that.

    Args:
        found: the items, one more than `size` if there are further ones.
        size: how many the page may show.
        scope: see `PageRequest.open`.
        position: an item's position in the list's order.
    """
    if len(found) <= size:
        return Page(found, "")
    return Page(found[:size], make_token(scope, position(found[size - 1])))


def _digest(scope: str) -> str:
    return hashlib.sha256(scope.encode()).hexdigest()[:16]


def make_token(scope: str, position: Sequence[Position]) -> str:
    """Return the token of the page that begins after a position."""
    token = json.dumps([_digest(scope), *position], separators=(",", ":"))
    return base64.urlsafe_b64encode(token.encode()).decode()


def read_token(token: str, scope: str, shape: Sequence[Position]) -> tuple[Position, ...] | None:
    """Return the position in a token; None if it was not made for this scope, or is damaged.

    Args:
        token: what `make_token` returned, unless somebody has changed it.
        scope: as it was given there.
        shape: a position with the same number and types of parts.
    """
    try:
        parts = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    if not isinstance(parts, list) or len(parts) != 1 + len(shape) or parts[0] != _digest(scope):
        return None
    position = tuple(parts[1:])
    fits = all(_fits(part, wanted) for part, wanted in zip(position, shape, strict=True))
    return position if fits else None


def _fits(part: object, wanted: Position) -> bool:
    """Tell whether a part of a token, which may be forged, is what the store can take."""
    if isinstance(part, str):
        # JSON can spell half of a surrogate pair, which is no text.
        return isinstance(wanted, str) and not any("\ud800" <= char <= "\udfff" for char in part)
    return type(part) is type(wanted) is int and abs(part) <= MAX_INTEGER
