"""What is written is what a deployment sees: escaping against the rules of Octopus's parser."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secretsync_octopus_deploy import octostache

# The text rules of Octostache's TemplateParser, in its order, and the one conditional in use.
# A "##" before "#{" prints one hash; the parser wants a character after that "#{".
RULES = (
    (re.compile(r"[^#]"), lambda found: found),
    (re.compile(r"#\Z"), lambda _: "#"),
    (re.compile(r"##(?=#\{.)", re.DOTALL), lambda _: "#"),
    (re.compile(r"##\{"), lambda _: "#{"),
    (re.compile(r"#[^{]", re.DOTALL), lambda found: found),
    (re.compile(r"#\{unless _\}#\{/unless\}"), lambda _: ""),
)


def evaluate(text: str) -> str:
    """Return what Octostache prints; fail on anything that it would look up."""
    printed, position = [], 0
    while position < len(text):
        for pattern, prints in RULES:
            found = pattern.match(text, position)
            if found:
                printed.append(prints(found[0]))
                position = found.end()
                break
        else:
            raise AssertionError(f"an expression starts at {text[position:]!r}")
    return "".join(printed)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        # From the tests of Octostache itself.
        ("##{foo}", "#{foo}"),
        ("# ## ###", "# ## ###"),
        ("###### hello", "###### hello"),
        ("####### world", "####### world"),
    ],
)
def test_the_oracle_agrees_with_octostaches_own_tests(text: str, printed: str) -> None:
    assert evaluate(text) == printed


def test_the_oracle_tells_an_expression() -> None:
    with pytest.raises(AssertionError, match=r"an expression starts at '#\{foo\}'"):
        evaluate("###{foo}")


@given(st.text(alphabet="#{} a\n", max_size=30) | st.text())
@example("##{")
@example("####{x}")
def test_a_deployment_sees_the_value_as_it_is(value: str) -> None:
    assert evaluate(octostache.escape(value)) == value


@given(st.text().filter(lambda value: "#{" not in value))
def test_values_without_expressions_are_not_touched(value: str) -> None:
    assert octostache.escape(value) == value
    assert not octostache.needs_escape(value)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("#{a}", "##{a}"),
        ("x#{a}#{b}", "x##{a}##{b}"),
        ("###{a}", "####{a}"),
        ("##{a}", "###{unless _}#{/unless}##{a}"),
    ],
)
def test_what_is_written(value: str, written: str) -> None:
    assert octostache.escape(value) == written
    assert octostache.needs_escape(value)
