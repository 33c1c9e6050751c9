"""Keeps what an error says within the 8 KiB of headers that gRPC clients accept by default.

An error's text travels twice, in `grpc-message` and in the base64 of `grpc-status-details-bin`, and
its violations once.
"""

from collections.abc import Iterable, Sequence

from secretsync.domain.problems import Violation

MAX_TEXT_BYTES = 1000
MAX_VIOLATIONS_BYTES = 3800
CUT = "..."


def shorten(text: str) -> str:
    """Return a text, or its beginning if it is too long."""
    if _size(text) <= MAX_TEXT_BYTES:
        return text
    kept = text[:MAX_TEXT_BYTES]
    while _size(kept) > MAX_TEXT_BYTES - len(CUT):
        kept = kept[: len(kept) * 9 // 10]
    return kept + CUT


def bounded(violations: Sequence[Violation]) -> Iterable[Violation]:
    """Return the violations; if they are too many, the first ones and one that counts the rest."""
    room = MAX_VIOLATIONS_BYTES
    for index, violation in enumerate(violations):
        room -= _size(violation.field) + _size(violation.description)
        if room < 0:
            rest = len(violations) - index
            told = f"is the first of {rest} violations that do not fit: mend those above first"
            yield Violation(violation.field, told)
            return
        yield violation


def _size(text: str) -> int:
    """Return how many bytes a text takes in `grpc-message`, where it is percent-encoded."""
    return sum(
        1 if " " <= char <= "~" and char != "%" else 3 * len(char.encode(errors="replace"))
        for char in text
    )
