"""Whether two key schemas can give one name to any two keys."""

from itertools import product

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from secretsync.domain.key_schema import KeySchema, can_collide, complaint
from secretsync.domain.names import key_complaint

ALPHABET = "aB/ "
PIECES = st.text(ALPHABET, max_size=2)
# Long enough for what the pieces of two schemas can differ by, and one character besides.
KEYS = [
    key
    for length in range(1, 6)
    for key in map("".join, product("ab/ ", repeat=length))
    if key_complaint(key) is None
]


def schema(before: str, after: str = "") -> KeySchema:
    made = f"{before}{{{{secretKey}}}}{after}"
    assume(complaint(made) is None)
    return KeySchema(made, "dev")


@given(PIECES, PIECES, PIECES, PIECES)
@example("aB", "", "a", "B")
@example("a", "aa", "aa", "a")
@example("a/", "", "a", "")
@example("a ", "", "a", "")
def test_they_can_exactly_if_there_are_such_keys(
    before: str, after: str, other_before: str, other_after: str
) -> None:
    one, other = schema(before, after), schema(other_before, other_after)
    names = {one.render(key).casefold() for key in KEYS}
    collide = any(other.render(key).casefold() in names for key in KEYS)
    assert can_collide(one, other, str.casefold) is collide
    assert can_collide(other, one, str.casefold) is collide


@given(st.text(min_size=1, max_size=12), st.data())
def test_whatever_name_two_schemas_make_is_foreseen(name: str, data: st.DataObject) -> None:
    made = []
    for _ in range(2):
        begin = data.draw(st.integers(0, len(name) - 1))
        end = data.draw(st.integers(begin + 1, len(name)))
        assume(key_complaint(name[begin:end]) is None)
        made.append(schema(name[:begin], name[end:]))
    one, other = made
    assert can_collide(one, other, str)
    assert can_collide(one, other, str.casefold)
    assert can_collide(one, one, str)


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        ("", "", True),
        ("", "APP_{{secretKey}}", True),
        ("A_{{secretKey}}", "A_B_{{secretKey}}", True),
        ("A_{{secretKey}}", "B_{{secretKey}}", False),
        ("A_{{secretKey}}", "a_{{secretKey}}", True),
        ("A_{{secretKey}}", "{{secretKey}}_B", True),
        ("{{secretKey}}_A", "{{secretKey}}_B", False),
        ("A_{{secretKey}}_X", "A_{{secretKey}}_Y", False),
        ("{{environment}}_{{secretKey}}", "dev_{{secretKey}}", True),
        ("{{environment}}_{{secretKey}}", "prod_{{secretKey}}", False),
        # No key begins with a blank, or has a slash.
        ("A{{secretKey}}", "A B{{secretKey}}", False),
        ("A{{secretKey}}", "A/{{secretKey}}", False),
        # What would stand before the key of the other one is too long for a key.
        ("{{environment}}" * 16 + "{{secretKey}}", "{{secretKey}}", False),
    ],
)
def test_schemas_of_one_environment(one: str, other: str, *, collide: bool) -> None:
    environment = "dev" if one.count("{{environment}}") < 2 else "e" * 63
    pair = KeySchema(one, environment), KeySchema(other, environment)
    assert can_collide(*pair, str.casefold) is collide


def test_letter_case_counts_where_the_destination_says_so() -> None:
    pair = KeySchema("A_{{secretKey}}", "dev"), KeySchema("a_{{secretKey}}", "dev")
    assert not can_collide(*pair, str)
    assert can_collide(*pair, str.casefold)


def test_the_environment_keeps_them_apart() -> None:
    text = "{{environment}}_{{secretKey}}"
    assert not can_collide(KeySchema(text, "dev"), KeySchema(text, "prod"), str)
    assert can_collide(KeySchema(text, "dev"), KeySchema(text, "dev"), str)
