"""Reads configurations and credentials with a plugin's models, without ever quoting a secret."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from secretsync.adapter import AdapterModel
from secretsync.domain.problems import Violations

MAX_TOLD = 50
"""Checking each violation against each credential takes time: more of them help nobody."""
FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,40}")
MIN_TELLING = 8
"""A shorter text that is part of a message without quotes is part of a word."""


def parse(
    model: type[AdapterModel], values: Mapping[str, Any], field: str, violations: Violations
) -> AdapterModel | None:
    """Return what a request says as the plugin's model, or note everything that is wrong with it.

    Args:
        model: the plugin's model.
        values: JSON-like values by their names on the wire.
        field: path of the values in the request, for the violations.
        violations: collects what is wrong.
    """
    try:
        # JSON mode: a Struct has what JSON has, so that strict models take its lists as tuples.
        return model.model_validate_json(json.dumps(values))
    except ValidationError as error:
        # include_input=False: what was given may be a credential.
        for detail in error.errors(include_input=False, include_url=False, include_context=False):
            aliases = {name: each.alias or name for name, each in model.model_fields.items()}
            loc = [str(part) for part in detail["loc"]]
            # Of a default that breaks a rule, pydantic tells the name that it has in Python.
            loc[:1] = [aliases.get(name, name) for name in loc[:1]]
            known = sorted(aliases.values()) if len(loc) == 1 else []
            violations.add(".".join([field, *loc]), _rule(detail["type"], detail["msg"], known))
        return None


class Discreet(Violations):
    """Passes violations on, but none that quotes a credential, as some validators do.

    A field that the model does not have may be a credential in the wrong place, so it is told only
    if it looks like the name of a field.

    Args:
        violations: collects them, `MAX_TOLD` at most.
        credentials: what was given.
    """

    def __init__(self, violations: Violations, credentials: Mapping[str, Any]) -> None:
        super().__init__()
        self._violations = violations
        self._texts = list(_texts_in(credentials))
        self._told = 0

    def add(self, field: str, description: str) -> None:
        """Note a violation."""
        self._told += 1
        if self._told > MAX_TOLD:
            return
        *parents, name = field.split(".")
        if not FIELD_NAME.fullmatch(name):
            field = ".".join([*parents, "(a field with an odd name)"])
        quoted = any(
            repr(text) in description or (len(text) >= MIN_TELLING and text in description)
            for text in self._texts
        )
        self._violations.add(field, "is not valid" if quoted else description)


def _texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts_in(each)


def _rule(kind: str, message: str, known: Sequence[str]) -> str:
    if kind == "extra_forbidden":
        return "is not a field" + (f"; known fields are: {', '.join(known)}" if known else "")
    if kind == "missing":
        return "is required"
    return message.removeprefix("Value error, ")
