"""Credentials and configuration: what is accepted, and what is said of what is not."""

# Builders pass on fields of any type.
# ruff: noqa: ANN401

from typing import Any

import pytest
from octopus_kit import config_of
from pydantic import ValidationError

from secretsync.adapter import SecretValue
from secretsync_octopus_deploy.config import (
    SCOPE_KINDS,
    ApiKeyCredentials,
    OctopusConfig,
    target_key,
)

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


def test_a_configuration_with_everything() -> None:
    scope = {field: [f"{field}-1", f"{field}-2"] for field in SCOPE_KINDS}

    config = config_of(scope, scope="project", octostache="passthrough")

    assert config.scope_values.as_scope() == {
        "Action": ["actions-1", "actions-2"],
        "Channel": ["channels-1", "channels-2"],
        "Environment": ["environments-1", "environments-2"],
        "Machine": ["machines-1", "machines-2"],
        "ProcessOwner": ["processes-1", "processes-2"],
        "Role": ["roles-1", "roles-2"],
    }


def test_the_defaults_of_a_configuration() -> None:
    config = OctopusConfig.model_validate({"spaceId": "Spaces-1", "projectId": "Projects-1"})

    assert config.scope == "project"
    assert config.octostache == "escape"
    assert config.scope_values.as_scope() == {}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("spaceId", "Default", 'must be an id such as "Spaces-1"'),
        ("spaceId", "Spaces-1/..", 'must be an id such as "Spaces-1"'),
        ("spaceId", "Spaces-1\n", 'must be an id such as "Spaces-1"'),
        ("spaceId", "Projects-1", 'must be an id such as "Spaces-1"'),
        ("projectId", "my-project-1", 'must be an id such as "Projects-1"'),
        ("projectId", "../Projects-1", 'must be an id such as "Projects-1"'),
        ("projectId", "", 'must be an id such as "Projects-1"'),
        ("scope", "tenant", "Input should be 'project'"),
        ("octostache", "yes", "Input should be 'escape' or 'passthrough'"),
        ("unknown", 1, "Extra inputs are not permitted"),
    ],
)
def test_configurations_that_are_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config_of(None, **{field: value})

    assert said in problems(caught.value)[field]


def test_every_violation_of_a_scope_is_told_with_its_place() -> None:
    scope: dict[str, Any] = {
        "environments": ["Environments-1", " "],
        "roles": ["web", "web"],
        "machines": ["a\u200b\n"],
        "channels": "Channels-1",
        "actions": ["x" * 201],
        "tenants": [],
    }

    with pytest.raises(ValidationError) as caught:
        config_of(scope, spaceId="")

    found = problems(caught.value)
    assert "must not be blank" in found["scopeValues.environments.1"]
    assert "lists web more than once" in found["scopeValues.roles"]
    assert "no spaces around it and no control characters" in found["scopeValues.machines.0"]
    assert "valid list" in found["scopeValues.channels"]
    assert "at most 200 characters" in found["scopeValues.actions.0"]
    assert "not permitted" in found["scopeValues.tenants"]
    assert "spaceId" in found


def test_the_target_key_names_the_variable_set_and_not_the_scope() -> None:
    one = target_key(config_of({"environments": ["Environments-1"]}), "octopus/x")
    other = target_key(config_of({"roles": ["web"]}), "octopus/x")

    assert one == "octopus/x/Spaces-1/variables/variableset-Projects-2"
    assert other == one
    assert target_key(config_of(projectId="Projects-3"), "octopus/x") != one
    assert target_key(config_of(), "octopus/y") != one


def test_a_scope_lists_a_hundred_ids_at_most() -> None:
    assert config_of({"machines": [f"Machines-{number}" for number in range(100)]})
    with pytest.raises(ValidationError) as caught:
        config_of({"machines": [f"Machines-{number}" for number in range(101)]})

    assert "at most 100 items" in problems(caught.value)["scopeValues.machines"]


def test_the_schemas_describe_every_field() -> None:
    for model in (OctopusConfig, ApiKeyCredentials):
        schema = model.model_json_schema()
        assert all(
            "description" in field or "$ref" in field for field in schema["properties"].values()
        )
    assert ApiKeyCredentials.model_json_schema()["properties"]["apiKey"]["writeOnly"] is True
