"""What is written is what a deployment sees: escaping against the rules of Octopus's parser."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from octostache_oracle import evaluate

from secretsync_octopus_deploy import octostache


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
