"""Parses files of secrets: dotenv, JSON and YAML. Values come out exactly as they were written.

No error ever holds a value: messages name the key, or the line.
"""

import io
import json
import re
from collections.abc import Callable, Iterable
from pathlib import PurePath

import yaml
from dotenv.parser import parse_stream

from secretsync.adapter import SecretValue
from secretsync.cli.errors import CliError, invalid

_YAML_AMBIGUOUS = re.compile("[\x85\u2028\u2029]")
_YAML_STRING = "tag:yaml.org,2002:str"
_YAML_KINDS = {
    "tag:yaml.org,2002:bool": "a boolean",
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:null": "empty (null)",
    "tag:yaml.org,2002:timestamp": "a date",
}


class _Object(list[tuple[str, object]]):
    """The members of a JSON object in order, repeated keys included."""


def format_of(file: str) -> str:
    """Return the format that a file's name stands for: `dotenv`, `json` or `yaml`.

    Raises:
        CliError: the name does not tell.
    """
    name = PurePath(file).name
    if name.endswith(".json"):
        return "json"
    if name.endswith((".yaml", ".yml")):
        return "yaml"
    if name.endswith(".env") or name.startswith(".env."):
        return "dotenv"
    raise invalid(
        f"the format of {'stdin' if file == '-' else file} is not known",
        hint="give --format dotenv, json or yaml",
    )


def parse(text: str, file_format: str) -> dict[str, SecretValue]:
    """Return the secrets of a file, by key in the file's order.

    Args:
        text: the file's content; a byte order mark at its begin is ignored.
        file_format: `dotenv`, `json` or `yaml`.

    Raises:
        CliError: the file breaks its format, a key is there twice, or a value is no string.
    """
    parsers: dict[str, Callable[[str], Iterable[tuple[str, str]]]] = {
        "dotenv": _parse_dotenv,
        "json": _parse_json,
        "yaml": _parse_yaml,
    }
    secrets: dict[str, SecretValue] = {}
    for key, value in parsers[file_format](text.removeprefix("\ufeff")):
        if key in secrets:
            raise invalid(f"the key {_shown(key)} is there twice; which one is meant?")
        _check_unicode(key, value)
        secrets[key] = SecretValue(value)
    if not secrets:
        raise invalid("the file holds no secrets")
    return secrets


def _parse_dotenv(text: str) -> Iterable[tuple[str, str]]:
    """Yield the assignments; `$` and `#{...}` in values mean nothing (no interpolation)."""
    for binding in parse_stream(io.StringIO(text, newline="")):
        if binding.error:
            line = binding.original.line + _blank_lines(binding.original.string)
            raise invalid(
                f"line {line} is no dotenv assignment",
                hint="write KEY=value, KEY=\"value\" or KEY='value'; is a quote missing?",
            )
        if binding.key is None:
            continue
        if binding.value is None:
            raise invalid(
                f"the key {_shown(binding.key)} has no value",
                hint=f"write {_shown(binding.key)}= for an empty one",
            )
        yield binding.key, binding.value


def _blank_lines(text: str) -> int:
    """Return how many lines come before the first that is not blank."""
    return text[: len(text) - len(text.lstrip())].count("\n")


def _parse_json(text: str) -> Iterable[tuple[str, str]]:
    try:
        document = json.loads(text, object_pairs_hook=_Object)
    except json.JSONDecodeError as error:
        raise invalid(f"not valid JSON: {error.msg} at line {error.lineno}") from None
    except RecursionError:
        raise invalid("not a flat JSON object: it is nested too deep") from None
    if not isinstance(document, _Object):
        raise invalid('not a JSON object: write {"KEY": "value", ...}')
    for key, value in document:
        if not isinstance(value, str):
            raise _not_a_string(key, _json_kind(value))
        yield key, value


def _json_kind(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if value is None:
        return "empty (null)"
    return "nested"


def _parse_yaml(text: str) -> Iterable[tuple[str, str]]:
    """Yield the entries; nodes are looked at, not built, for only they show repeated keys."""
    ambiguous = _YAML_AMBIGUOUS.search(text)
    if ambiguous is not None:
        line = text.count("\n", 0, ambiguous.start()) + 1
        raise invalid(
            f"line {line} holds a line break that YAML versions 1.1 and 1.2 read differently",
            hint='write it as an escape in double quotes: "\\N", "\\L" or "\\P"',
        )
    try:
        document = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        # The error's own text quotes the file, and with it perhaps a value.
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise invalid(
            f"not valid YAML at line {line}",
            hint="quote values that hold special characters: KEY: 'value'",
        ) from None
    except yaml.YAMLError:
        raise invalid("not valid YAML: it holds characters that YAML does not allow") from None
    except RecursionError:
        raise invalid("not a flat YAML mapping: it is nested too deep") from None
    if not isinstance(document, yaml.MappingNode):
        raise invalid("not a YAML mapping: write KEY: 'value', a line each")
    for key, value in document.value:
        if key.tag != _YAML_STRING or not isinstance(key, yaml.ScalarNode):
            raise invalid(
                f"the key at line {key.start_mark.line + 1} is no string", hint="quote it"
            )
        if not isinstance(value, yaml.ScalarNode):
            raise _not_a_string(key.value, "nested")
        if value.tag != _YAML_STRING:
            raise _not_a_string(key.value, _YAML_KINDS.get(value.tag, "of a special type"))
        yield key.value, value.value


def _not_a_string(key: str, kind: str) -> CliError:
    if kind == "nested":
        return invalid(
            f"the value of {_shown(key)} is nested: only flat files of strings can be loaded",
            hint="load each part of the file into a folder of its own with --path",
        )
    return invalid(
        f"the value of {_shown(key)} is {kind}, not a string",
        hint="quote it, so that exactly these characters become the value",
    )


def _check_unicode(key: str, value: str) -> None:
    """Refuse half a surrogate pair, which escapes in JSON and YAML can write and UTF-8 cannot."""
    for what, text in (("the key", key), ("the value of", value)):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise invalid(f"{what} {_shown(key)} is not valid unicode: half a surrogate") from None


def _shown(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode()
