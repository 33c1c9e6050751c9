"""A variable set as one document: read from JSON, and written with everything foreign untouched."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from secretsync.adapter import Unsupported
from secretsync_octopus_deploy import json_text
from secretsync_octopus_deploy.rows import Row, WrittenRow
from secretsync_octopus_deploy.texts import printable


@dataclass(frozen=True, slots=True)
class ScopeValue:
    """One id that variables of a set can be scoped to.

    Attributes:
        id: what stands in a variable's scope.
        name: what people know it by.
        kind: more about it, e.g. a process's type; possibly empty.
    """

    id: str
    name: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class VariableSet:
    """A variable set as it was read.

    Attributes:
        members: names and JSON texts of the document's fields, in order.
        version: the server's counter of changes to the set.
        rows: the variables, in order.
        scope_values: per list of the document's `ScopeValues`, e.g. `Environments`, the choices;
            None if the server sent none.
    """

    members: tuple[tuple[str, str], ...] = field(repr=False)
    version: int
    rows: tuple[Row, ...] = field(repr=False)
    scope_values: dict[str, tuple[ScopeValue, ...]] | None = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "VariableSet":
        """Read a variable set.

        Args:
            text: the body that the server sent.

        Raises:
            ValueError: this is no variable set; says what is wrong with it.
        """
        document = json_text.load(text)
        variables = document.get("Variables") if isinstance(document, dict) else None
        version = document.get("Version") if isinstance(document, dict) else None
        is_set = isinstance(variables, list) and not isinstance(version, bool)
        if not (is_set and isinstance(version, int) and version >= 0):
            # A ValueError like any other fault of the text, not a caller's mistake.
            raise ValueError("it is no variable set with a list of variables and a version")
        scope_values = _scope_values(document.get("ScopeValues"))
        members = json_text.members(text)
        rows = tuple(
            Row.parse(*element) for element in json_text.elements(dict(members)["Variables"])
        )
        others = tuple(pair if pair[0] != "Variables" else ("Variables", "") for pair in members)
        return cls(others, version, rows, scope_values)

    @property
    def version_text(self) -> str:
        """The version as adapters report it."""
        return str(self.version)

    def rows_by_identity(self) -> dict[str, list[Row]]:
        """Return the rows of each identity, in order; more than one are duplicates."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            found[row.identity].append(row)
        return dict(found)

    def rows_by_id(self) -> dict[str, Row]:
        """Return the rows that have an id."""
        return {row.id: row for row in self.rows if row.id}

    def render(self, rows: Iterable[Row | WrittenRow]) -> str:
        """Return the document with `rows` as its variables, ready to be sent.

        Raises:
            Unsupported: see `check_writable`.
        """
        sent = list(rows)
        check_writable(sent)
        variables = f"[{','.join(row.render() for row in sent)}]"
        return json_text.join_members(
            [(name, variables if name == "Variables" else text) for name, text in self.members]
        )


def check_writable(rows: Iterable[Row | WrittenRow]) -> None:
    """Check that writing these rows empties none of them.

    Raises:
        Unsupported: a sensitive row has neither id nor value: the server would store an empty
            value in it without a word.
    """
    if any(row.would_be_emptied() for row in rows):
        raise Unsupported(
            "Octopus returned a sensitive variable without an id. Nothing was written,"
            " because writing the variable set would have emptied that variable."
        )


def _scope_values(found: object) -> dict[str, tuple[ScopeValue, ...]] | None:
    if not isinstance(found, dict):
        return None
    return {
        name: tuple(
            ScopeValue(
                printable(str(item["Id"])),
                printable(str(item.get("Name") or item["Id"])),
                printable(str(item.get("ProcessType") or "")),
            )
            for item in items
            if isinstance(item, dict) and item.get("Id")
        )
        for name, items in found.items()
        if isinstance(items, list)
    }
