"""Makes text from elsewhere safe to show on a terminal."""

import unicodedata

_UNSAFE = {"Cc", "Cs", "Zl", "Zp"}
# Bidirectional controls reorder what is displayed around them (Unicode Standard Annex 9).
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """Return text with its control characters as escapes, so that none acts on a terminal."""
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if character in _BIDI or unicodedata.category(character) in _UNSAFE
        else character
        for character in text
    )
