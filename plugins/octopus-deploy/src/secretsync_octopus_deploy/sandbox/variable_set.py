"""A variable set as the server stores it, and what a PUT does to it."""

import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from secretsync_octopus_deploy.sandbox import errors
from secretsync_octopus_deploy.sandbox.jsonio import JsonObject

# What a row reads back as when a PUT did not say.
ROW_DEFAULTS: JsonObject = {
    "Id": None,
    "Name": None,
    "Value": None,
    "Description": None,
    "Scope": {},
    "IsEditable": True,
    "Prompt": None,
    "Type": None,
    "IsSensitive": False,
}
LIBRARY_SCOPE_REFUSALS = {"Action": "steps", "ProcessOwner": "processes", "Channel": "channels"}
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(slots=True, repr=False)
class Row:
    """One stored variable.

    Attributes:
        shown: The row as GET returns it; `Value` is None in a sensitive row.
        secret: The stored value of a sensitive row, None in any other.
    """

    shown: JsonObject
    secret: str | None

    @property
    def row_id(self) -> str:
        """The id that the server keeps the row under."""
        return str(self.shown["Id"])

    @property
    def stored_value(self) -> str | None:
        """The value that a deployment would see."""
        return self.shown["Value"] if self.secret is None else self.secret

    def revealed(self) -> JsonObject:
        """Return the row with its stored value, which Octopus itself never shows."""
        return {**self.shown, "Value": self.stored_value}


@dataclass(slots=True, repr=False)
class VariableSet:
    """The variables of one owner, under one version.

    Attributes:
        set_id: For example `variableset-Projects-1`.
        owner_id: The project or library variable set that the variables belong to.
        space_id: The owner's space.
        version: Counts accepted PUTs.
        rows: In the order of the last PUT.
        is_frozen: Whether every PUT is refused.
    """

    set_id: str
    owner_id: str
    space_id: str
    version: int = 0
    rows: list[Row] = field(default_factory=list)
    is_frozen: bool = False

    @property
    def is_library(self) -> bool:
        """Whether the set belongs to a library variable set."""
        return self.owner_id.startswith("LibraryVariableSets-")

    def replace(
        self,
        body: JsonObject,
        *,
        hidden_names: AbstractSet[str] = frozenset(),
        known_scope_ids: Mapping[str, AbstractSet[str]] | None = None,
    ) -> None:
        """Apply a PUT: check everything, then take over the rows and raise the version by one.

        Rows left out are deleted. Rows whose names the caller cannot see survive, unless the
        caller sent their ids.

        Args:
            body: The set as sent. An absent `Version` counts as 0.
            hidden_names: Names of the rows that are hidden from the caller.
            known_scope_ids: By scope key, the ids to allow; None accepts any id. UNVERIFIED which
                of the two a server does.

        Raises:
            OctopusError: 400 for what the server refuses, 500 for a row without `Type`; nothing
                has changed then.
        """
        sent = _sent_rows(body)
        version = body.get("Version", 0)
        if not isinstance(version, int) or isinstance(version, bool):
            raise errors.bad_request("Version must be an integer.")
        if version != self.version:
            raise errors.version_conflict()
        if self.is_frozen:
            raise errors.bad_request(errors.FROZEN)
        _check_ids(sent)
        _check_scopes(sent, is_library=self.is_library, known_scope_ids=known_scope_ids)

        stored = {row.row_id: row for row in self.rows}
        rows = [_stored_row(raw, stored) for raw in sent]
        sent_ids = {row.row_id for row in rows}
        rows.extend(
            row
            for row in self.rows
            if row.shown["Name"] in hidden_names and row.row_id not in sent_ids
        )
        self.rows = rows
        self.version += 1

    def edit_as_somebody_else(self, name: str, value: str) -> None:
        """Change the first unscoped text row called `name`, or add one, under a new version."""
        changed = _stored_row({"Name": name, "Value": value, "Type": "String"}, {})
        for index, row in enumerate(self.rows):
            if row.shown["Name"] == name and row.secret is None and not row.shown["Scope"]:
                changed.shown["Id"] = row.row_id
                self.rows[index] = changed
                break
        else:
            self.rows.append(changed)
        self.version += 1


