"""No error of Octopus gives away a secret, whatever the server says."""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from octopus_kit import NOW
from octopus_texts import BAD_KEY, DENIED, STALE

from secretsync.adapter import AdapterError, Conflict, PermissionDenied, SecretValue
from secretsync_octopus_deploy.errors import MAX_MESSAGE_LENGTH, error_from
from secretsync_octopus_deploy.texts import WITHHELD

PEM = "-----BEGIN KEY-----\nsentinelabc\nsentineldef\n-----END KEY-----\n"


def message_for(said: str, *values: str) -> str:
    secrets = [SecretValue(value) for value in values]
    response = httpx.Response(400, content=json.dumps({"ErrorMessage": said}))
    return error_from(response, now=NOW, secrets=secrets).message


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("sentinel-hunter2\n", "The value is bad: sentinel-hunter2"),
        ("  sentinel", "odd: sentinel"),
        ("sent", "odd: (sent)"),
        (PEM, PEM),
        (PEM, PEM.replace("\n", "\r\n")),
        (PEM, "line sentinelabc"),
        ("abcd\nsent\nefgh", "line sent"),
        ('sentinel "with" quotes', json.dumps('sentinel "with" quotes')),
        ("s\u00fc\U0001f600\u00e4", json.dumps("s\u00fc\U0001f600\u00e4")),
        ("sen\ttinel", json.dumps("sen\ttinel")),
        ("a\\nb\\x", "a\\nb\\x"),
        ("sentinel1\r\nsentinel2", "sentinel1\nsentinel2"),
        ("se<&>ml", "se&lt;&amp;&gt;ml"),
        ("se/ ?l", "se%2F%20%3Fl"),
        ("sentinel-cut-" + "x" * 60, "sentinel-c..."),
        ("x" * 60 + "sentinel", "...sentinel"),
        ("x##{sen}", "x#{sen}"),
        ("x##{unless _}#{/unless}##{sen}", "x##{sen}"),
        ("abc", "The value 'abc' is odd."),
        ("7", "must not be 7"),
    ],
)
def test_a_text_that_repeats_a_value_is_not_shown(value: str, said: str) -> None:
    assert message_for(said, "other", value) == (f"Octopus answered 400 (Bad Request): {WITHHELD}")


def test_a_text_that_repeats_no_value_is_shown() -> None:
    values = ["", " ", "\n", "abc", "7", "other value", "-" * 3]

    message = message_for("The alphabet has 77 faults.", *values)

    assert message.endswith(": The alphabet has 77 faults.")


@pytest.mark.parametrize("value", ["user", "changes", "another user has made changes", "e"])
def test_values_do_not_disturb_what_is_recognised(value: str) -> None:
    response = httpx.Response(400, json={"ErrorMessage": f"{STALE} {value}: sentinel-1"})

    error = error_from(response, now=NOW, secrets=[SecretValue(value), SecretValue("sentinel-1")])

    assert isinstance(error, Conflict)
    assert error.message.endswith(": another user has made changes to the variables")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("ErrorMessage", "Errors", "HelpText", "HelpLink", "ParsedHelpLinks", "Details")
KEY = "API-SENTINELSENTINEL"
CLOSED_SET = set(AdapterError.__subclasses__())


@st.composite
def spoken(draw: st.DrawFn) -> str:
    """Return a text, perhaps one that Octopus has, perhaps one that repeats a secret."""
    parts = st.sampled_from([DENIED, STALE, BAD_KEY, KEY, "Unknown error", "https://oc.to/x"])
    return "".join(draw(st.lists(parts | st.text(max_size=20), max_size=4)))


BODIES = (
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(
        {}, optional={name: JSON | spoken() | st.lists(spoken()) for name in (*FIELDS, "Full")}
    ).map(lambda value: json.dumps(value).encode())
)


@given(
    status=st.integers(300, 999) | st.sampled_from([400, 401, 403, 404, 409, 429, 500, 503]),
    body=BODIES,
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "Location", "Octopus-RateLimit"]),
        st.sampled_from(["", "7", KEY, f"https://{KEY}.example.com", "r=1;t=2"])
        | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
    ),
)
def test_whatever_the_answer_there_is_a_message_and_no_secret(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    response = httpx.Response(status, content=body, headers=headers)

    error = error_from(response, now=NOW, secrets=[SecretValue(KEY), SecretValue("x" * 9)])

    assert type(error) in CLOSED_SET
    assert error.message.strip()
    assert error.message.isprintable()
    assert len(error.message) <= MAX_MESSAGE_LENGTH + 200
    assert not error.message.casefold().endswith(": unknown error")
    everything = " ".join(
        [error.message, error.hint or "", *getattr(error, "violations", {}).values()]
    )
    assert "SENTINEL" not in everything.upper()
    assert getattr(error, "retry_after", None) is None or 0 <= error.retry_after <= 3600


def test_a_permission_that_is_a_value_is_not_named() -> None:
    response = httpx.Response(403, json={"ErrorMessage": "Missing permission: sentinel"})

    error = error_from(response, now=NOW, secrets=[SecretValue("sentinel")])

    assert isinstance(error, PermissionDenied)
    assert "sentinel" not in error.message + str(error.hint)


def test_control_characters_are_replaced() -> None:
    message = message_for("\x1b]0;owned\x07 \x1b[2Jhello \u202e \ud800")

    assert message.endswith(": \ufffd]0;owned\ufffd \ufffd[2Jhello \ufffd \ufffd")
    assert message.encode()
