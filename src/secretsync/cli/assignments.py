"""Turns `--config key=value` and files of settings into the configuration of a sync."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import yaml
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from secretsync.cli.errors import invalid
from secretsync.cli.inputs import read_text
from secretsync.cli.schema import Schema

_BOOLEANS = {"true": True, "false": False}


def split_assignment(text: str, option: str) -> tuple[str, str]:
    """Return the name and the value of `name=value`.

    Raises:
        CliError: it is not written so. The error does not repeat it: it may be a secret.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise invalid(f"{option} takes name=value")
    return name, value


def typed(option: str, name: str, text: str, schema: Schema) -> object:
    """Return what a text stands for in a field: a string, unless the schema wants another type.

    Args:
        option: the option that it was given with.
        name: the field.
        text: the text.
        schema: the field's schema.

    Raises:
        CliError: it is of another type. The error does not repeat it.
    """
    types = schema.types
    if not types or "string" in types:
        return text
    if "boolean" in types and text in _BOOLEANS:
        return _BOOLEANS[text]
    try:
        if "integer" in types:
            return int(text)
        if "number" in types:
            return float(text)
    except ValueError:
        pass
    raise invalid(f"{option}: {name} must be of type {schema.type_text}")


def assign(config: dict[str, Any], assignments: Iterable[str], schema: Schema) -> None:
    """Set fields of a configuration.

    A field that the schema says is a list gets all the values given for it.

    Args:
        config: the configuration, changed in place.
        assignments: each `name=value`, with dots between the names of nested objects.
        schema: what types the fields have; text is taken as it is where it does not say.

    Raises:
        CliError: an assignment is malformed or does not fit its field.
    """
    values: dict[tuple[str, ...], list[str]] = {}
    for text in assignments:
        name, value = split_assignment(text, "--config")
        values.setdefault(_path(name), []).append(value)
    for path, texts in values.items():
        _put(config, path, _collected(".".join(path), texts, schema.at(path)))


def unassign(config: dict[str, Any], names: Iterable[str]) -> None:
    """Take fields out of a configuration.

    Args:
        config: the configuration, changed in place.
        names: the fields' names, with dots between those of nested objects.

    Raises:
        CliError: there is no such field.
    """
    for name in names:
        *parents, last = _path(name)
        target: Any = config
        for parent in parents:
            target = target.get(parent) if isinstance(target, dict) else None
        if not isinstance(target, dict) or last not in target:
            raise invalid(f"--unset-config: the configuration has no field {name!r}")
        del target[last]


def read_object(source: str) -> dict[str, Any]:
    """Return the object that a JSON or YAML file holds (YAML if its name says so).

    Args:
        source: a path, or `-` for JSON on stdin.

    Raises:
        CliError: it cannot be read, or holds something else. The error does not repeat content.
    """
    text = read_text(source).removeprefix("\ufeff")
    try:
        load = yaml.safe_load if source.endswith((".yaml", ".yml")) else json.loads
        document = load(text)
        # YAML has types that JSON has not, and both accept NaN in Python.
        json.dumps(document, allow_nan=False)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        raise invalid(f"{source} does not hold a valid JSON or YAML object") from None
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise invalid(f"{source} does not hold an object with named fields")
    return document


def to_struct(data: dict[str, Any]) -> Struct:
    """Return an object as the protobuf type that the API takes."""
    struct = Struct()
    struct.update(data)
    return struct


def from_struct(struct: Struct) -> dict[str, Any]:
    """Return the object that a protobuf Struct holds."""
    data: dict[str, Any] = MessageToDict(struct)
    return data


def _path(name: str) -> tuple[str, ...]:
    path = tuple(name.split("."))
    if not all(path):
        raise invalid(f"--config: {name!r} is no field name; write e.g. scopeValues.environments")
    return path


def _put(config: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    target = config
    for name in path[:-1]:
        inner = target.setdefault(name, {})
        if not isinstance(inner, dict):
            raise invalid(f"--config: {name!r} is no object, so it has no field {path[-1]!r}")
        target = inner
    target[path[-1]] = value


def _collected(name: str, texts: Sequence[str], schema: Schema) -> object:
    if "array" in schema.types:
        return [typed("--config", name, text, schema.items) for text in texts]
    if len(texts) > 1:
        if schema.types:
            raise invalid(f"--config: {name} is given more than once, and takes one value")
        return list(texts)
    return typed("--config", name, texts[0], schema)
