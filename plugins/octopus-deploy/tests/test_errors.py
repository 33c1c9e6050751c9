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
from octopus_texts import BAD_KEY, DENIED, FROZEN, LOGGED_OUT, STALE, STALE_DATA, STALE_SCOPES

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


def error_for(status: int, body: Any = None, **headers: str) -> AdapterError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_from(httpx.Response(status, content=content, headers=named), now=NOW)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (409, {"ErrorMessage": "Whatever"}, Conflict),
        (409, None, Conflict),
        (400, {"ErrorMessage": "Variable ids must be unique."}, InvalidConfig),
        (400, {"ErrorMessage": "Variable validation failed."}, InvalidConfig),
        (400, {"ErrorMessage": FROZEN}, InvalidConfig),
        (400, {"ErrorMessage": "There was a problem.", "Errors": [DENIED]}, PermissionDenied),
        (403, None, PermissionDenied),
        (401, None, AuthenticationFailed),
        (401, {"ErrorMessage": "Your session is over."}, AuthenticationFailed),
        (401, b"<html>", AuthenticationFailed),
        (403, {"ErrorMessage": "The API key has expired."}, AuthenticationFailed),
        (400, {"ErrorMessage": "This access token expired an hour ago."}, AuthenticationFailed),
        (400, {"ErrorMessage": "The certificate has expired."}, InvalidConfig),
        (404, {"ErrorMessage": "The resource 'Projects-9' was not found."}, NotFound),
        (404, b"<html>not here</html>", NotFound),
        (405, None, InvalidConfig),
        (413, b"<html>too large</html>", InvalidConfig),
        (408, None, Unavailable),
        (429, None, RateLimited),
        (429, {"ErrorMessage": DENIED}, RateLimited),
        (500, {"ErrorMessage": "Object reference not set to an instance"}, Unavailable),
        (502, b"<html>bad gateway</html>", Unavailable),
        (503, None, Unavailable),
        (503, {"ErrorMessage": f"Octopus is in maintenance mode. {DENIED}"}, Unavailable),
        (504, b"", Unavailable),
        (599, b"", Unavailable),
    ],
)
def test_the_error_for_each_answer(status: int, body: object, expected: type[AdapterError]) -> None:
    error = error_for(status, body)

    assert type(error) is expected
    assert str(status) in error.message
    assert "nknown error" not in error.message


@pytest.mark.parametrize("field", ["ErrorMessage", "Errors", "HelpText", "Details"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422, 500])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (STALE, Conflict),
        (STALE_SCOPES, Conflict),
        (STALE_DATA, Conflict),
        (STALE.upper(), Conflict),
        (DENIED, PermissionDenied),
        (BAD_KEY, AuthenticationFailed),
        (LOGGED_OUT, AuthenticationFailed),
    ],
)
def test_a_text_that_leaves_no_doubt_counts_more_than_the_status(
    status: int, field: str, text: str, expected: type[AdapterError]
) -> None:
    body: dict[str, Any] = {"ErrorMessage": "There was a problem with your request."}
    body[field] = {"": [text]} if field == "Details" else [text] if field == "Errors" else text

    error = error_for(status, body)

    assert type(error) is expected
    assert text in error.message


@pytest.mark.parametrize("name", ["Projects-9", "Spaces-9", "LibraryVariableSets-9"])
def test_what_was_not_found_is_named(name: str) -> None:
    error = error_for(404, {"ErrorMessage": f"The resource '{name}' was not found."})

    assert (
        error.message == f"Octopus answered 404 (Not Found): The resource '{name}' was not found."
    )


