"""Who may call: keys, anonymous routes and missing permissions."""

from collections.abc import Callable

import httpx
import pytest

from secretsync_octopus_deploy.sandbox.keys import ApiKeys

ClientFactory = Callable[[str | None], httpx.AsyncClient]

FULL = "API-FULL1"
SET = "/api/Spaces-1/projects/Projects-1/variables"


def error(answer: httpx.Response) -> tuple[int, str]:
    """The status and message; every error has a list of errors and of help links."""
    body = answer.json()
    assert isinstance(body["Errors"], list)
    assert body["ParsedHelpLinks"] == []
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    return answer.status_code, body["ErrorMessage"]


@pytest.mark.parametrize(
    "path", ["/api/users/me", "/api/spaces", SET, "/api/nothing", "/sandbox/x"]
)
async def test_no_key_is_refused_everywhere_but_at_the_root(
    client_for: ClientFactory, path: str
) -> None:
    status, message = error(await client_for(None).get(path))
    assert status == 401
    assert message == (
        "You must be logged in to perform this action. "
        "Please provide a valid API key or log in again."
    )


@pytest.mark.parametrize("key", ["API-EXPIRED1", "API-UNKNOWN", "nonsense", FULL.lower(), "API-É"])
async def test_wrong_and_expired_keys_are_refused(client_for: ClientFactory, key: str) -> None:
    headers = {b"X-Octopus-ApiKey": key.encode()}
    answer = await client_for(None).get("/api/users/me", headers=headers)
    status, message = error(answer)
    assert status == 401
    assert message.startswith(
        "The API key you provided was not valid. Please double-check your API key and try again."
    )
    assert key not in answer.text


async def test_a_bearer_token_is_no_api_key(client_for: ClientFactory) -> None:
    headers = {"Authorization": f"Bearer {FULL}"}
    answer = await client_for(None).get("/api/users/me", headers=headers)
    assert error(answer)[1].startswith("You must be logged in")


@pytest.mark.parametrize("key", ["full", "read-only"])
async def test_both_keys_may_read(client_for: ClientFactory, key: str) -> None:
    client = client_for(key)
    assert (await client.get("/api/users/me")).status_code == 200
    assert (await client.get(SET)).json()["Version"] == 1


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        (SET, "VariableEdit"),
        ("/api/Spaces-1/variables/variableset-Projects-1", "VariableEdit"),
        ("/api/Spaces-1/variables/variableset-LibraryVariableSets-1", "LibraryVariableSetEdit"),
    ],
)
async def test_the_read_only_key_may_not_put(
    client_for: ClientFactory, path: str, permission: str
) -> None:
    client = client_for("read-only")
    before = (await client.get(path)).json()
    # Refused before the body is looked at: neither a good nor a broken one matters.
    for content in (b'{"Version":1,"Variables":[]}', b"no json"):
        status, message = error(await client.put(path, content=content))
        assert status == 403
        assert message == (
            "You do not have permission to perform this action. "
            f"Please contact your Octopus administrator. Missing permission: {permission}"
        )
    assert (await client.get(path)).json() == before


@pytest.mark.parametrize("key", ["read-only", "expired"])
async def test_inspection_needs_full_access(client_for: ClientFactory, key: str) -> None:
    answer = await client_for(key).get("/sandbox/variablesets/variableset-Projects-1")
    assert answer.status_code == 401
    assert "password" not in answer.text


async def test_permissions_tell_the_keys_apart(client_for: ClientFactory) -> None:
    granted = {}
    for key in ("full", "read-only"):
        body = (await client_for(key).get("/api/Spaces-1/users/Users-1/permissions")).json()
        assert body["IsPermissionsComplete"] is True
        assert body["IsTeamsComplete"] is True
        granted[key] = body["SpacePermissions"]
    unrestricted = {
        "RestrictedToProjectIds": [],
        "RestrictedToEnvironmentIds": [],
        "RestrictedToTenantIds": [],
        "RestrictedToProjectGroupIds": [],
        "SpaceId": "Spaces-1",
    }
    assert granted["full"]["VariableEdit"] == [unrestricted]
    assert granted["read-only"]["VariableView"] == [unrestricted]
    assert granted["full"].keys() - granted["read-only"].keys() == {
        "VariableEdit",
        "VariableEditUnscoped",
        "LibraryVariableSetEdit",
    }


async def test_permissions_of_all_spaces(client: httpx.AsyncClient) -> None:
    body = (await client.get("/api/users/Users-1/permissions")).json()
    spaces = [one["SpaceId"] for one in body["SpacePermissions"]["VariableEdit"]]
    assert spaces == ["Spaces-1", "Spaces-2"]


@pytest.mark.parametrize("keys", [("no-key",), (FULL, "API-lower"), (FULL, None, "API-")])
def test_keys_must_look_like_keys(keys: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="API-` followed by capital letters") as refused:
        ApiKeys(*keys)
    assert FULL not in str(refused.value)


def test_keys_must_differ() -> None:
    with pytest.raises(ValueError, match="must differ"):
        ApiKeys(FULL, FULL)


def test_keys_do_not_show() -> None:
    assert FULL not in repr(ApiKeys(FULL))
