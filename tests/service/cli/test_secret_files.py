"""What files of secrets mean: any value that is written properly comes out exactly."""

import json

import pytest
import yaml
from cli_kit import SECRET
from hypothesis import given, settings
from hypothesis import strategies as st

from secretsync.cli.errors import CliError
from secretsync.cli.secret_files import format_of, parse

KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
UNICODE = st.text(st.characters(exclude_categories=["Cs"]))


def texts(content: str, file_format: str) -> dict[str, str]:
    return {key: value.reveal() for key, value in parse(content, file_format).items()}


def double_quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def single_quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@settings(deadline=None)
@given(
    st.dictionaries(KEYS, UNICODE, min_size=1),
    st.sampled_from([double_quoted, single_quoted]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\ufeff"]),
    st.sampled_from(["", "export "]),
)
def test_dotenv_round_trip(secrets, quote, line_end, mark, export) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    lines = [f"{export}{key}={quote(value)}" for key, value in secrets.items()]
    assert texts(mark + line_end.join(lines), "dotenv") == secrets


@settings(deadline=None)
@given(st.dictionaries(UNICODE, UNICODE, min_size=1), st.booleans(), st.sampled_from([None, 2]))
def test_json_round_trip(secrets, ascii_only, indent) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    text = json.dumps(secrets, ensure_ascii=ascii_only, indent=indent)
    assert texts(text, "json") == secrets


@settings(deadline=None)
@given(
    st.dictionaries(UNICODE, UNICODE, min_size=1),
    st.sampled_from([None, "'", '"', "|", ">"]),
)
def test_yaml_round_trip(secrets, style) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    # Not with allow_unicode: PyYAML then writes line breaks of YAML 1.1 that it reads otherwise.
    text = yaml.safe_dump(secrets, default_style=style)
    assert texts(text, "yaml") == secrets


def test_dotenv_as_people_write_it() -> None:
    content = (
        "\n# a comment\n"
        "PLAIN=value # a comment\r\n"
        "export SPACED = two words  \n"
        "EMPTY=\n"
        "HASH=a#b\n"
        "DOLLAR=$HOME ${PLAIN} #{Octopus.Name}\n"
        'QUOTED="#{Octopus} \\"x\\" ${HOME}\\n"\n'
        "PEM='-----BEGIN-----\nabc\n-----END-----\n'\n"
        "OCTO='#{Name}'"
    )
    assert texts(content, "dotenv") == {
        "PLAIN": "value",
        "SPACED": "two words",
        "EMPTY": "",
        "HASH": "a#b",
        "DOLLAR": "$HOME ${PLAIN}",
        "QUOTED": '#{Octopus} "x" ${HOME}\n',
        "PEM": "-----BEGIN-----\nabc\n-----END-----\n",
        "OCTO": "#{Name}",
    }


def test_yaml_as_people_write_it() -> None:
    content = "# c\nA: plain\nB: |\n  two\n  lines\nC: '5'\nD: \"\\u00e9\"\nE: &x same\nF: *x\n"
    assert texts(content, "yaml") == {
        "A": "plain",
        "B": "two\nlines\n",
        "C": "5",
        "D": "\u00e9",
        "E": "same",
        "F": "same",
    }


@pytest.mark.parametrize(
    ("file_format", "content", "problem"),
    [
        ("dotenv", f"A=1\n\nB='{SECRET}\n", "line 3 is no dotenv assignment"),
        ("dotenv", f'A="x" {SECRET}\n', "line 1 is no dotenv assignment"),
        ("dotenv", "A=1\nB\n", "the key B has no value"),
        ("dotenv", f"A={SECRET}\nA={SECRET}\n", "the key A is there twice"),
        ("dotenv", "\n# nothing\n", "holds no secrets"),
        ("json", f'{{"A": "{SECRET}"', "not valid JSON"),
        ("json", f'["{SECRET}"]', "not a JSON object"),
        ("json", '{"A": 1}', "the value of A is a number, not a string"),
        ("json", '{"A": 1.5}', "is a number"),
        ("json", '{"A": true}', "is a boolean"),
        ("json", '{"A": null}', "is empty (null)"),
        ("json", '{"A": {"B": "x"}}', "the value of A is nested"),
        ("json", '{"A": ["x"]}', "is nested"),
        ("json", f'{{"A": "x", "A": "{SECRET}"}}', "the key A is there twice"),
        ("json", '{"A": "\\ud800"}', "the value of A is not valid unicode"),
        ("json", '{"A\\ud800": ""}', "the key A\\ud800 is not valid unicode"),
        ("json", "{}", "holds no secrets"),
        ("json", "[" * 100_000, "nested too deep"),
        ("yaml", f"A: '{SECRET}", "not valid YAML at line"),
        ("yaml", "A: *hunter2-plain", "not valid YAML at line 1"),
        ("yaml", "A: 'x'\nB: 'x\x85y'", "line 2 holds a line break that YAML versions"),
        ("yaml", "A: 'x\u2028y'", "line 1 holds a line break that YAML versions"),
        ("yaml", "A: \x00", "characters that YAML does not allow"),
        ("yaml", f"- {SECRET}", "not a YAML mapping"),
        ("yaml", "", "not a YAML mapping"),
        ("yaml", "A: 1", "the value of A is a number, not a string"),
        ("yaml", "A: 1.5", "is a number"),
        ("yaml", "A: yes", "is a boolean"),
        ("yaml", "A:", "is empty (null)"),
        ("yaml", "A: 2020-01-01", "is a date"),
        ("yaml", "A: !!binary aGk=", "of a special type"),
        ("yaml", "A: {B: x}", "the value of A is nested"),
        ("yaml", "A: [x]", "is nested"),
        ("yaml", "1: x", "the key at line 1 is no string"),
        ("yaml", "? [a]\n: x", "the key at line 1 is no string"),
        ("yaml", f"A: x\nA: {SECRET}", "the key A is there twice"),
        ("yaml", "A: x\n---\nB: y", "not valid YAML at line"),
        ("yaml", "{}", "holds no secrets"),
        ("yaml", "[" * 1_000, "nested too deep"),
    ],
)
def test_bad_files_are_refused_without_showing_values(
    file_format: str, content: str, problem: str
) -> None:
    with pytest.raises(CliError) as caught:
        parse(content, file_format)
    assert problem in caught.value.as_text()
    assert caught.value.code == 2
    assert "hunter2" not in caught.value.as_text()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("x.json", "json"),
        ("a/x.yaml", "yaml"),
        ("x.yml", "yaml"),
        (".env", "dotenv"),
        ("dev.env", "dotenv"),
        ("a/.env.local", "dotenv"),
    ],
)
def test_the_format_is_in_the_name(file: str, expected: str) -> None:
    assert format_of(file) == expected


@pytest.mark.parametrize(("file", "shown"), [("-", "stdin"), ("secrets.txt", "secrets.txt")])
def test_a_name_that_does_not_tell(file: str, shown: str) -> None:
    with pytest.raises(CliError, match=f"the format of {shown} is not known"):
        format_of(file)
