"""The key schema: how a secret's name at the destination is made from its key, and back."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from secretsync.domain.names import has_control_characters, key_complaint

SECRET_KEY = "{{secretKey}}"  # noqa: S105  a placeholder
ENVIRONMENT = "{{environment}}"
MAX_LENGTH = 255

_PLACEHOLDERS = re.compile(r"(\{\{secretKey\}\}|\{\{environment\}\})")


def complaint(schema: str) -> str | None:
    """Return what is wrong with a key schema, or None; an empty one is right."""
    if len(schema) > MAX_LENGTH:
        return f"must have at most {MAX_LENGTH} characters, has {len(schema)}"
    count = schema.count(SECRET_KEY)
    if schema and count != 1:
        return f"must have {SECRET_KEY} exactly once, has it {count} times, e.g. APP_{SECRET_KEY}"
    literal = _PLACEHOLDERS.sub("", schema)
    if "{" in literal or "}" in literal:
        return f"must not have braces other than those of {SECRET_KEY} and {ENVIRONMENT}"
    if has_control_characters(literal):
        return "must not have control characters or line breaks"
    if schema != schema.strip():
        return "must not begin or end with a blank"
    return None


@dataclass(frozen=True, slots=True)
class KeySchema:
    """A valid key schema for one environment.

    Attributes:
        schema: the schema, possibly empty.
        environment: slug of the environment.
    """

    schema: str
    environment: str

    def around(self) -> tuple[str, str]:
        """Return what stands before and after the key in names."""
        text = (self.schema or SECRET_KEY).replace(ENVIRONMENT, self.environment)
        before, after = text.split(SECRET_KEY)
        return before, after

    def render(self, key: str) -> str:
        """Return the name of a key at the destination."""
        before, after = self.around()
        return f"{before}{key}{after}"

    def extract(self, name: str) -> str | None:
        """Return the key that a name was made from, or None if it was not made by this schema."""
        before, after = self.around()
        if not name.startswith(before) or not name.endswith(after):
            return None
        key = name[len(before) : len(name) - len(after)]
        return None if key_complaint(key) else key


def can_collide(one: KeySchema, other: KeySchema, fold: Callable[[str], str]) -> bool:
    """Tell whether two schemas could give names to any two keys that a destination takes for one.

    Args:
        one: a schema in its environment.
        other: the other.
        fold: what the destination tells names apart by; folds each character by itself.
    """
    begins, ends = zip(*(map(fold, schema.around()) for schema in (one, other)), strict=True)
    # A name of both begins with the longer beginning and ends with the longer end. What stands in
    # between only makes the keys longer, so one character will do; and the two may overlap.
    begin, end = max(begins, key=len), max(ends, key=len)
    overlapping = (
        begin + end[shared:]
        for shared in range(min(len(begin), len(end)) + 1)
        if begin.endswith(end[:shared])
    )
    return any(
        all(_names_a_key(name, *around) for around in zip(begins, ends, strict=True))
        for name in (f"{begin}A{end}", *overlapping)
    )


def _names_a_key(name: str, before: str, after: str) -> bool:
    """Tell whether a schema with these texts around the key makes a name of any key."""
    is_longer = len(name) > len(before) + len(after)
    is_around = name.startswith(before) and name.endswith(after)
    return is_longer and is_around and not key_complaint(name[len(before) : len(name) - len(after)])
