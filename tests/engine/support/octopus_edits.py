"""What other people do to a variable set, and what goes wrong on the way there, as data to draw."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from secretsync_octopus_deploy.sandbox.variable_set import VariableSet

Json = dict[str, Any]
Scope = dict[str, list[str]]

KEYS = ("Alpha", "ALPHA", "Beta", "APP_Beta", "straße", "STRASSE")
NAMES = (*KEYS, "alpha", "APP_Alpha", "APP_Old", "Other")
MOSTLY = ("Beta", "Beta", *KEYS)
"""Keys to draw from: what happens to one and the same says more than what happens to many."""
SYNC_SCOPES: dict[str, Scope] = {
    "none": {},
    "dev": {"environments": ["Environments-1"]},
    "prod": {"environments": ["Environments-2"]},
    "web": {"environments": ["Environments-1"], "roles": ["web-server"]},
}
ROW_SCOPES: tuple[Scope, ...] = (
    {},
    {"Environment": ["Environments-1"]},
    {"Environment": ["Environments-2"], "Role": []},
    {"Role": ["web-server"], "Environment": ["Environments-1"]},
    {"Environment": ["Environments-2", "Environments-1"]},
    {"Environment": ["Environments-1"], "NewKindOfScope": ["x"]},
)
SCHEMAS = ("", "APP_{{secretKey}}", "{{environment}}.{{secretKey}}", "{{secretKey}}")
CONFLICTS: list[Json] = [
    {"kind": "version_conflict", "wording": wording, "in_errors": in_errors, "status": status}
    for wording in ("changed", "scopes", "out_of_date")
    for in_errors in (False, True)
    for status in (400, 409)
]
REFUSALS: list[Json] = [
    *CONFLICTS,
    {"kind": "rate_limit"},
    {"kind": "rate_limit", "retry_after": 1},
    {"kind": "read_only"},
    {"kind": "expired_key"},
]
FAILURES: list[Json] = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 502, "body": "html"},
    {"kind": "status", "status": 503, "body": "empty"},
]
GARBLED: list[Json] = [{"kind": "truncated_json"}, {"kind": "empty_body"}, {"kind": "rate_limit"}]


@dataclass(frozen=True)
class Edit:
    """One change that somebody else makes.

    Attributes:
        kind: `add`, `copy`, `delete`, `value`, `rename`, `scope`, `type`, `describe` or `touch`.
        number: says which row, counted round and round.
        name: for `add` and `rename`.
        scope: for `add` and `scope`.
        type: for `add` and `type`.
    """

    kind: str
    number: int
    name: str
    scope: Scope
    type: str

    def apply(self, target: VariableSet, mark: str, ids: Collection[str]) -> None:
        """Make the change in a set, as a PUT with the present version does.

        Args:
            target: the set.
            mark: the value, where there is a new one.
            ids: of the rows to choose from; all if there are none of these.
        """
        rows = [dict(row.shown) for row in target.rows]
        choice = [row for row in rows if row["Id"] in ids] or rows
        row = choice[self.number % len(choice)] if choice else {}
        match self.kind if choice else "add":
            case "add":
                rows.append(self._new(mark))
            case "copy":
                rows.append({**row, "Id": None, "Value": mark})
            case "delete":
                rows.remove(row)
            case "value":
                row["Value"] = mark
            case "rename":
                row["Name"] = self.name
            case "scope":
                row["Scope"] = dict(self.scope)
            case "type":
                row.update(Type=self.type, IsSensitive=self.type == "Sensitive", Value=mark)
            case "describe":
                row["Description"] = f"described at {target.version}"
        target.replace({"Variables": rows, "Version": target.version})

    def _new(self, mark: str) -> Json:
        return {
            "Name": self.name,
            "Value": mark,
            "Description": "theirs" if self.number % 2 else None,
            "Scope": dict(self.scope),
            "Type": self.type,
            "IsSensitive": self.type == "Sensitive",
            "IsEditable": self.number % 3 > 0,
            "Notes": self.number,
        }


@dataclass(frozen=True)
class Mishap:
    """What befalls the request of a method that so many of that method come before."""

    method: str
    nth: int
    kind: str
    rule: Json | None = None
    edit: Edit | None = None


types = st.sampled_from(["Sensitive", "Sensitive", "Sensitive", "String", "Certificate"])
edits = st.builds(
    Edit,
    kind=st.sampled_from(
        [
            *("add", "add", "copy", "delete", "delete"),
            *("value", "rename", "scope", "type", "describe", "touch"),
        ]
    ),
    number=st.integers(0, 11),
    name=st.sampled_from(NAMES),
    scope=st.sampled_from(ROW_SCOPES),
    type=types,
)


def _mishaps(method: str, nths: Sequence[int], kinds: Sequence[str]) -> st.SearchStrategy[Mishap]:
    return st.builds(
        Mishap, method=st.just(method), nth=st.sampled_from(nths), kind=st.sampled_from(kinds)
    )


def _answers(method: str, nths: Sequence[int], rules: Sequence[Json]) -> st.SearchStrategy[Mishap]:
    return st.builds(
        Mishap,
        method=st.just(method),
        nth=st.sampled_from(nths),
        kind=st.just("answer"),
        rule=st.sampled_from(rules),
    )


def _meanwhile(method: str, nths: Sequence[int], kind: str) -> st.SearchStrategy[Mishap]:
    return st.builds(
        Mishap,
        method=st.just(method),
        nth=st.sampled_from(nths),
        kind=st.just(kind),
        edit=edits,
    )


mishaps = st.one_of(
    _answers("PUT", [0, 0, 1], REFUSALS),
    _answers("PUT", [0, 0, 1], FAILURES),
    _answers("GET", [0, 1, 2], [*FAILURES, *GARBLED]),
    _meanwhile("PUT", [0, 0, 1], "edit-before"),
    _meanwhile("PUT", [0, 0, 1], "edit-after"),
    _meanwhile("GET", [0, 1], "edit-after"),
    _mishaps("PUT", [0, 0, 1], ["cut-before", "cut-after", "bad-gateway", "swallow"]),
    _mishaps("PUT", [0, 1], ["swallow"]),
    _mishaps("GET", [0, 1, 2], ["cut-before", "cut-after"]),
)
deaths = st.one_of(
    _mishaps("PUT", [0, 0, 1], ["crash-after"]),
    _mishaps("PUT", [0, 0, 1], ["crash-before", "late"]),
    _mishaps("GET", [1, 2], ["crash-before"]),
)
