"""Reads the JSON Schemas that destinations publish: which fields there are, and of what type."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from secretsync.cli.words import value_text

_MAX_DEPTH = 16
"""How deep references and nested objects are followed: a schema may refer to itself."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a schema.

    Attributes:
        path: its name, with those of the objects around it and dots between.
        schema: its schema.
        required: whether it must be given, as far as the object around it is.
    """

    path: str
    schema: "Schema"
    required: bool


class Schema:
    """A JSON Schema or a part of one (https://json-schema.org, as pydantic writes it).

    Args:
        document: the whole schema, which references point into.
        node: the part. Default: the whole.
    """

    def __init__(self, document: Mapping[str, Any], node: Mapping[str, Any] | None = None) -> None:
        self._document = document
        self._node = document if node is None else node
        self._variants = list(self._flatten(self._node, _MAX_DEPTH))

    def _flatten(self, node: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
        """Yield a node and all that it is made of: what it refers to, its alternatives."""
        if depth == 0:
            return
        yield node
        reference = node.get("$ref", "")
        if reference.startswith("#/"):
            target: Any = self._document
            for part in reference.removeprefix("#/").split("/"):
                target = target.get(part, {})
            yield from self._flatten(target, depth - 1)
        for keyword in ("anyOf", "oneOf", "allOf"):
            for variant in node.get(keyword, ()):
                yield from self._flatten(variant, depth - 1)

    def _first(self, keyword: str) -> str:
        return next((str(node[keyword]) for node in self._variants if keyword in node), "")

    @property
    def types(self) -> frozenset[str]:
        """The JSON types that it may have, `null` left out; empty if any."""
        found = {node["type"] for node in self._variants if isinstance(node.get("type"), str)}
        return frozenset(found - {"null"})

    @property
    def is_secret(self) -> bool:
        """Whether it is marked writeOnly."""
        return any(node.get("writeOnly") is True for node in self._variants)

    @property
    def description(self) -> str:
        """One sentence for people; may be empty."""
        return self._first("description")

    @property
    def default(self) -> str:
        """Its default for people; empty if there is none."""
        default = next((node["default"] for node in self._variants if "default" in node), None)
        return "" if default is None else value_text(default)

    @property
    def items(self) -> "Schema":
        """The schema of an array's items."""
        items: Mapping[str, Any] = next(
            (node["items"] for node in self._variants if "items" in node), {}
        )
        return Schema(self._document, items)

    @property
    def is_closed(self) -> bool:
        """Whether an object may have no other fields than those listed."""
        return any(node.get("additionalProperties") is False for node in self._variants)

    def fields(self) -> list[Field]:
        """Return an object's fields: required ones first, then by name.

        A schema that travelled as a protobuf Struct has lost the order that it was written in.
        """
        required = {name for node in self._variants for name in node.get("required", ())}
        properties: dict[str, Mapping[str, Any]] = {}
        for node in self._variants:
            properties |= node.get("properties", {})
        found = [
            Field(name, Schema(self._document, node), name in required)
            for name, node in properties.items()
        ]
        return sorted(found, key=lambda field: (not field.required, field.path))

    def leaves(self, prefix: str = "", depth: int = _MAX_DEPTH) -> Iterator[Field]:
        """Yield the fields that are no objects, those of nested objects included."""
        for field in self.fields():
            path = f"{prefix}{field.path}"
            if field.schema.fields() and depth:
                yield from field.schema.leaves(f"{path}.", depth - 1)
            else:
                yield Field(path, field.schema, field.required)

    def at(self, path: tuple[str, ...]) -> "Schema":
        """Return the schema of a field, by the names on the way to it; an open one if unknown."""
        schema = self
        for name in path:
            schema = next(
                (field.schema for field in schema.fields() if field.path == name), Schema({})
            )
        return schema

    @property
    def type_text(self) -> str:
        """Its type for people, e.g. `string` or `array of string`."""
        items = self.items.types if "array" in self.types else frozenset()
        words = " or ".join(sorted(self.types)) or "any"
        return f"{words} of {' or '.join(sorted(items))}" if items else words
