"""What is proved of a connection and a configuration, without changing anything."""

# Builders pass on fields of any type.
# ruff: noqa: ANN401

import json
from collections.abc import Callable
from typing import Any

import pytest
from octopus_kit import DEV, LIBRARY, LIBRARY_SET_ID, SET_ID, Engine, config_of

from secretsync.adapter import (
    AdapterError,
    AuthenticationFailed,
    InvalidConfig,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from secretsync_octopus_deploy.client import NOT_SHOWN
from secretsync_octopus_deploy.permissions import missing_permissions
from secretsync_octopus_deploy.sandbox.process import Sandbox

EngineFactory = Callable[..., Engine]


def given(path: str, body: object) -> dict[str, Any]:
    """Return the fault that answers `body` in place of the server."""
    return {
        "kind": "status",
        "status": 200,
        "body": "given",
        "text": json.dumps(body),
        "path": path,
    }


async def test_a_connection_is_proved_with_two_requests(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    result = await engine().validate()

    assert result.summary == "Octopus Deploy 2023.1.9626 as svc"
    assert result.warnings == ()
    assert [one.path for one in sandbox.requests()] == ["/api", "/api/users/me"]


async def test_a_configuration_is_proved_and_nothing_changed(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    before = sandbox.inspect(SET_ID)

    result = await engine().validate(config_of(DEV))

    assert result.summary == "Octopus Deploy 2023.1.9626 as svc, project Billing API"
    assert result.warnings == ()
    assert {one.method for one in sandbox.requests()} == {"GET"}
    assert sandbox.inspect(SET_ID) == before


async def test_a_wrong_key(engine: EngineFactory) -> None:
    with pytest.raises(AuthenticationFailed, match="API key you provided was not valid"):
        await engine(key="API-WRONG").validate()


async def test_an_expired_key(sandbox: Sandbox, engine: EngineFactory) -> None:
    with pytest.raises(AuthenticationFailed):
        await engine(key=sandbox.expired_api_key).validate()


async def test_a_read_only_key_passes_for_a_connection_and_not_for_a_sync(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine(key=sandbox.read_only_api_key)

    assert (await mine.validate()).warnings == ()
    with pytest.raises(PermissionDenied, match="VariableEdit for Environments-1"):
        await mine.validate(config_of(DEV))
    with pytest.raises(PermissionDenied, match="VariableEditUnscoped"):
        await mine.validate(config_of())


async def test_the_instance_is_what_the_server_says_it_is(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    port = sandbox.base_url.rpartition(":")[2]
    spelled = [sandbox.base_url, f"http://localhost:{port}", f"http://127.0.0.1:{port}/api/"]

    found = {(await engine(url=url).validate()).instance for url in spelled}
    found.add((await engine().validate(config_of(DEV))).instance)

    (only,) = found
    assert only.startswith("octopus/")
    assert len(only) > len("octopus/")


@pytest.mark.parametrize("told", [None, "", " ", 7, "x" * 101, "a/b", "a\n", "{key}"])
async def test_a_server_that_does_not_say_what_it_is_is_known_by_its_address(
    sandbox: Sandbox, engine: EngineFactory, told: object
) -> None:
    told = sandbox.api_key if told == "{key}" else told
    root = {"Application": "Octopus Deploy", "Version": "1", "InstallationId": told}
    sandbox.fault(**given("/api$", root))

    assert (await engine().validate()).instance == sandbox.base_url


@pytest.mark.parametrize(
    ("username", "shown"),
    [("svc {key}", NOT_SHOWN), ("a\ud800\x1b[2Jb", "a\ufffd\ufffd[2Jb"), ("x" * 300, "x" * 200)],
)
async def test_names_are_shown_without_key_and_control_characters(
    sandbox: Sandbox, engine: EngineFactory, username: str, shown: str
) -> None:
    name = username.replace("{key}", sandbox.api_key)
    sandbox.fault(**given("users/me", {"Id": "Users-1", "Username": name, "IsActive": True}))

    summary = (await engine().validate()).summary

    assert summary.endswith(f" as {shown}")
    assert summary.encode()


async def test_a_disabled_user(sandbox: Sandbox, engine: EngineFactory) -> None:
    user = {"Id": "Users-1", "Username": "svc", "IsActive": False}
    sandbox.fault(**given("users/me", user))

    with pytest.raises(AuthenticationFailed, match=r"svc.*is disabled"):
        await engine().validate()


async def test_a_user_that_is_not_told(sandbox: Sandbox, engine: EngineFactory) -> None:
    sandbox.fault(**given("users/me", []))

    with pytest.raises(Unavailable, match="did not tell who"):
        await engine().validate()


@pytest.mark.parametrize(
    "fault",
    [
        given("/api$", {"name": "another product"}),
        given("/api$", {"Application": "Other", "Version": "1"}),
        given("/api$", "text"),
        {"kind": "status", "status": 200, "body": "html"},
        {"kind": "empty_body"},
        {"kind": "status", "status": 404, "body": "html"},
    ],
    ids=str,
)
async def test_something_else_than_octopus(
    sandbox: Sandbox, engine: EngineFactory, fault: dict[str, Any]
) -> None:
    sandbox.fault(**fault)

    with pytest.raises(InvalidConfig) as caught:
        await engine().validate()

    assert "must be the address of an Octopus" in caught.value.violations["instanceUrl"]


@pytest.mark.parametrize(
    ("config", "field"),
    [({"spaceId": "Spaces-99"}, "spaceId"), ({"projectId": "Projects-99"}, "projectId")],
)
async def test_what_does_not_exist_is_named(
    engine: EngineFactory, config: dict[str, str], field: str
) -> None:
    with pytest.raises(NotFound) as caught:
        await engine().validate(config_of(None, **config))

    assert caught.value.field == field


async def test_a_hidden_space_is_named(sandbox: Sandbox, engine: EngineFactory) -> None:
    sandbox.fault("status", status=404, path="projects/Projects-2$")
    sandbox.fault("status", status=404, path="spaces/Spaces-1$")

    with pytest.raises(NotFound) as caught:
        await engine().validate(config_of())

    assert caught.value.field == "spaceId"


async def test_unknown_scope_ids(engine: EngineFactory) -> None:
    scope = {"environments": ["Environments-99"], "channels": ["Channels-99"]}

    with pytest.raises(InvalidConfig) as caught:
        await engine().validate(config_of(scope))

    assert set(caught.value.violations) == {"scopeValues.environments", "scopeValues.channels"}


async def test_a_project_in_git_works_with_a_warning(engine: EngineFactory) -> None:
    result = await engine().validate(config_of(projectId="Projects-3"))

    (warning,) = result.warnings
    assert "keeps its variables in Git" in warning
    assert "warns of variables of the same name and scope in Git" in warning


async def test_a_library_variable_set_is_proved_and_nothing_changed(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    before = sandbox.inspect(LIBRARY_SET_ID)

    result = await engine().validate(config_of(DEV, **LIBRARY))

    summary = "Octopus Deploy 2023.1.9626 as svc, library variable set Notifications"
    assert result.summary == summary
    assert result.warnings == ()
    assert [one.path for one in sandbox.requests()] == [
        "/api",
        "/api/users/me",
        "/api/Spaces-1/libraryvariablesets/LibraryVariableSets-2",
        f"/api/Spaces-1/variables/{LIBRARY_SET_ID}",
        "/api/users/Users-1/permissions",
    ]
    assert sandbox.inspect(LIBRARY_SET_ID) == before


@pytest.mark.parametrize("told", ["variableset-LibraryVariableSets-7", None])
async def test_a_library_set_whose_variables_are_elsewhere_is_refused(
    sandbox: Sandbox, engine: EngineFactory, told: str | None
) -> None:
    found = {"Id": "LibraryVariableSets-2", "ContentType": "Variables", "VariableSetId": told}
    sandbox.fault(**given("LibraryVariableSets-2$", found))

    with pytest.raises(InvalidConfig) as caught:
        await engine().validate(config_of(**LIBRARY))

    (said,) = caught.value.violations.values()
    assert set(caught.value.violations) == {"libraryVariableSetId"}
    assert f"has its variables elsewhere than in {LIBRARY_SET_ID}" in said


async def test_a_script_module_is_no_place_for_variables(engine: EngineFactory) -> None:
    module = {**LIBRARY, "libraryVariableSetId": "LibraryVariableSets-3"}

    with pytest.raises(InvalidConfig) as caught:
        await engine().validate(config_of(**module))

    assert "is a script module" in caught.value.violations["libraryVariableSetId"]


async def test_a_read_only_key_is_refused_for_a_library_set(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine(key=sandbox.read_only_api_key)

    with pytest.raises(PermissionDenied, match="LibraryVariableSetEdit") as caught:
        await mine.validate(config_of(**LIBRARY))

    assert "in Spaces-1 for LibraryVariableSets-2" in caught.value.message


async def test_a_project_that_is_no_object(sandbox: Sandbox, engine: EngineFactory) -> None:
    sandbox.fault(**given("projects/Projects-2$", []))

    with pytest.raises(Unavailable, match="it is no object"):
        await engine().validate(config_of())


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "status", "status": 404}, "404"),
        ({"kind": "status", "status": 403}, "403"),
        (given("", {"SpacePermissions": {}, "IsPermissionsComplete": False}), "incomplete"),
        (given("", {"Permissions": {}}), "incomplete"),
    ],
    ids=str,
)
async def test_permissions_that_are_not_told_are_a_warning(
    sandbox: Sandbox, engine: EngineFactory, fault: dict[str, Any], said: str
) -> None:
    sandbox.fault(**{**fault, "path": "/permissions$"})

    (warning,) = (await engine().validate(config_of())).warnings

    assert "could not be checked that the connection's user may edit variables" in warning
    assert said in warning


async def test_other_trouble_with_permissions_is_trouble(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    sandbox.fault("status", status=503, path="/permissions$")

    with pytest.raises(AdapterError):
        await engine().validate(config_of())


EVERYWHERE: dict[str, Any] = {"SpaceId": "Spaces-1"}


def granted(**grants: list[dict[str, Any]]) -> dict[str, Any]:
    return {"SpacePermissions": grants, "SystemPermissions": [], "IsPermissionsComplete": True}


@pytest.mark.parametrize(
    "place",
    [
        EVERYWHERE,
        {},
        {"SpaceId": "Spaces-1", "RestrictedToProjectIds": [], "RestrictedToEnvironmentIds": []},
        {"RestrictedToProjectIds": ["Projects-1", "Projects-2"]},
        {"RestrictedToEnvironmentIds": ["Environments-1"]},
        {
            "RestrictedToProjectIds": ["projects-all"],
            "RestrictedToEnvironmentIds": ["environments-all"],
        },
    ],
)
def test_places_that_reach_the_sync(place: dict[str, Any]) -> None:
    found = granted(VariableView=[{"SpaceId": "Spaces-2"}, place], VariableEdit=[place])

    assert missing_permissions(found, config_of(DEV)) == []


@pytest.mark.parametrize(
    "place",
    [
        {"SpaceId": "Spaces-2"},
        {"RestrictedToProjectIds": ["Projects-1"]},
        {"RestrictedToEnvironmentIds": ["Environments-2"]},
        "odd",
    ],
)
def test_places_that_do_not_reach_the_sync(place: Any) -> None:
    found = granted(VariableView=[EVERYWHERE], VariableEdit=[place])

    assert missing_permissions(found, config_of(DEV)) == ["VariableEdit for Environments-1"]


def test_grants_for_several_environments_add_up() -> None:
    scope = {"environments": ["Environments-1", "Environments-2", "Environments-3"]}
    places = [
        {"RestrictedToEnvironmentIds": ["Environments-1"]},
        {"RestrictedToEnvironmentIds": ["Environments-3"]},
    ]

    found = missing_permissions(
        granted(VariableView=[EVERYWHERE], VariableEdit=places), config_of(scope)
    )

    assert found == ["VariableEdit for Environments-2"]


def test_variables_without_environment_need_permissions_of_their_own() -> None:
    scoped = granted(VariableView=[EVERYWHERE], VariableEdit=[EVERYWHERE])
    unscoped = granted(VariableViewUnscoped=[EVERYWHERE], VariableEditUnscoped=[EVERYWHERE])

    assert missing_permissions(scoped, config_of()) == [
        "VariableViewUnscoped",
        "VariableEditUnscoped",
    ]
    assert missing_permissions(unscoped, config_of({"roles": ["web-server"]})) == []


def test_library_sets_have_permissions_of_their_own() -> None:
    of_projects = granted(VariableViewUnscoped=[EVERYWHERE], VariableEditUnscoped=[EVERYWHERE])
    # Library sets belong to no project, so that a restriction to projects cannot concern them.
    places = [{"RestrictedToProjectIds": ["Projects-1"], "RestrictedToEnvironmentIds": []}]
    enough = granted(LibraryVariableSetView=places, LibraryVariableSetEdit=places)
    elsewhere = granted(
        LibraryVariableSetView=[EVERYWHERE],
        LibraryVariableSetEdit=[{"RestrictedToEnvironmentIds": ["Environments-2"]}],
    )

    assert missing_permissions(of_projects, config_of(**LIBRARY)) == [
        "LibraryVariableSetView",
        "LibraryVariableSetEdit",
    ]
    assert missing_permissions(enough, config_of(**LIBRARY)) == []
    assert missing_permissions(elsewhere, config_of(DEV, **LIBRARY)) == [
        "LibraryVariableSetEdit for Environments-1"
    ]


def test_an_administrator_may_everything() -> None:
    found = {"SpacePermissions": {}, "SystemPermissions": ["AdministerSystem"]}

    assert missing_permissions(found, config_of(DEV)) == []


@pytest.mark.parametrize("found", [None, [], {}, {"SpacePermissions": []}])
def test_unknown_shapes_tell_nothing(found: object) -> None:
    assert missing_permissions(found, config_of(DEV)) is None