def _sent_rows(body: JsonObject) -> list[JsonObject]:
    """Return the rows of a PUT whose fields have the types that the API gives them."""
    rows = body.get("Variables")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise errors.bad_request("Variables must be a list of variables.")
    problems: list[str] = []
    for row in rows:
        # The server fails here, rather than refusing: the documented trap of sending no Type.
        if row.get("Type") is None:
            raise errors.null_reference()
        problems.extend(_type_problems(row))
    if problems:
        raise errors.bad_request(errors.VALIDATION_FAILED, errors=problems)
    return rows


def _type_problems(row: JsonObject) -> list[str]:
    """Name the fields of `row` that have a wrong type; quote no value."""
    problems = []
    if not isinstance(row.get("Name"), str) or not row["Name"]:
        problems.append("A variable must have a name.")
    problems.extend(
        f"{key} of a variable must be text."
        for key in ("Id", "Value", "Description", "Type")
        if not isinstance(row.get(key), str | None)
    )
    problems.extend(
        f"{key} of a variable must be true or false."
        for key in ("IsSensitive", "IsEditable")
        if not isinstance(row.get(key), bool | None)
    )
    if not isinstance(row.get("Prompt"), dict | None):
        problems.append("Prompt of a variable must be an object.")
    if not _is_scope(row.get("Scope")):
        problems.append("Scope of a variable must map scope names to lists of ids.")
    return problems


def _is_scope(scope: object) -> bool:
    """Tell whether `scope` is absent or maps names to lists of text."""
    if scope is None:
        return True
    return isinstance(scope, dict) and all(
        isinstance(ids, list) and all(isinstance(one, str) for one in ids) for ids in scope.values()
    )


def _check_ids(sent: Sequence[JsonObject]) -> None:
    """Refuse an id that is sent twice."""
    ids = [row["Id"] for row in sent if row.get("Id")]
    if len(set(ids)) != len(ids):
        raise errors.bad_request(errors.DUPLICATE_IDS)


def _check_scopes(
    sent: Sequence[JsonObject],
    *,
    is_library: bool,
    known_scope_ids: Mapping[str, AbstractSet[str]] | None,
) -> None:
    """Refuse scopes that the set cannot have."""
    problems: list[str] = []
    for row in sent:
        used = {key: ids for key, ids in (row.get("Scope") or {}).items() if ids}
        if row.get("Prompt") is not None and used.keys() - {"Environment"}:
            raise errors.bad_request(errors.PROMPTED_SCOPE)
        if is_library:
            # UNVERIFIED: the text; that it is refused is documented.
            problems.extend(
                f"Library variable sets cannot be scoped to {LIBRARY_SCOPE_REFUSALS[key]}."
                for key in used
                if key in LIBRARY_SCOPE_REFUSALS
            )
        if known_scope_ids is not None:
            problems.extend(_unknown_ids(used, known_scope_ids))
    if problems:
        raise errors.bad_request(errors.VALIDATION_FAILED, errors=list(dict.fromkeys(problems)))


def _unknown_ids(
    scope: dict[str, Collection[str]], known: Mapping[str, AbstractSet[str]]
) -> list[str]:
    """Name the ids of `scope` that no scope value has; unknown scope keys are left alone."""
    return [
        f"The {key} scope value '{one}' does not exist."
        for key, ids in scope.items()
        if key in known
        for one in ids
        if one not in known[key]
    ]


def _stored_row(raw: JsonObject, stored: dict[str, Row]) -> Row:
    """Return `raw` as the server keeps it.

    A sensitive row that brings no value keeps the stored one if its id is known, and is stored
    EMPTY otherwise, without an error.

    UNVERIFIED: that an id which the set does not have is kept when it is a GUID, and that
    `IsSensitive` and `Type` "Sensitive" each make a row sensitive.
    """
    shown: dict[str, Any] = {
        **ROW_DEFAULTS,
        **{
            key: value for key, value in raw.items() if value is not None or key not in ROW_DEFAULTS
        },
    }
    previous = stored.get(shown["Id"]) if shown["Id"] else None
    if previous is None and not (shown["Id"] and _GUID.fullmatch(shown["Id"])):
        shown["Id"] = str(uuid.uuid4())
    if not (shown["IsSensitive"] or shown["Type"] == "Sensitive"):
        return Row(shown, secret=None)
    secret = shown["Value"] or ""
    if not secret and previous is not None:
        secret = previous.stored_value or ""
    shown.update(Value=None, IsSensitive=True, Type="Sensitive")
    return Row(shown, secret=secret)
