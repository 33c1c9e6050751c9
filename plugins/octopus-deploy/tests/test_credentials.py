"""Credentials: what is accepted, and what is said of what is not."""

# Builders pass on fields of any type.
# ruff: noqa: ANN401

from typing import Any

import pytest
from pydantic import ValidationError

from secretsync.adapter import SecretValue
from secretsync_octopus_deploy.credentials import ApiKeyCredentials, OidcCredentials

KEY = "API-ABC123"


def credentials(url: str = "https://octopus.example.com", **fields: Any) -> ApiKeyCredentials:
    return ApiKeyCredentials.model_validate({"instanceUrl": url, "apiKey": KEY, **fields})


def problems(error: ValidationError) -> dict[str, str]:
    return {".".join(map(str, one["loc"])): one["msg"] for one in error.errors()}


@pytest.mark.parametrize(
    ("given", "normalized"),
    [
        ("https://octopus.example.com", "https://octopus.example.com"),
        ("https://Octopus.Example.COM/", "https://octopus.example.com"),
        ("https://octopus.example.com/api", "https://octopus.example.com"),
        ("https://octopus.example.com/api/", "https://octopus.example.com"),
        ("https://octopus.example.com:443", "https://octopus.example.com"),
        ("https://octopus.example.com:8443/", "https://octopus.example.com:8443"),
        ("https://example.com/Octopus/api/", "https://example.com/Octopus"),
        ("https://example.com/octopus", "https://example.com/octopus"),
        ("http://localhost:8065", "http://localhost:8065"),
        ("http://LOCALHOST:08065", "http://localhost:8065"),
        ("http://127.8.9.1:81/", "http://127.8.9.1:81"),
        ("https://[2001:DB8:0::0:1]", "https://[2001:db8::1]"),
        ("https://0x.example.com", "https://0x.example.com"),
        ("http://127.0.0.1:80/", "http://127.0.0.1"),
        ("http://[::1]:8065/api", "http://[::1]:8065"),
    ],
)
def test_instance_urls_are_normalized(given: str, normalized: str) -> None:
    assert credentials(given).instance_url == normalized


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://octopus.example.com", "must begin with https://"),
        ("octopus.example.com", "must begin with https://"),
        ("", "must begin with https://"),
        ("https://", "must name a host"),
        ("https://user@octopus.example.com", "must not contain credentials"),
        ("https://user:pass-word@octopus.example.com", "must not contain credentials"),
        ("https://octopus.example.com?x=1", "must not have a query or fragment"),
        ("https://octopus.example.com/#top", "must not have a query or fragment"),
        ("https://octopus.example.com/?", "must not have a query or fragment"),
        ("https://octopus.example.com/a/../b", "plain base path"),
        ("https://octopus.example.com/%2e%2e", "plain base path"),
        ("https://octopus.example.com/./", "plain base path"),
        ("https://octopus.example.com/a/.", "plain base path"),
        ("https://octopus.example.com//", "plain base path"),
        ("https://octopus.example.com/a//b", "plain base path"),
        ("https://octopus.example.com//api", "plain base path"),
        ("https://127.1", "four decimal numbers"),
        ("https://0x7f000001", "four decimal numbers"),
        ("https://0x7f.0.0.0x1", "four decimal numbers"),
        ("https://2130706433", "four decimal numbers"),
        ("https://127.0.0.01", "four decimal numbers"),
        ("https://octopus.example.com.", "a dot at its end"),
        ("https://[fe80::1%25eth0]", "without zone"),
        ("http://octo.localhost", "use https"),
        ("http://[::ffff:127.0.0.1]", "use https"),
        ("https://[1:2]", "is not a valid address"),
        ("https://[v1.a:b]", "is not a valid address"),
        ("https://octopus.example.com:0", "a port from 1 to 65535"),
        ("https://octopus.example.com:99999", "is not a valid address"),
        ("https://[::1", "is not a valid address"),
        ("https://octopus example.com", "plain ASCII characters without spaces"),
        ("https://octopus.example.com\\@evil.example.com", "plain ASCII characters"),
        ("https://øctopus.example.com", "plain ASCII characters"),
        ("https://octopus.example.com/" + "x" * 255, "at most 255 characters"),
        ("http://octopus.example.com", "use https"),
        ("http://192.0.2.1", "use https"),
    ],
)
def test_instance_urls_that_are_refused(url: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        credentials(url)

    assert said in problems(caught.value)["instanceUrl"]
    assert "pass-word" not in str(caught.value)


def test_plain_http_elsewhere_needs_a_flag_that_says_so() -> None:
    allowed = credentials("http://octopus.example.com", allowInsecureHttp=True)

    assert allowed.instance_url == "http://octopus.example.com"


def test_all_violations_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        credentials("http://x.example.com", apiKey="api-nonsense", allowInsecureHttp="yes", x=1)

    assert set(problems(caught.value)) == {"instanceUrl", "apiKey", "allowInsecureHttp", "x"}


@pytest.mark.parametrize("key", ["", "API-", "api-ABC", "API-abc", "API-ABC\n", "XAPI-A", "API-Ä"])
def test_api_keys_that_are_refused(key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        credentials(apiKey=key)

    assert 'must be "API-"' in problems(caught.value)["apiKey"]


def test_the_key_shows_nowhere() -> None:
    good = credentials()

    assert good.api_key == SecretValue(KEY)
    assert KEY not in repr(good)
    assert KEY not in good.model_dump_json()


ACCOUNT = "c1d2e3f4-0a1b-2c3d-4e5f-60718293a4b5"


def oidc(url: str = "https://octopus.example.com", **fields: Any) -> OidcCredentials:
    return OidcCredentials.model_validate(
        {"instanceUrl": url, "serviceAccountId": ACCOUNT, **fields}
    )


def test_an_identity_token_comes_from_a_file_or_a_program() -> None:
    by_file = oidc("https://Octopus.example.com/api", tokenFile="/run/tokens/octopus")
    by_command = oidc(tokenCommand="/usr/local/bin/get-token")

    assert by_file.instance_url == by_command.instance_url == "https://octopus.example.com"
    assert (by_file.token_file, by_file.token_command) == ("/run/tokens/octopus", None)
    assert (by_command.token_file, by_command.token_command) == (None, "/usr/local/bin/get-token")


@pytest.mark.parametrize(
    "sources", [{}, {"tokenFile": None}, {"tokenFile": "/a", "tokenCommand": "/b"}]
)
def test_just_one_of_the_two_must_be_given(sources: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        oidc(**sources)

    (said,) = problems(caught.value).values()
    assert "give either tokenFile or tokenCommand, and not both" in said


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("serviceAccountId", "Users-1", "must be a GUID"),
        ("serviceAccountId", f"{ACCOUNT}\n", "must be a GUID"),
        ("serviceAccountId", ACCOUNT.replace("-", ""), "must be a GUID"),
        ("tokenFile", "token", "must be the absolute path"),
        ("tokenFile", "", "must be the absolute path"),
        ("tokenFile", "/run/tokens/", "must be the absolute path"),
        ("tokenFile", "/run/../etc/token", "without . and .."),
        ("tokenFile", "/run/./token", "without . and .."),
        ("tokenCommand", "/run/..", "without . and .."),
        ("tokenFile", "/run/a\0b", "no control characters"),
        ("tokenFile", "/" + "x" * 1000, "at most 1000 characters"),
        ("tokenFile", 5, "valid string"),
        ("tokenCommand", "get-token", "must be the absolute path"),
        ("tokenCommand", "/bin/sh\n-c", "no control characters"),
        ("instanceUrl", "http://octopus.example.com", "use https"),
        ("apiKey", KEY, "not permitted"),
    ],
)
def test_oidc_credentials_that_are_refused(field: str, value: Any, said: str) -> None:
    source = {} if field == "tokenCommand" else {"tokenFile": "/run/tokens/octopus"}
    with pytest.raises(ValidationError) as caught:
        oidc(**{**source, "instanceUrl": "https://octopus.example.com", field: value})

    assert problems(caught.value).keys() == {field}
    assert said in problems(caught.value)[field]


def test_equal_oidc_credentials_are_one_key() -> None:
    one = oidc("https://octopus.example.com:443/", tokenFile="/a")

    assert {one: 1}[oidc(tokenFile="/a")] == 1
    assert oidc(tokenFile="/b") not in {one: 1}
    assert oidc(tokenCommand="/a") not in {one: 1}


def test_the_schemas_describe_every_field() -> None:
    for model in (ApiKeyCredentials, OidcCredentials):
        schema = model.model_json_schema()
        assert all("description" in field for field in schema["properties"].values())
    api_key = ApiKeyCredentials.model_json_schema()["properties"]["apiKey"]
    assert api_key["writeOnly"] is True
    assert OidcCredentials.model_json_schema()["required"] == ["instanceUrl", "serviceAccountId"]