def test_everything_that_octopus_says_is_told_once() -> None:
    body = {
        "ErrorMessage": "There was a problem.",
        "Errors": ["There was a problem.", "Name is\ntaken.", 7],
        "HelpText": "Choose another.",
        "HelpLink": "https://oc.to/names",
        "ParsedHelpLinks": ["https://oc.to/names", "https://oc.to/more", "javascript:alert(1)"],
        "FullException": "System.Exception: secrets of the server",
        "Details": {"Name": ["Name is\ntaken.", "It is too long."], "a": 1, "b": None},
    }

    message = error_for(400, body).message

    assert message == (
        "Octopus answered 400 (Bad Request): There was a problem. Name is taken. Choose another."
        " It is too long. See https://oc.to/names https://oc.to/more"
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("You must be logged in.", "You must be logged in."),
        ({"HelpLink": "https://oc.to/x"}, "See https://oc.to/x"),
        ({"ErrorMessage": "Look at https://oc.to/x", "HelpLink": "https://oc.to/x"}, "Look at"),
        ({"ParsedHelpLinks": {"Link": "https://oc.to/x"}}, "See https://oc.to/x"),
        ({"ParsedHelpLinks": [f"https://oc.to/{n}" for n in range(9)]}, "See https://oc.to/0"),
        ({"Errors": "one text"}, "one text"),
        ({"Errors": {"Name": "taken"}}, "taken"),
        ({"Details": "in short"}, "in short"),
        ({"Details": [[[["deep"]]]]}, "deep"),
        ({"ErrorMessage": "Unknown error saving."}, "error saving."),
    ],
)
def test_fields_of_other_shapes_are_told(body: object, said: str) -> None:
    message = error_for(400, body).message

    assert message.startswith(f"Octopus answered 400 (Bad Request): {said}")
    assert message.count("https://") <= 3


@pytest.mark.parametrize(
    "text", ["Unknown error", "unknown error.", "An unknown error has occurred!", "  ", "\n"]
)
def test_words_that_say_nothing_are_left_out(text: str) -> None:
    body = {"ErrorMessage": text, "Errors": [text, "But this says something."]}

    assert error_for(400, body).message == (
        "Octopus answered 400 (Bad Request): But this says something."
    )
    for silent in ({"ErrorMessage": text}, text):
        assert error_for(500, silent).message == (
            "Octopus answered 500 (Internal Server Error): no explanation was given"
        )


def test_what_follows_words_that_say_nothing_is_told() -> None:
    for body in (
        "Unknown error: the disk is full",
        {"Errors": ["Unknown error: the disk is full"]},
    ):
        assert error_for(500, body).message == (
            "Octopus answered 500 (Internal Server Error): the disk is full"
        )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[1]",
        b'{"ErrorMessage":',
        b"{}",
        b"[" * 100_000,
        b"\xff",
        b'{"Details": [[[[["too deep"]]]]]}',
        b'{"FullException": "at Octopus.Server"}',
        b'{"ErrorMessage": 7, "Errors": null, "Details": true}',
    ],
)
def test_an_answer_without_explanation_says_so(body: bytes) -> None:
    assert error_for(400, body).message.endswith("no explanation was given")


@pytest.mark.parametrize("body", [b"<html>", b"\r\n <!DOCTYPE html>", b"<?xml version='1.0'?>"])
def test_a_web_page_is_called_one(body: bytes) -> None:
    assert error_for(502, body).message == (
        "Octopus answered 502 (Bad Gateway): the answer is a web page, perhaps of a proxy in"
        " between"
    )


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


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("r=0;t=18", 18),
        ("t=18", 18),
        ("r=0;t=99999", 3600),
        ("r=0;rt=18", None),
        ("r=0;t=soon", None),
        ("", None),
    ],
)
def test_without_retry_after_the_limits_reset_is_the_pause(
    header: str, seconds: float | None
) -> None:
    headers = {"Octopus_RateLimit": header}
    limited = error_for(429, **headers)
    assert isinstance(limited, RateLimited)
    assert limited.retry_after == seconds
    limited = error_for(429, Retry_After="1", **headers)
    assert isinstance(limited, RateLimited)
    assert limited.retry_after == 1


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


def test_a_giant_explanation_is_not_parsed() -> None:
    assert error_for(400, {"ErrorMessage": "x" * 2_000_000}).message == (
        "Octopus answered 400 (Bad Request): no explanation was given"
    )
