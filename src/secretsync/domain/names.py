"""Resource names and the rules for what may be in a slug, a path, a key or a text."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from secretsync.domain.problems import Violations

MAX_SLUG = 63
MAX_TEXT = 256
MAX_COMMENT = 1024
MAX_PATH = 255
MAX_KEY = 255
MAX_VALUE_BYTES = 64 * 1024
MAX_REQUEST_ID = 64
MAX_OBJECT_BYTES = 64 * 1024
"""Of what is free in its shape, as JSON: a page of 50 must fit into the 4 MiB that clients take."""

_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PATH_PART = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_UID = re.compile(r"[0-9a-f-]{1,63}")

SLUG_RULE = (
    "must be 1 to 63 lowercase letters, digits and hyphens, beginning and ending with a letter or"
    " digit, e.g. web-shop"
)


def slug_complaint(slug: str) -> str | None:
    """Return what is wrong with a slug, or None."""
    return None if _SLUG.fullmatch(slug) else SLUG_RULE


def text_complaint(text: str, limit: int = MAX_TEXT) -> str | None:
    """Return what is wrong with a text for people of at most `limit` characters, or None."""
    if len(text) > limit:
        return f"must have at most {limit} characters, has {len(text)}"
    return None


def path_complaint(path: str) -> str | None:
    """Return what is wrong with a folder path, or None; see `Secret.path` in the API."""
    if path == "/":
        return None
    if not path.startswith("/"):
        return "must begin with a slash, e.g. /api/keys"
    if path.endswith("/"):
        return f"must not end with a slash: write {path.rstrip('/') or '/'}"
    if len(path) > MAX_PATH:
        return f"must have at most {MAX_PATH} characters, has {len(path)}"
    for part in path[1:].split("/"):
        if not _PATH_PART.fullmatch(part) or not part.strip("."):
            return (
                "must have parts of 1 to 63 letters, digits, `_`, `-` or `.` (not only dots),"
                " e.g. /api/keys"
            )
    return None


def has_control_characters(text: str) -> bool:
    """Tell whether a text has control characters, line breaks, or halves of surrogate pairs."""
    return any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text)


def key_complaint(key: str) -> str | None:
    """Return what is wrong with a secret key, or None; see `Secret.key` in the API."""
    if not key:
        return "must not be empty"
    if len(key) > MAX_KEY:
        return f"must have at most {MAX_KEY} characters, has {len(key)}"
    if has_control_characters(key):
        return "must not have control characters or line breaks"
    if any(char in "/{}" for char in key):
        return "must not have `/`, `{` or `}`"
    if key != key.strip():
        return "must not begin or end with a blank"
    return None


def value_complaint(value: str) -> str | None:
    """Return what is wrong with a secret value, or None; tells its size and nothing else."""
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "must be valid unicode: it has half of a surrogate pair"
    if size > MAX_VALUE_BYTES:
        return f"must have at most {MAX_VALUE_BYTES} bytes of UTF-8, has {size}"
    return None


def object_complaint(values: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the size of a JSON object, or None; tells nothing else of it."""
    size = len(json.dumps(dict(values), ensure_ascii=False).encode())
    if size > MAX_OBJECT_BYTES:
        return f"must have at most {MAX_OBJECT_BYTES} bytes as JSON, has {size}"
    return None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of resource name.

    Attributes:
        shape: the name with its variable parts in braces, e.g. `projects/{project}`.
    """

    shape: str

    def parse(self, name: str) -> tuple[str, ...] | None:
        """Return the variable parts of a name, or None if it has another shape."""
        wanted, given = self.shape.split("/"), name.split("/")
        if len(wanted) != len(given):
            return None
        parts = []
        for pattern, part in zip(wanted, given, strict=True):
            if pattern.startswith("{"):
                rule = _UID if pattern in {"{run}", "{secret_import}", "{former_place}"} else _SLUG
                if not rule.fullmatch(part):
                    return None
                parts.append(part)
            elif pattern != part:
                return None
        return tuple(parts)

    def check(self, field: str, name: str, violations: Violations) -> tuple[str, ...]:
        """Return the variable parts of a name, or note a violation and return empty ones."""
        parts = self.parse(name)
        if parts is None:
            problem = "is required" if not name else "is not a name of this kind"
            violations.add(field, f"{problem}: write {self.shape}, each part a slug")
            return ("",) * self.shape.count("{")
        return parts


PROJECT = Pattern("projects/{project}")
ENVIRONMENT = Pattern("projects/{project}/environments/{environment}")
SECRET_IMPORT = Pattern(
    "projects/{project}/environments/{environment}/secretImports/{secret_import}"
)
CONNECTION = Pattern("projects/{project}/connections/{connection}")
SECRET_SYNC = Pattern("projects/{project}/secretSyncs/{secret_sync}")
FORMER_PLACE = Pattern("projects/{project}/secretSyncs/{secret_sync}/formerPlaces/{former_place}")
SYNC_RUN = Pattern("projects/{project}/secretSyncs/{secret_sync}/runs/{run}")
DESTINATION = Pattern("destinations/{destination}")
