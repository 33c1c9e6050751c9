"""Makes texts of the server fit to be shown: no control characters, and no secret value."""

import html
import json
import re
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from secretsync.adapter import SecretValue

WITHHELD = "Octopus's message repeated a secret value and is not shown"

SHARED_RUN = 8
_STEP = SHARED_RUN // 2
"""So many characters in a row of a value in a text are no chance, but the value, cut off."""
_MIN_PART = 4
"""Shorter parts of a value occur in any text by chance; alone they are looked for as words."""

_JSON_ESCAPES = re.compile(r'(?:\\(?:u[0-9A-Fa-f]{4}|["\\/bfnrt]))+')
_NOT_COMPARED = re.compile(r"[\s\x00-\x1f\x7f\"'\\#]+")
# What `octostache.escape` puts into a value besides hashes.
_NOTHING = "{unless_}{/unless}"


MAX_LABEL_LENGTH = 200


def label(text: str) -> str:
    """Return a name as it may be shown: printable, and cut off if it is very long."""
    shown = printable(text[:MAX_LABEL_LENGTH])
    return shown if len(text) <= MAX_LABEL_LENGTH else f"{shown}..."


def printable(text: str) -> str:
    """Return a text in which control characters and halves of surrogate pairs are replaced."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def listed(items: Sequence[str], limit: int = 20) -> str:
    """Return the items in one line of bounded length."""
    if not items:
        return "(none)"
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(map(label, items[:limit])) + more


def repeats(text: str, secrets: Iterable[SecretValue]) -> bool:
    """Tell whether a text holds a secret value, or enough of one to give it away.

    A value is found in full, by any of its lines, and cut off; as it is, and escaped as in JSON,
    HTML or a URL; with other line ends, and without the escapes of `octostache`.

    Args:
        text: what is about to be shown; some thousand characters at most.
        secrets: the values that must not be in it.
    """
    forms = {form for one in _decoded(text) for form in (one, html.unescape(one))}
    compared = [_compared(form) for form in forms]
    runs = {
        form[start : start + SHARED_RUN]
        for form in compared
        for start in range(len(form) - SHARED_RUN + 1)
    }
    # Every run has one of these in it that begins at a multiple of its length in the value, so that
    # only few places of a long value have to be looked at.
    steps = {run[at : at + _STEP] for run in runs for at in range(SHARED_RUN - _STEP + 1)}
    return any(_is_in(secret.reveal(), forms, compared, runs, steps) for secret in secrets)


def _shares_a_run(whole: str, runs: set[str], steps: set[str]) -> bool:
    for place in range(0, len(whole), _STEP):
        if whole[place : place + _STEP] in steps:
            first = max(place - SHARED_RUN + _STEP, 0)
            if any(whole[at : at + SHARED_RUN] in runs for at in range(first, place + 1)):
                return True
    return False


def _is_in(
    value: str, forms: set[str], compared: list[str], runs: set[str], steps: set[str]
) -> bool:
    whole = _compared(value)
    if _shares_a_run(whole, runs, steps):
        return True
    parts = {whole, *(_compared(line) for line in value.splitlines())}
    if any(part in form for part in parts if len(part) >= _MIN_PART for form in compared):
        return True
    if not value.strip() or len(whole) >= _MIN_PART:
        return False
    word = re.compile(rf"(?<!\w){re.escape(value.strip())}(?!\w)")
    return any(word.search(form) for form in forms)


def _decoded(text: str) -> tuple[str, str, str]:
    unescaped = _JSON_ESCAPES.sub(lambda found: str(json.loads(f'"{found[0]}"')), text)
    return text, unescaped, unquote(text)


def _compared(text: str) -> str:
    """Return what is left of a text without all that escaping and line breaking alter."""
    return _NOT_COMPARED.sub("", text).replace(_NOTHING, "")
