"""Option lists: what is offered, page by page."""

# Builders pass on fields of any type.
# ruff: noqa: ANN401

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from octopus_kit import LIBRARY, Engine, config_of

from secretsync.adapter import DiscoverRequest, DiscoverResult, InvalidConfig, NotFound, Unavailable
from secretsync_octopus_deploy import plugin
from secretsync_octopus_deploy.discovery import OPTION_LISTS
from secretsync_octopus_deploy.sandbox.process import Sandbox

EngineFactory = Callable[..., Engine]
Lister = Callable[..., Any]

SHOP = {"spaceId": "Spaces-1", "projectId": "Projects-1"}
SHARED = {"spaceId": "Spaces-1", "libraryVariableSetId": "LibraryVariableSets-1"}


@pytest.fixture
def listed(engine: EngineFactory) -> Lister:
    mine = engine()

    async def options(name: str, **fields: Any) -> DiscoverResult:
        return await plugin.discover(DiscoverRequest(option_list=name, **fields, **mine.carried()))

    return options


def pairs(result: DiscoverResult) -> list[tuple[str, str]]:
    return [(option.id, option.name) for option in result.options]


async def test_spaces_and_projects(listed: Lister) -> None:
    assert pairs(await listed("spaces")) == [("Spaces-1", "Default"), ("Spaces-2", "Platform")]
    projects = pairs(await listed("projects", parameters={"spaceId": "Spaces-2"}))
    assert [project_id for project_id, _ in projects] == ["Projects-4"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("environments", {"Environments-1", "Environments-2", "Environments-3"}),
        ("roles", {"web-server", "database"}),
        ("machines", {"Machines-1", "Machines-2", "Machines-3"}),
        ("channels", {"Channels-1", "Channels-2"}),
        ("processes", {"Projects-1", "Runbooks-1", "Runbooks-2"}),
        ("tenantTags", {"Region/EU", "Region/US"}),
        ("libraryEnvironments", {"Environments-1", "Environments-2", "Environments-3"}),
        ("libraryRoles", {"web-server", "database"}),
        ("libraryMachines", {"Machines-1", "Machines-2", "Machines-3"}),
        ("libraryTenantTags", {"Region/EU", "Region/US"}),
    ],
)
async def test_scope_values(listed: Lister, name: str, expected: set[str]) -> None:
    result = await listed(name, parameters=SHARED if name.startswith("library") else SHOP)

    assert expected <= {option.id for option in result.options}
    names = [option.name.casefold() for option in result.options]
    assert names == sorted(names)


async def test_library_variable_sets_are_those_that_hold_variables(listed: Lister) -> None:
    found = pairs(await listed("libraryVariableSets", parameters={"spaceId": "Spaces-1"}))

    names = [name for _, name in found]
    assert names[:2] == ["Notifications", "Shared Settings"]
    # A script module.
    assert "Deploy Helpers" not in names


@pytest.mark.parametrize("place", [SHOP, SHARED])
async def test_everything_that_is_offered_is_accepted_by_a_sync(
    listed: Lister, engine: EngineFactory, sandbox: Sandbox, place: dict[str, str]
) -> None:
    scope = {}
    lists = [one for one in OPTION_LISTS if set(one.parameters) == set(place)]
    for option_list in lists:
        options = (await listed(option_list.name, parameters=place)).options
        assert options
        name = option_list.name.removeprefix("library")
        scope[name[0].lower() + name[1:]] = [option.id for option in options]
    config = config_of(scope, **{**({} if place is SHOP else LIBRARY), **place})

    result = await engine().validate(config)

    assert len(scope) == (7 if place is SHOP else 4)
    assert result.warnings == ()
    assert sandbox.requests()


async def test_pages_in_one_order_without_gap_or_repetition(
    listed: Lister, sandbox: Sandbox
) -> None:
    sandbox.add_projects(7, prefix="page")
    space = {"spaceId": "Spaces-1"}
    whole = pairs(await listed("projects", parameters=space, page_size=1000))

    found, token, pages = [], "", 0
    while True:
        page = await listed("projects", parameters=space, page_size=4, page_token=token)
        found.extend(pairs(page))
        pages += 1
        token = page.next_page_token
        if not token:
            break
        assert len(page.options) == 4

    assert found == whole
    assert pages == -(-len(whole) // 4)
    assert [name.casefold() for _, name in found] == sorted(name.casefold() for _, name in found)


async def test_what_appears_in_between_shifts_no_page(listed: Lister, sandbox: Sandbox) -> None:
    space = {"spaceId": "Spaces-1"}
    first = await listed("projects", parameters=space, page_size=1)
    sandbox.add_projects(1, prefix="AAA before the first")

    second = await listed(
        "projects", parameters=space, page_size=1000, page_token=first.next_page_token
    )

    assert pairs(first)[0] not in pairs(second)
    assert all("AAA" not in name for _, name in pairs(second))


@pytest.mark.parametrize(
    "token",
    ["nonsense", "ä", base64.urlsafe_b64encode(b'["spaces","a","b"]').decode(), "W10=", "NQ=="],
)
async def test_foreign_page_tokens_are_refused(listed: Lister, token: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        await listed("projects", parameters={"spaceId": "Spaces-1"}, page_token=token)

    assert set(caught.value.violations) == {"pageToken"}


async def test_missing_parameters_are_all_named(listed: Lister) -> None:
    with pytest.raises(InvalidConfig) as caught:
        await listed("environments")

    assert set(caught.value.violations) == {"spaceId", "projectId"}
    assert 'must be an id such as "Spaces-1"' in caught.value.violations["spaceId"]

    with pytest.raises(InvalidConfig) as caught:
        await listed("libraryRoles", parameters={"spaceId": "Spaces-1"})
    with pytest.raises(InvalidConfig) as other:
        await listed("libraryVariableSets")

    assert set(caught.value.violations) == {"libraryVariableSetId"}
    assert set(other.value.violations) == {"spaceId"}


async def test_unknown_lists_are_refused(listed: Lister) -> None:
    with pytest.raises(InvalidConfig, match="there are spaces, projects, library") as caught:
        await listed("tenants")

    assert set(caught.value.violations) == {"optionList"}


async def test_places_that_do_not_exist_are_named(listed: Lister) -> None:
    with pytest.raises(NotFound) as space:
        await listed("projects", parameters={"spaceId": "Spaces-99"})
    with pytest.raises(NotFound) as project:
        await listed("roles", parameters={"spaceId": "Spaces-1", "projectId": "Projects-99"})

    with pytest.raises(NotFound) as library:
        await listed(
            "libraryRoles", parameters={**SHARED, "libraryVariableSetId": "LibraryVariableSets-99"}
        )

    assert (space.value.field, project.value.field) == ("spaceId", "projectId")
    assert library.value.field == "libraryVariableSetId"


async def test_odd_lists_are_read_tolerantly(listed: Lister, sandbox: Sandbox) -> None:
    def answer(body: object) -> None:
        sandbox.fault("status", status=200, body="given", text=json.dumps(body))

    answer([{"Id": "Spaces-1", "Description": "d"}, {"Name": "no id"}, 7])
    (only,) = (await listed("spaces")).options
    assert (only.id, only.name, only.description) == ("Spaces-1", "Spaces-1", "d")

    answer({"Items": []})
    with pytest.raises(Unavailable, match="it is not a list"):
        await listed("spaces")

    answer({"Variables": [], "Version": 1})
    assert (await listed("roles", parameters=SHOP)).options == ()
