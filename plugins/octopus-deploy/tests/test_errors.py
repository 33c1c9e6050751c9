"""Which error each of Octopus's answers becomes, and what it says."""

# Builders pass on fields of any type.
# ruff: noqa: ANN401

import json
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from octopus_kit import NOW

from secretsync.adapter import (
    AdapterError,
    AuthenticationFailed,
    Conflict,
    InvalidConfig,
    NotFound,
    PermissionDenied,
    RateLimited,
    SecretValue,
    Unavailable,
)
from secretsync_octopus_deploy.errors import MAX_MESSAGE_LENGTH, error_from
from secretsync_octopus_deploy.texts import WITHHELD

DENIED = (
    "You do not have permission to perform this action. Please contact your Octopus administrator."
    " Missing permission: VariableEditUnscoped"
)
STALE = (
    "Changes to these variables could not be saved, because another user has made changes to the"
    " variables between when you started editing and when you saved your changes."
)


def error_for(status: int, body: Any = None, **headers: str) -> AdapterError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_from(httpx.Response(status, content=content, headers=named), now=NOW)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"ErrorMessage": STALE}, Conflict),
        (400, {"ErrorMessage": "There was a problem.", "Errors": [STALE]}, Conflict),
        (409, {"ErrorMessage": "Whatever"}, Conflict),
        (409, None, Conflict),
        (400, {"ErrorMessage": "Variable ids must be unique."}, InvalidConfig),
        (400, {"ErrorMessage": DENIED}, PermissionDenied),
        (401, {"ErrorMessage": DENIED}, PermissionDenied),
        (403, {"ErrorMessage": DENIED}, PermissionDenied),
        (403, None, PermissionDenied),
        (401, {"ErrorMessage": "The API key you provided was not valid."}, AuthenticationFailed),
        (401, None, AuthenticationFailed),
        (404, {"ErrorMessage": "The resource 'Projects-9' was not found."}, NotFound),
        (405, None, InvalidConfig),
        (413, b"<html>too large</html>", InvalidConfig),
        (408, None, Unavailable),
        (429, None, RateLimited),
        (500, {"ErrorMessage": "Object reference not set to an instance"}, Unavailable),
        (500, {"ErrorMessage": DENIED}, Unavailable),
        (502, b"<html>bad gateway</html>", Unavailable),
        (503, None, Unavailable),
        (504, b"", Unavailable),
        (599, b"", Unavailable),
    ],
)
def test_the_error_for_each_answer(status: int, body: object, expected: type[AdapterError]) -> None:
    error = error_for(status, body)

    assert type(error) is expected
    assert str(status) in error.message
    assert "nknown error" not in error.message


def test_everything_that_octopus_says_is_told_once() -> None:
    body = {
        "ErrorMessage": "There was a problem.",
        "Errors": ["There was a problem.", "Name is\ntaken.", 7],
        "HelpText": "Choose another.",
        "FullException": "System.Exception: secrets of the server",
        "Details": {"a": 1},
    }

    message = error_for(400, body).message

    assert message == (
        "Octopus answered 400 (Bad Request): There was a problem. Name is taken. Choose another."
    )


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b'{"ErrorMessage":', b"{}", b"[" * 100_000, b"\xff"]
)
def test_an_answer_without_explanation_says_so(body: bytes) -> None:
    assert error_for(400, body).message.endswith("no explanation was given")


def test_texts_are_cut() -> None:
    message = error_for(400, {"ErrorMessage": "x" * 5000}).message

    assert len(message) < MAX_MESSAGE_LENGTH + 100


def test_a_missing_permission_is_named_in_what_to_do() -> None:
    assert "VariableEditUnscoped" in (error_for(403, {"ErrorMessage": DENIED}).hint or "")
    assert "VariableEdit" in (error_for(403).hint or "")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("17", 17.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        (format_datetime((NOW + timedelta(seconds=9)).replace(tzinfo=None)), 9.0),
        ("86400", 3600.0),
        (format_datetime(NOW + timedelta(days=9), usegmt=True), 3600.0),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999", None),
        ("Mon, 01 Jan 99999 00:00:00 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_pause_that_is_asked_for(status: int, header: str, seconds: float | None) -> None:
    error = error_for(status, Retry_After=header)

    assert isinstance(error, RateLimited | Unavailable)
    assert error.retry_after == seconds


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("https://new.example.com/octopus/api/users/me?x=1", "https://new.example.com;"),
        ("https://user:pass@new.example.com:444/api", "https://new.example.com:444;"),
        ("/octopus/api/users/me", "redirects to another address;"),
        ("https://[2001:db8::1]:444/x", "https://[2001:db8::1]:444;"),
        ("https://a.example.com:x/", "redirects to another address;"),
        ("https://sentinel-value.example.com/", "redirects to another address;"),
        ("https://" + "x" * 5000, "redirects to another address;"),
        ("", "redirects to another address;"),
        ("https://[broken", "redirects to another address;"),
    ],
)
def test_a_redirect_tells_where_octopus_is(status: int, location: str, said: str) -> None:
    response = httpx.Response(status, headers={"Location": location})
    error = error_from(response, now=NOW, secrets=[SecretValue("sentinel-value")])

    assert isinstance(error, InvalidConfig)
    assert said in error.violations["instanceUrl"]
    assert "pass" not in error.message


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


def test_a_permission_that_is_a_value_is_not_named() -> None:
    response = httpx.Response(403, json={"ErrorMessage": "Missing permission: sentinel"})

    error = error_from(response, now=NOW, secrets=[SecretValue("sentinel")])

    assert isinstance(error, PermissionDenied)
    assert "sentinel" not in error.message + str(error.hint)


def test_control_characters_are_replaced() -> None:
    message = message_for("\x1b]0;owned\x07 \x1b[2Jhello \u202e \ud800")

    assert message.endswith(": \ufffd]0;owned\ufffd \ufffd[2Jhello \ufffd \ufffd")
    assert message.encode()
