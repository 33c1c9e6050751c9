"""One variable of a set: what it is told apart by, how it was read, and how it is to be written."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from secretsync.adapter import SecretValue
from secretsync_octopus_deploy import json_text
from secretsync_octopus_deploy.texts import label

SENSITIVE = "Sensitive"
TEXT = "String"

_IDENTITY = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

_KINDS = {"Id": str, "Name": str, "Scope": dict, "Type": str, "IsSensitive": bool}
"""What the fields are that rows are told apart by; each may be null or missing."""

Scope = dict[str, list[str]]
"""Scope key, e.g. `Environment`, to the sorted ids under it; never an empty list."""


def canonical_scope(scope: Mapping[str, Iterable[str]]) -> Scope:
    """Return the scope without order, repetition and empty lists, none of which mean anything."""
    return {key: sorted(set(ids)) for key, ids in sorted(scope.items()) if ids}


def fold(name: str) -> str:
    """Return what Octopus tells names apart by: each character's capital, one for one.

    Octopus runs on .NET and compares names as its `StringComparer.OrdinalIgnoreCase` does: by
    capitals, without ever making one character two (\u00df is not SS, the ligature \ufb01 is not
    FI), and without taking anything else for an ASCII letter (neither the Turkish dotless i nor the
    long s nor the Kelvin sign is). In doubt two names are two: then nothing of others is touched.
    """
    if name.isascii():
        return name.upper()
    return "".join(map(_capital, name))


def _capital(char: str) -> str:
    capital = char.upper()
    is_simple = len(capital) == 1 and (char.isascii() or not capital.isascii())
    return capital if is_simple else char


def identity_of(name: str, scope: Scope) -> str:
    """Return the canonical text of what Octopus tells variables apart by.

    Names resolve without regard to case, and a name may have one value for each scope.

    Args:
        name: the variable's name in any letter case.
        scope: a canonical scope.

    Returns:
        JSON such as `{"name":"DB.PASSWORD","scope":{"Environment":["Environments-1"]}}`.
    """
    return _IDENTITY.encode({"name": fold(name), "scope": scope})


def scope_of_identity(identity: str) -> Scope:
    """Return the canonical scope in what `identity_of` made."""
    scope: Scope = json.loads(identity)["scope"]
    return scope


@dataclass(frozen=True, slots=True)
class Row:
    """A variable as it was read.

    Attributes:
        text: the JSON that the server sent, to be sent back untouched if the row is not ours.
        fields: the same, parsed.
        identity: see `identity_of`.
    """

    text: str = field(repr=False)
    fields: Mapping[str, Any] = field(repr=False)
    identity: str

    @classmethod
    def parse(cls, text: str, fields: object) -> "Row":
        """Return a row as it was read.

        Args:
            text: its JSON text.
            fields: the same, parsed.

        Raises:
            ValueError: it is not a variable as Octopus sends it.
        """
        if not isinstance(fields, dict):
            raise ValueError("a variable is not an object")  # noqa: TRY004  the JSON is wrong
        for member, kind in _KINDS.items():
            if not isinstance(fields.get(member), kind | None):
                text = f"the {member} of a variable is not what Octopus sends there"
                raise ValueError(text)  # noqa: TRY004  see above
        name = str(fields.get("Name") or "")
        return cls(text, fields, identity_of(name, _scope_of(fields)))

    @property
    def id(self) -> str | None:
        """The server's id of this row."""
        return self.fields.get("Id") or None

    @property
    def name(self) -> str:
        """The name in the letter case that it has."""
        return str(self.fields.get("Name") or "")

    @property
    def label(self) -> str:
        """The name as it may be shown to people."""
        return label(self.name)

    @property
    def scope(self) -> Scope:
        """The canonical scope, unknown kinds of scope included."""
        return _scope_of(self.fields)

    @property
    def type(self) -> str:
        """The type; servers that know no types only tell whether a row is sensitive."""
        default = SENSITIVE if self.fields.get("IsSensitive") else TEXT
        return str(self.fields.get("Type") or default)

    @property
    def is_sensitive(self) -> bool:
        """Whether the row holds a secret."""
        return self.type == SENSITIVE

    def would_be_emptied(self) -> bool:
        """Whether sending this row back would make the server store an empty secret in it."""
        holds_secret = self.is_sensitive or self.fields.get("IsSensitive") is True
        return holds_secret and not self.id and not self.fields.get("Value")

    def render(self) -> str:
        """Return the JSON to send."""
        return self.text


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """A variable of ours as it is to be written.

    Attributes:
        members: names and JSON texts of all fields except `Value`.
        value: the value to store; None keeps the value that the server has under the row's id.
        id: the id under which the server has the row; None adds a row.
    """

    members: tuple[tuple[str, str], ...]
    value: SecretValue | None
    id: str | None

    @classmethod
    def new(cls, name: str, scope: Scope, value: SecretValue, comment: str) -> "WrittenRow":
        """Return a row that the server does not have yet."""
        fields = {
            "Name": name,
            "Description": comment or None,
            "Scope": scope,
            "IsEditable": True,
            "Prompt": None,
            "Type": SENSITIVE,
            "IsSensitive": True,
        }
        return cls(tuple((key, json.dumps(item)) for key, item in fields.items()), value, None)

    @classmethod
    def revised(
        cls, row: Row, *, name: str, value: SecretValue | None, comment: str
    ) -> "WrittenRow":
        """Return `row` as a sensitive variable with these contents and everything else kept.

        The server keeps the value of a row that it knows by id if it is sent an empty one. An
        empty value is therefore stored by a row without id, which replaces the one with.

        Args:
            row: the row as it was read.
            name: the name in the letter case that it is to have.
            value: the value to store, or None to keep the stored one.
            comment: the new description; empty keeps the present one.
        """
        changes: dict[str, Any] = {"Name": name, "Type": SENSITIVE, "IsSensitive": True}
        if comment:
            changes["Description"] = comment
        dropped = {"Value", *changes}
        keeps_id = value is None or not value.is_empty
        if not keeps_id:
            dropped.add("Id")
        kept = [pair for pair in json_text.members(row.text) if pair[0] not in dropped]
        changed = [(key, json.dumps(item)) for key, item in changes.items()]
        return cls((*kept, *changed), value, row.id if keeps_id else None)

    def would_be_emptied(self) -> bool:
        """Whether sending this row would make the server store an empty secret unasked."""
        return self.id is None and self.value is None

    def render(self) -> str:
        """Return the JSON to send. It holds the value in clear text."""
        value = json.dumps(None if self.value is None else self.value.reveal())
        return json_text.join_members([*self.members, ("Value", value)])


def _scope_of(fields: Mapping[str, Any]) -> Scope:
    scope = fields.get("Scope") or {}
    return canonical_scope({key: _ids(value) for key, value in scope.items()})


def _ids(value: object) -> list[str]:
    """Return ids as text; what a newer server might put there is told apart by its JSON."""
    items = value if isinstance(value, list) else [value]
    return [
        item if isinstance(item, str) else json.dumps(item, sort_keys=True, default=str)
        for item in items
        if item is not None
    ]
