"""OpenID Connect: discovery, the exchange of tokens, and what access tokens open."""

from collections.abc import Callable

import httpx
import pytest

from secretsync_octopus_deploy.sandbox import errors
from secretsync_octopus_deploy.sandbox.oidc import (
    GRANT_TYPE,
    ISSUED_TOKEN_TYPE,
    SERVICE_ACCOUNT_ID,
    SUBJECT_TOKEN_TYPE,
    Oidc,
    SubjectToken,
)
from secretsync_octopus_deploy.sandbox.process import Sandbox

ClientFactory = Callable[[str | None], httpx.AsyncClient]

DISCOVERY = "/.well-known/openid-configuration"
SET = "/api/Spaces-1/projects/Projects-1/variables"
REQUEST = {
    "grant_type": GRANT_TYPE,
    "audience": SERVICE_ACCOUNT_ID,
    "subject_token_type": SUBJECT_TOKEN_TYPE,
    "subject_token": "a.b.c",
}


async def accept(client: httpx.AsyncClient, subject: str = "a.b.c", **fields: int) -> None:
    body = {"token": subject, **fields}
    assert (await client.post("/sandbox/oidc/subject-tokens", json=body)).status_code == 204


async def configure(client: httpx.AsyncClient, **settings: object) -> None:
    assert (await client.put("/sandbox/oidc", json=settings)).status_code == 200


async def access_token(anonymous: httpx.AsyncClient) -> str:
    answer = await anonymous.post("/token/v1", json=REQUEST)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


async def account(client: httpx.AsyncClient, client_for: ClientFactory) -> httpx.AsyncClient:
    """A client with an access token."""
    await accept(client)
    user = client_for(None)
    user.headers["Authorization"] = f"Bearer {await access_token(user)}"
    return user


async def test_discovery_leads_to_the_exchange(
    client: httpx.AsyncClient, client_for: ClientFactory
) -> None:
    await accept(client, expires_in=90)
    anonymous = client_for(None)
    found = (await anonymous.get(DISCOVERY)).json()
    assert found == {"issuer": "http://sandbox", "token_endpoint": "http://sandbox/token/v1"}
    answer = await anonymous.post(found["token_endpoint"], json=REQUEST)
    assert answer.status_code == 200
    body = answer.json()
    assert len(body.pop("access_token")) > 32
    assert body == {
        "issued_token_type": ISSUED_TOKEN_TYPE,
        "token_type": "Bearer",
        "expires_in": 90,
    }


