"""Takes JSON text apart without altering its parts, so that they can be sent back as they came."""

import json
import re
from decimal import Decimal
from typing import Any

JSON_ERROR = json.JSONDecodeError
"""What `load` raises for text that is not JSON; its message quotes nothing of the text."""

_DECODER = json.JSONDecoder(parse_float=Decimal)
_BLANK = re.compile(r"[ \t\r\n]*")


MAX_OBJECTS = 500_000
"""Braces that a text may have: parsed, each object takes some hundred times its bytes of memory."""


def load(text: str) -> Any:  # noqa: ANN401  JSON is any type
    """Parse JSON; fractions become `Decimal`, so that nothing is rounded.

    Raises:
        ValueError: the text is not JSON, is nested too deeply, or has too many objects.
    """
    if text.count("{") > MAX_OBJECTS:
        raise ValueError(f"it has more than {MAX_OBJECTS} objects")
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except JSON_ERROR:
        raise
    except ValueError:
        # Python's limit for whole numbers, whose message is about Python.
        raise ValueError("a number in it has thousands of digits") from None


def members(text: str) -> list[tuple[str, str]]:
    """Return the members of a valid JSON object as pairs of name and the value's own text."""
    found: list[tuple[str, str]] = []
    position = _after_blanks(text, _after_blanks(text, 0) + 1)
    while text[position] != "}":
        name, end = _DECODER.raw_decode(text, position)
        start = _after_blanks(text, _after_blanks(text, end) + 1)
        end = _DECODER.raw_decode(text, start)[1]
        found.append((name, text[start:end]))
        position = _after_separator(text, end)
    return found


def elements(text: str) -> list[tuple[str, Any]]:
    """Return the elements of a valid JSON array, each as its own text and as it parses."""
    found: list[tuple[str, Any]] = []
    position = _after_blanks(text, _after_blanks(text, 0) + 1)
    while text[position] != "]":
        value, end = _DECODER.raw_decode(text, position)
        found.append((text[position:end], value))
        position = _after_separator(text, end)
    return found


def join_members(pairs: list[tuple[str, str]]) -> str:
    """Return the JSON object that has these names and value texts, in this order."""
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in pairs) + "}"


def _after_blanks(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


def _after_separator(text: str, position: int) -> int:
    """Return where the next item starts, or where the closing bracket is."""
    position = _after_blanks(text, position)
    return _after_blanks(text, position + 1) if text[position] == "," else position
