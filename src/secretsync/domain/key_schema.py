"""The key schema: how a secret's name at the destination is made from its key, and back."""

import re
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

    def _around(self) -> tuple[str, str]:
        text = (self.schema or SECRET_KEY).replace(ENVIRONMENT, self.environment)
        before, after = text.split(SECRET_KEY)
        return before, after

    def render(self, key: str) -> str:
        """Return the name of a key at the destination."""
        before, after = self._around()
        return f"{before}{key}{after}"

    def extract(self, name: str) -> str | None:
        """Return the key that a name was made from, or None if it was not made by this schema."""
        before, after = self._around()
        if not name.startswith(before) or not name.endswith(after):
            return None
        key = name[len(before) : len(name) - len(after)]
        return None if key_complaint(key) else key
