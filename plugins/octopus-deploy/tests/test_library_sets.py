"""Syncs into library variable sets, and what is scoped to tenant tags, against a real server."""

from collections.abc import Callable

import pytest
from octopus_kit import DEV, LIBRARY, LIBRARY_SET_ID, SET_ID, Engine, actions, config_of, row

from secretsync.adapter import InvalidConfig, NotFound, PermissionDenied
from secretsync_octopus_deploy import hidden
from secretsync_octopus_deploy.sandbox.process import Sandbox

EngineFactory = Callable[..., Engine]

PATH = f"/api/Spaces-1/variables/{LIBRARY_SET_ID}"
TAGS = {"tenantTags": ["Region/EU", "Region/US"]}
TAG_SCOPE = {"TenantTag": ["Region/EU", "Region/US"]}


def requests(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Return the requests since the last look."""
    found = [(request.method, request.path) for request in sandbox.requests()]
    sandbox.clear_requests()
    return found


async def test_a_library_set_is_written_like_a_project(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    theirs = [
        row("Smtp.Host", Type="String", Value="mail.example.com"),
        row("Smtp.Password", Value="theirs", Scope={"TenantTag": ["Region/EU"]}),
    ]
    sandbox.put_variables(LIBRARY_SET_ID, theirs)
    foreign = sandbox.inspect(LIBRARY_SET_ID)["Variables"]
    mine = engine(DEV, **LIBRARY)
    requests(sandbox)

    first = await mine.sync({"Smtp.Password": "mine", "EMPTY": ""})

    assert requests(sandbox) == [("GET", PATH), ("PUT", PATH), ("GET", PATH)]
    rows = sandbox.inspect(LIBRARY_SET_ID)["Variables"]
    assert rows[:2] == foreign
    assert [(one["Name"], one["Value"], one["Scope"]) for one in rows[2:]] == [
        ("Smtp.Password", "mine", {"Environment": ["Environments-1"]}),
        ("EMPTY", "", {"Environment": ["Environments-1"]}),
    ]
    assert actions(first) == {"Smtp.Password": "created", "EMPTY": "created"}
    assert first.warnings == ()

    again = await mine.sync({"Smtp.Password": "mine", "EMPTY": ""})

    assert requests(sandbox) == [("GET", PATH)]
    assert set(actions(again).values()) == {"unchanged"}

    gone = await mine.remove()

    assert requests(sandbox) == [("GET", PATH), ("PUT", PATH), ("GET", PATH)]
    assert set(actions(gone).values()) == {"deleted"}
    assert sandbox.inspect(LIBRARY_SET_ID)["Variables"] == foreign


async def test_a_project_and_a_library_set_do_not_touch_each_other(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    project, library = engine(), engine(**LIBRARY)
    await project.sync({"A": "of the project"})
    await library.sync({"A": "of the library"})

    await project.remove()

    assert sandbox.inspect(SET_ID)["Variables"] == []
    (left,) = sandbox.inspect(LIBRARY_SET_ID)["Variables"]
    assert left["Value"] == "of the library"


@pytest.mark.parametrize(("place", "set_id"), [({}, SET_ID), (LIBRARY, LIBRARY_SET_ID)])
async def test_tenant_tags_are_part_of_a_variables_identity(
    sandbox: Sandbox, engine: EngineFactory, place: dict[str, str], set_id: str
) -> None:
    sandbox.refuse_unknown_scope_ids()
    narrower = row("A", Value="theirs", Scope={"TenantTag": ["Region/EU"]})
    same = row("A", Value="stale", Scope={"TenantTag": ["Region/US", "Region/EU"]})
    sandbox.put_variables(set_id, [narrower, same])

    result = await engine(TAGS, **place).sync({"A": "mine"})

    assert actions(result) == {"A": "updated"}
    rows = sandbox.inspect(set_id)["Variables"]
    assert [(one["Value"], sorted(one["Scope"]["TenantTag"])) for one in rows] == [
        ("theirs", ["Region/EU"]),
        ("mine", TAG_SCOPE["TenantTag"]),
    ]
    assert rows[1]["Id"] == same["Id"]


@pytest.mark.parametrize("place", [{}, LIBRARY])
async def test_tenant_tags_that_octopus_does_not_have_are_refused(
    sandbox: Sandbox, engine: EngineFactory, place: dict[str, str]
) -> None:
    mine = engine({"tenantTags": ["Region/EU", "Region/Mars", "EU"]}, **place)

    for attempt in (mine.sync({"A": "value-a"}), mine.validate(mine.config)):
        with pytest.raises(InvalidConfig) as caught:
            await attempt
        (said,) = caught.value.violations.values()
        assert set(caught.value.violations) == {"scopeValues.tenantTags"}
        assert "no Region/Mars, EU for this" in said
        assert "Choose from: Region/EU, Region/US" in said

    assert "PUT" not in {one.method for one in sandbox.requests()}


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"spaceId": "Spaces-99"}, "spaceId"),
        ({"libraryVariableSetId": "LibraryVariableSets-99"}, "libraryVariableSetId"),
    ],
)
async def test_what_does_not_exist_is_named(
    engine: EngineFactory, config: dict[str, str], field: str
) -> None:
    mine = engine(**{**LIBRARY, **config})

    for attempt in (mine.sync({"A": "value-a"}), mine.remove(), mine.validate(mine.config)):
        with pytest.raises(NotFound) as caught:
            await attempt
        assert caught.value.field == field
        assert config[field] in caught.value.message


async def test_a_key_without_permission_is_told_those_of_library_sets(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    with pytest.raises(PermissionDenied) as caught:
        await engine(key=sandbox.read_only_api_key, **LIBRARY).sync({"A": "value-a"})

    assert "LibraryVariableSetEdit" in caught.value.message
    wanted = (
        "Give the connection's user LibraryVariableSetView and LibraryVariableSetEdit in Spaces-1."
    )
    assert caught.value.hint == wanted
    assert sandbox.inspect(LIBRARY_SET_ID)["Variables"] == []


def test_the_permission_to_see_what_was_written_is_that_of_the_place() -> None:
    hints = {
        "LibraryVariableSetView": config_of(DEV, **LIBRARY),
        "VariableView": config_of(DEV),
        "VariableViewUnscoped": config_of(TAGS),
    }

    for permission, config in hints.items():
        error = hidden.hidden_error(["A"], config)
        assert error.hint == f"Grant {permission} for the sync's scope."