async def test_the_exchange_takes_forms_too(
    client: httpx.AsyncClient, client_for: ClientFactory
) -> None:
    await accept(client, "a=b&c")
    form = {**REQUEST, "subject_token": "a=b&c"}
    answer = await client_for(None).post("/token/v1", data=form)
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("change", "description"),
    [
        ({"grant_type": "client_credentials"}, f"grant_type must be {GRANT_TYPE}."),
        ({"subject_token_type": "jwt"}, f"subject_token_type must be {SUBJECT_TOKEN_TYPE}."),
        ({"audience": "Users-1"}, "The audience is not the id of a service account."),
        ({"subject_token": "x"}, "The subject token is not valid for this service account."),
        ({"subject_token": None}, "The subject token is not valid for this service account."),
    ],
)
async def test_a_wrong_request_is_refused(
    client: httpx.AsyncClient,
    client_for: ClientFactory,
    change: dict[str, object],
    description: str,
) -> None:
    await accept(client)
    anonymous = client_for(None)
    answer = await anonymous.post("/token/v1", json={**REQUEST, **change})
    assert answer.status_code == 400
    assert answer.json() == {"error": "invalid_request", "error_description": description}
    # As servers answered before they followed RFC 6749.
    await configure(client, octopus_errors=True)
    answer = await anonymous.post("/token/v1", json={**REQUEST, **change})
    assert answer.status_code == 400
    assert answer.json() == {
        "ErrorMessage": description,
        "Errors": [description],
        "ParsedHelpLinks": [],
    }


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/x-www-form-urlencoded", b"\xff"),
        ("text/plain", b"{}"),
    ],
)
async def test_a_body_of_another_kind_is_refused(
    client_for: ClientFactory, kind: str, content: bytes
) -> None:
    headers = {"Content-Type": kind}
    answer = await client_for(None).post("/token/v1", content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error_description"] == "The request body could not be read."


async def test_an_access_token_opens_what_a_key_opens(
    client: httpx.AsyncClient, client_for: ClientFactory
) -> None:
    user = await account(client, client_for)
    assert (await user.get("/api/users/me")).json()["IsService"] is True
    found = (await user.get(SET)).json()
    assert (await user.put(SET, json=found)).status_code == 200
    permissions = (await user.get("/api/Spaces-1/users/Users-1/permissions")).json()
    assert "VariableEdit" in permissions["SpacePermissions"]
    # What the sandbox tells about itself needs the key.
    assert (await user.get("/sandbox/requests")).status_code == 401


async def test_tokens_expire(client: httpx.AsyncClient, client_for: ClientFactory) -> None:
    user = await account(client, client_for)
    assert (await user.get("/api/users/me")).status_code == 200
    assert (await client.delete("/sandbox/oidc/access-tokens")).status_code == 204
    answer = await user.get("/api/users/me")
    assert (answer.status_code, answer.json()["ErrorMessage"]) == (401, errors.NO_CREDENTIALS)
    # The subject token is still good for another one.
    new = await access_token(user)
    assert f"Bearer {new}" != user.headers["Authorization"]
    user.headers["Authorization"] = f"bearer {new}"
    assert (await user.get("/api/users/me")).status_code == 200
    assert (await client.delete("/sandbox/oidc/subject-tokens")).status_code == 204
    assert (await user.post("/token/v1", json=REQUEST)).status_code == 400
    assert (await user.get("/api/users/me")).status_code == 200


def test_a_token_is_valid_until_its_time_is_up() -> None:
    now = 1000.0
    oidc = Oidc(clock=lambda: now)
    oidc.accept(SubjectToken(token="subject", expires_in=60))
    issued = oidc.exchange("subject")
    assert issued is not None
    token, expires_in = issued
    assert expires_in == 60
    now = 1059.9
    assert oidc.accepts(token)
    now = 1060.0
    assert not oidc.accepts(token)


@pytest.mark.parametrize("token", ["unknown", "", "É"])
async def test_unknown_tokens_are_refused(client_for: ClientFactory, token: str) -> None:
    headers = {b"Authorization": f"Bearer {token}".encode()}
    answer = await client_for(None).get("/api/users/me", headers=headers)
    assert (answer.status_code, answer.json()["ErrorMessage"]) == (401, errors.NO_CREDENTIALS)


async def test_a_key_counts_before_a_token(
    client: httpx.AsyncClient, client_for: ClientFactory
) -> None:
    user = await account(client, client_for)
    # Octopus's own clients send an empty key when they have none.
    empty = await user.get("/api/users/me", headers={"X-Octopus-ApiKey": ""})
    wrong = await user.get("/api/users/me", headers={"X-Octopus-ApiKey": "API-WRONG"})
    assert (empty.status_code, wrong.status_code) == (200, 401)
    assert wrong.json()["ErrorMessage"] == errors.BAD_KEY


async def test_a_server_without_openid_connect(
    client: httpx.AsyncClient, client_for: ClientFactory
) -> None:
    user = await account(client, client_for)
    await configure(client, enabled=False)
    assert (await user.get(DISCOVERY)).status_code == 404
    assert (await user.post("/token/v1", json=REQUEST)).status_code == 404
    assert (await user.get("/api/users/me")).status_code == 401
    await configure(client)
    assert (await user.get("/api/users/me")).status_code == 200


async def test_only_discovery_tells_where_the_endpoint_is(
    client: httpx.AsyncClient, client_for: ClientFactory
) -> None:
    await accept(client)
    await configure(client, endpoint_path="/token/v2", expires_in_as_text=True)
    anonymous = client_for(None)
    endpoint = (await anonymous.get(DISCOVERY)).json()["token_endpoint"]
    assert endpoint == "http://sandbox/token/v2"
    assert (await anonymous.post(endpoint, json=REQUEST)).json()["expires_in"] == "3600"
    assert (await anonymous.post("/token/v1", json=REQUEST)).status_code == 404


async def test_tokens_are_not_logged(client: httpx.AsyncClient, client_for: ClientFactory) -> None:
    await accept(client)
    user = client_for(None)
    token = await access_token(user)
    await user.get("/api/users/me", headers={"Authorization": f"Bearer {token}"})
    log = (await client.get("/sandbox/requests")).text
    assert '"/token/v1"' in log
    assert token not in log
    assert "a.b.c" not in log
    assert "hunter2" not in repr(SubjectToken(token="hunter2"))


def test_the_helper_controls_tokens(sandbox: Sandbox) -> None:
    sandbox.accept_subject_token("s.t.u", expires_in=5)
    request = {**REQUEST, "audience": sandbox.service_account_id, "subject_token": "s.t.u"}
    with httpx.Client(base_url=sandbox.base_url, trust_env=False) as user:
        found = user.get(DISCOVERY).json()
        assert found["token_endpoint"] == f"{sandbox.base_url}/token/v1"
        issued = user.post(found["token_endpoint"], json=request).json()
        assert issued["expires_in"] == 5
        user.headers["Authorization"] = f"Bearer {issued['access_token']}"
        assert user.get("/api/users/me").status_code == 200
        sandbox.expire_tokens()
        assert user.get("/api/users/me").status_code == 401
        sandbox.forget_subject_tokens()
        assert user.post("/token/v1", json=request).status_code == 400
        sandbox.configure_oidc(enabled=False)
        assert user.get(DISCOVERY).status_code == 404
        sandbox.configure_oidc()
        assert user.get(DISCOVERY).status_code == 200
