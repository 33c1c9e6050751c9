"""Reading the schemas that destinations publish."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from secretsync.adapter import AdapterModel, SecretValue
from secretsync.cli.schema import Schema
from secretsync.cli.text import printable
from secretsync.cli.words import age_text, bytes_text, seconds_text


class Inner(AdapterModel):
    roles: tuple[str, ...] = ()
    size: int | None = None


class Model(AdapterModel):
    """As a plugin writes it."""

    space_id: str = Field(description="The space.")
    api_key: SecretValue
    inner: Inner | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    either: int | str = 5


SCHEMA = Schema(Model.model_json_schema(by_alias=True))


def test_a_model_of_pydantic() -> None:
    leaves = {field.path: field for field in SCHEMA.leaves()}
    assert list(leaves) == ["apiKey", "spaceId", "either", "inner.roles", "inner.size", "labels"]
    assert [field.path for field in leaves.values() if field.required] == ["apiKey", "spaceId"]
    assert [field.path for field in leaves.values() if field.schema.is_secret] == ["apiKey"]
    assert leaves["inner.roles"].schema.type_text == "array of string"
    assert leaves["inner.size"].schema.type_text == "integer"
    assert leaves["either"].schema.type_text == "integer or string"
    assert leaves["either"].schema.default == "5"
    assert leaves["spaceId"].schema.description == "The space."
    assert SCHEMA.is_closed
    assert SCHEMA.at(("inner", "size")).types == {"integer"}
    assert SCHEMA.at(("none", "at", "all")).type_text == "any"


def test_a_schema_that_refers_to_itself_or_to_nothing() -> None:
    schema = Schema(
        {
            "properties": {"next": {"$ref": "#/$defs/Node"}, "lost": {"$ref": "#/$defs/None"}},
            "$defs": {
                "Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}},
            },
        }
    )
    assert Schema({"$ref": "#/$defs/Loop", "$defs": {"Loop": {"$ref": "#/$defs/Loop"}}}).types == (
        frozenset()
    )
    paths = [field.path for field in schema.leaves()]
    assert paths[0] == "lost"
    assert len(paths) == 2
    assert schema.at(("lost",)).types == frozenset()


@settings(deadline=None)
@given(st.text())
def test_nothing_acts_on_a_terminal(text: str) -> None:
    shown = printable(text)
    assert not {"\n", "\r", "\x1b", "\x9b", "\u202e"} & set(shown)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "now"),
        (1, "1 second ago"),
        (-125, "in 2 minutes"),
        (7200, "2 hours ago"),
        (90000, "1 day ago"),
    ],
)
def test_ages(seconds: float, words: str) -> None:
    assert age_text(seconds) == words


def test_sizes_and_lengths_of_time() -> None:
    assert [bytes_text(size) for size in (0, 1023, 1536, 3 << 20)] == [
        "0 B", "1023 B", "1.5 KiB", "3.0 MiB"
    ]  # fmt: skip
    assert [seconds_text(length) for length in (0.0004, 0.5, 1.25, 61)] == [
        "0 ms", "500 ms", "1.2 s", "1 min 1 s"
    ]  # fmt: skip
