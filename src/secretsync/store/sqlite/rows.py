"""Translates records of the domain to rows and back, one column for each field."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from types import UnionType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, get_args, get_type_hints

from sqlite_utils import Database

from secretsync.store.errors import StoreError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


class Codec(NamedTuple):
    """How one field is written to its column, and read back."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def time_to_text(moment: datetime) -> str:
    """Return ISO 8601 text in UTC with microseconds, of fixed width, so that it sorts by time."""
    if moment.tzinfo is None:
        raise ValueError("a time without a time zone cannot be stored")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def time_from_text(text: str) -> datetime:
    """Return the time, with time zone UTC, that `time_to_text` wrote."""
    return datetime.fromisoformat(text)


def to_json(value: Any) -> str:  # noqa: ANN401  whatever JSON can hold
    """Return compact JSON text, as people read it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Record(Generic[T]):
    """The table that holds one kind of entity.

    Args:
        table: its name.
        entity: the dataclass, whose field `uid` is unique.
        custom: codecs of fields whose type says too little.
        generated: fields that the database sets; they are read and never written.
        elsewhere: fields that other tables hold; they keep their defaults here.
    """

    def __init__(
        self,
        table: str,
        entity: type[T],
        *,
        custom: Mapping[str, Codec] | None = None,
        generated: frozenset[str] = frozenset(),
        elsewhere: frozenset[str] = frozenset(),
    ) -> None:
        self._table = table
        self._entity = entity
        hints = get_type_hints(entity)
        self._codecs: dict[str, Codec] = {
            field.name: (custom or {}).get(field.name) or _codec(hints[field.name])
            for field in fields(entity)
            if field.name not in elsewhere
        }
        self._written = [name for name in self._codecs if name not in generated]
        columns = ", ".join(f'"{name}"' for name in self._written)
        values = ", ".join(f":{name}" for name in self._written)
        changes = ", ".join(f'"{name}" = :{name}' for name in self._written)
        # Only names from this package's own source go into these statements.
        self._insert = f"INSERT INTO {table} ({columns}) VALUES ({values})"  # noqa: S608
        self._update = f"UPDATE {table} SET {changes} WHERE uid = :uid"  # noqa: S608
        self._upsert = f"{self._insert} ON CONFLICT (uid) DO UPDATE SET {changes}"

    def insert(self, database: Database, entity: T) -> int:
        """Insert a row and return its row id."""
        return database.execute(self._insert, self.encode(entity)).lastrowid or 0

    def update(self, database: Database, entity: T) -> None:
        """Replace the row with the entity's uid.

        Raises:
            StoreError: there is none.
        """
        if database.execute(self._update, self.encode(entity)).rowcount == 0:
            raise StoreError(f"nothing to update in {self._table}: the row is gone")

    def upsert(self, database: Database, entities: Iterable[T]) -> None:
        """Insert rows, or replace those with the entities' uids."""
        database.conn.executemany(self._upsert, (self.encode(entity) for entity in entities))

    def all(
        self, database: Database, sql: str, parameters: Sequence[Any] | dict[str, Any]
    ) -> list[T]:
        """Return the entities in the rows that a statement returns."""
        cursor = database.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return [self._decode(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]

    def one(
        self, database: Database, sql: str, parameters: Sequence[Any] | dict[str, Any]
    ) -> T | None:
        """Return the entity in the first row that a statement returns, or None."""
        return next(iter(self.all(database, sql, parameters)), None)

    def encode(self, entity: T) -> dict[str, Any]:
        """Return the values of the columns that are written, by name."""
        return {name: self._codecs[name].encode(getattr(entity, name)) for name in self._written}

    def _decode(self, row: Mapping[str, Any]) -> T:
        return self._entity(
            **{name: codec.decode(row[name]) for name, codec in self._codecs.items()}
        )


def _codec(hint: Any) -> Codec:  # noqa: ANN401  a type, possibly generic
    if isinstance(hint, UnionType):
        [some] = [option for option in get_args(hint) if option is not type(None)]
        encode, decode = _codec(some)
        return Codec(
            lambda value: None if value is None else encode(value),
            lambda value: None if value is None else decode(value),
        )
    if get_args(hint):
        return Codec(lambda value: to_json(dict(value)), json.loads)
    if hint is datetime:
        return Codec(time_to_text, time_from_text)
    if hint is bool:
        return Codec(int, bool)
    if issubclass(hint, StrEnum):
        return Codec(str, hint)
    return Codec(_as_is, _as_is)


def _as_is(value: Any) -> Any:  # noqa: ANN401  str, int or bytes
    return value
