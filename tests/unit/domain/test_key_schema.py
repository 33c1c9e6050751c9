"""Names are made from keys, and lead back to them."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from secretsync.domain.key_schema import MAX_LENGTH, KeySchema, complaint
from secretsync.domain.names import key_complaint

SLUGS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
KEYS = st.one_of(
    st.text(min_size=1, max_size=30).filter(lambda key: key_complaint(key) is None),
    st.sampled_from(["A", "DB_PASSWORD", "a b", "APP_", "APP_X", "environment", "secretKey"]),
)
LITERALS = st.one_of(
    st.just(""), st.sampled_from(["APP_", "_", "aba", "::", "."]), st.text(max_size=12)
)


@st.composite
def schemas(draw: st.DrawFn) -> str:
    """Draw a valid schema: the key once, the environment any number of times, text in between."""
    parts = [*draw(st.lists(st.just("{{environment}}"), max_size=3)), "{{secretKey}}"]
    pieces = [draw(LITERALS)]
    for part in draw(st.permutations(parts)):
        pieces += [part, draw(LITERALS)]
    schema = "".join(pieces)
    assume(complaint(schema) is None)
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "{{secretKey}}",
        "APP_{{secretKey}}",
        "{{environment}}:{{secretKey}}.{{environment}}",
        "{{secretKey}}{{environment}}",
        "\u00fcber/{{secretKey}}",
        "{{environment}} {{secretKey}}",
        "x" * (MAX_LENGTH - 13) + "{{secretKey}}",
    ],
)
def test_good_schemas_pass(schema: str) -> None:
    assert complaint(schema) is None


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ("APP_", "has it 0 times"),
        ("{{environment}}", "has it 0 times"),
        ("{{secretkey}}", "has it 0 times"),
        ("{{ secretKey }}", "has it 0 times"),
        ("{{secretKey}}{{secretKey}}", "has it 2 times"),
        ("{{{secretKey}}}", "braces"),
        ("{{secretKey}}}", "braces"),
        ("{a}{{secretKey}}", "braces"),
        ("{{Environment}}{{secretKey}}", "braces"),
        ("{{secretKey}}\n", "control characters"),
        ("a\x00{{secretKey}}", "control characters"),
        ("a\u2028{{secretKey}}", "control characters"),
        ("a\ud800{{secretKey}}", "control characters"),
        (" {{secretKey}}", "blank"),
        ("{{secretKey}} ", "blank"),
        ("x" * (MAX_LENGTH - 12) + "{{secretKey}}", "at most 255 characters, has 256"),
    ],
)
def test_bad_schemas_are_told_why(schema: str, word: str) -> None:
    assert word in (complaint(schema) or "")


@given(schemas(), SLUGS, KEYS)
@example("{{environment}}aba{{secretKey}}aba{{environment}}", "aba", "aba")
def test_extract_undoes_render(schema: str, environment: str, key: str) -> None:
    rules = KeySchema(schema, environment)
    name = rules.render(key)
    assert rules.extract(name) == key
    assert "{{" not in name


@given(schemas(), SLUGS, st.text(max_size=40))
@example("aba{{secretKey}}aba", "e", "aba")
@example("aba{{secretKey}}aba", "e", "ababa")
def test_render_undoes_extract(schema: str, environment: str, name: str) -> None:
    rules = KeySchema(schema, environment)
    key = rules.extract(name)
    assert key is None or (rules.render(key) == name and key_complaint(key) is None)


@given(schemas(), SLUGS, KEYS, KEYS)
def test_different_keys_have_different_names(
    schema: str, environment: str, one: str, other: str
) -> None:
    rules = KeySchema(schema, environment)
    assert (rules.render(one) == rules.render(other)) is (one == other)


def test_without_a_schema_the_name_is_the_key() -> None:
    assert KeySchema("", "dev").render("K") == "K"
    assert KeySchema("", "dev").extract("K") == "K"


def test_every_environment_placeholder_is_filled_in() -> None:
    rules = KeySchema("{{environment}}.{{secretKey}}.{{environment}}", "dev")
    assert rules.render("K") == "dev.K.dev"
    assert rules.extract("dev.K.dev") == "K"
    assert rules.extract("dev.K.prod") is None
    assert KeySchema(rules.schema, "prod").extract("dev.K.dev") is None


def test_a_name_of_a_longer_prefix_could_be_of_the_shorter_one() -> None:
    # Which is why `extract` alone never decides about what another sync has in its ledger.
    name = KeySchema("APP_DB_{{secretKey}}", "dev").render("USER")
    assert KeySchema("APP_{{secretKey}}", "dev").extract(name) == "DB_USER"
    assert KeySchema("APP_DB_{{secretKey}}", "dev").extract("APP_USER") is None


@pytest.mark.parametrize("name", ["", "APP_", "APP_a/b", "APP_ a", "app_A", "XAPP_A", "APP_a\nb"])
def test_names_that_no_key_makes_are_not_taken_for_ours(name: str) -> None:
    assert KeySchema("APP_{{secretKey}}", "dev").extract(name) is None
