"""The documents and collections: shapes, pages, filters and paths."""

from typing import Any

import httpx
import pytest

PAGE_FIELDS = {
    "ItemType",
    "TotalResults",
    "ItemsPerPage",
    "NumberOfPages",
    "LastPageNumber",
    "Items",
    "Links",
}


async def get(client: httpx.AsyncClient, path: str) -> Any:  # noqa: ANN401 # JSON of any shape
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    return answer.json()


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["Id"] for item in items]


@pytest.mark.parametrize("path", ["/api", "/api/"])
async def test_the_root_needs_no_key(client: httpx.AsyncClient, path: str) -> None:
    del client.headers["X-Octopus-ApiKey"]
    root = await get(client, path)
    assert root["Application"] == "Octopus Deploy"
    assert root["Version"] == "2023.1.9626"
    assert root["ApiVersion"] == "3.0.0"
    assert len(root["InstallationId"]) == 36
    assert root["Links"]["Self"] == "/api"
    assert root["Links"]["Spaces"] == "/api/spaces{/id}{?skip,ids,take,partialName}"
    assert root["Links"]["SpaceHome"] == "/api/{spaceId}"
    assert root["Links"]["Variables"] == "/api/Spaces-1/variables{/id}"


async def test_a_space_has_a_root_of_its_own(client: httpx.AsyncClient) -> None:
    links = (await get(client, "/api/Spaces-2"))["Links"]
    assert links["Variables"] == "/api/Spaces-2/variables{/id}"
    assert links["LibraryVariables"] == (
        "/api/Spaces-2/libraryvariablesets{/id}{?skip,contentType,take,ids,partialName}"
    )
    templates = [link.partition("{")[0] for link in links.values()]
    for path in templates:
        if not path.endswith("/variables"):
            await get(client, path)


async def test_the_user(client: httpx.AsyncClient) -> None:
    me = await get(client, "/api/users/me")
    assert me == {
        "Id": "Users-1",
        "Username": "svc",
        "DisplayName": "svc",
        "IsActive": True,
        "IsService": True,
        "EmailAddress": None,
        "IsRequestor": True,
        "Identities": [],
        "Links": {"Self": "/api/users/Users-1"},
    }
    assert await get(client, "/api/users/Users-1") == me


async def test_spaces(client: httpx.AsyncClient) -> None:
    page = await get(client, "/api/spaces")
    assert page.keys() == PAGE_FIELDS
    assert page["ItemType"] == "Space"
    assert [(one["Id"], one["Name"], one["Slug"], one["IsDefault"]) for one in page["Items"]] == [
        ("Spaces-1", "Default", "default", True),
        ("Spaces-2", "Platform", "platform", False),
    ]
    assert await get(client, "/api/spaces/all") == page["Items"]
    assert await get(client, "/api/spaces/Spaces-2") == page["Items"][1]


async def test_a_space_is_found_as_the_typescript_client_does(client: httpx.AsyncClient) -> None:
    page = await get(client, "/api/spaces?partialName=Default&skip=0&take=2147483647")
    assert ids(page["Items"]) == ["Spaces-1"]
    assert page["ItemsPerPage"] == 2147483647


async def test_projects(client: httpx.AsyncClient) -> None:
    projects = {one["Id"]: one for one in await get(client, "/api/Spaces-1/projects/all")}
    assert [one["Name"] for one in projects.values()] == ["Billing API", "Inventory", "Web Shop"]
    shop = projects["Projects-1"]
    assert (shop["Name"], shop["Slug"], shop["SpaceId"]) == ("Web Shop", "web-shop", "Spaces-1")
    assert shop["VariableSetId"] == "variableset-Projects-1"
    assert shop["DeploymentProcessId"] == "deploymentprocess-Projects-1"
    assert shop["IsVersionControlled"] is False
    assert shop["PersistenceSettings"] == {"Type": "Database"}
    assert shop["Links"]["Variables"] == "/api/Spaces-1/variables/variableset-Projects-1"
    inventory = projects["Projects-3"]
    assert inventory["IsVersionControlled"] is True
    assert inventory["PersistenceSettings"]["Type"] == "VersionControlled"
    assert inventory["PersistenceSettings"]["DefaultBranch"] == "main"
    assert inventory["PersistenceSettings"]["ConversionState"]["VariablesAreInGit"] is True


async def test_a_project_is_found_by_id_and_by_slug(client: httpx.AsyncClient) -> None:
    by_id = await get(client, "/api/Spaces-1/projects/Projects-1")
    assert await get(client, "/api/Spaces-1/projects/web-shop") == by_id


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("/api/Spaces-1", ["Projects-2", "Projects-3", "Projects-1"]),
        ("/api/spaces/Spaces-1", ["Projects-2", "Projects-3", "Projects-1"]),
        ("/api/spaces/default", ["Projects-2", "Projects-3", "Projects-1"]),
        ("/api", ["Projects-2", "Projects-3", "Projects-1"]),
        ("/api/Spaces-2", ["Projects-4"]),
        ("/api/spaces/platform", ["Projects-4"]),
    ],
)
async def test_each_form_of_path_leads_to_its_space(
    client: httpx.AsyncClient, prefix: str, expected: list[str]
) -> None:
    assert ids((await get(client, f"{prefix}/projects"))["Items"]) == expected
    assert ids(await get(client, f"{prefix}/projects/all")) == expected
    project = expected[0]
    assert (await get(client, f"{prefix}/projects/{project}"))["Id"] == project
    by_project = await get(client, f"{prefix}/projects/{project}/variables")
    assert by_project["OwnerId"] == project
    assert await get(client, f"{prefix}/variables/variableset-{project}") == by_project


async def test_environments(client: httpx.AsyncClient) -> None:
    environments = (await get(client, "/api/Spaces-1/environments"))["Items"]
    assert [(one["Id"], one["Name"], one["SortOrder"]) for one in environments] == [
        ("Environments-1", "Development", 0),
        ("Environments-2", "Production", 1),
        ("Environments-3", "Staging", 2),
    ]
    assert await get(client, "/api/Spaces-1/environments/Environments-3") == environments[2]


async def test_machines_and_their_roles(client: httpx.AsyncClient) -> None:
    machines = await get(client, "/api/Spaces-1/machines/all")
    assert [(one["Id"], one["Name"], one["Roles"], one["EnvironmentIds"]) for one in machines] == [
        ("Machines-3", "db-prod", ["database"], ["Environments-2"]),
        ("Machines-1", "web-dev", ["web-server"], ["Environments-1"]),
        ("Machines-2", "web-prod", ["web-server"], ["Environments-2"]),
    ]
    assert await get(client, "/api/Spaces-1/machineroles/all") == ["database", "web-server"]
    assert await get(client, "/api/Spaces-2/machineroles/all") == []


async def test_channels_and_runbooks_of_a_project(client: httpx.AsyncClient) -> None:
    channels = await get(client, "/api/Spaces-1/projects/Projects-1/channels")
    assert channels["ItemType"] == "Channel"
    assert [
        (one["Id"], one["Name"], one["ProjectId"], one["IsDefault"]) for one in channels["Items"]
    ] == [
        ("Channels-1", "Default", "Projects-1", True),
        ("Channels-2", "Hotfix", "Projects-1", False),
    ]
    assert len(await get(client, "/api/Spaces-1/channels/all")) == 4
    runbooks = await get(client, "/api/Spaces-1/projects/web-shop/runbooks?take=1")
    assert ids(runbooks["Items"]) == ["Runbooks-1"]
    assert runbooks["Links"]["Page.Next"] == (
        "/api/Spaces-1/projects/Projects-1/runbooks?skip=1&take=1"
    )
    assert runbooks["Items"][0]["RunbookProcessId"] == "RunbookProcess-Runbooks-1"
    process = await get(client, "/api/Spaces-1/runbookProcesses/RunbookProcess-Runbooks-1")
    assert process["RunbookId"] == "Runbooks-1"


@pytest.mark.parametrize(
    "path",
    [
        "/api/Spaces-1/projects/Projects-1/deploymentprocesses",
        "/api/Spaces-1/deploymentprocesses/deploymentprocess-Projects-1",
    ],
)
async def test_the_deployment_process(client: httpx.AsyncClient, path: str) -> None:
    process = await get(client, path)
    assert process["Id"] == "deploymentprocess-Projects-1"
    assert process["ProjectId"] == "Projects-1"
    assert [step["Name"] for step in process["Steps"]] == ["Deploy web site", "Migrate database"]
    actions = [action for step in process["Steps"] for action in step["Actions"]]
    assert [(len(action["Id"]), action["Name"]) for action in actions] == [
        (36, "Deploy web site"),
        (36, "Migrate database"),
    ]


async def test_library_variable_sets(client: httpx.AsyncClient) -> None:
    path = "/api/Spaces-1/libraryvariablesets"
    variables = await get(client, f"{path}?contentType=Variables")
    assert [(one["Name"], one["VariableSetId"]) for one in variables["Items"]] == [
        ("Notifications", "variableset-LibraryVariableSets-2"),
        ("Shared Settings", "variableset-LibraryVariableSets-1"),
    ]
    assert {one["ContentType"] for one in variables["Items"]} == {"Variables"}
    assert (await get(client, path))["TotalResults"] == 3
    first = await get(client, f"{path}?contentType=Variables&take=1")
    second = await get(client, first["Links"]["Page.Next"])
    assert ids(second["Items"]) == ["LibraryVariableSets-1"]
    assert "Page.Next" not in second["Links"]


async def test_tag_sets(client: httpx.AsyncClient) -> None:
    (tag_set,) = await get(client, "/api/Spaces-1/tagsets/all")
    tags = [(tag["Name"], tag["CanonicalTagName"]) for tag in tag_set["Tags"]]
    assert tags == [("EU", "Region/EU"), ("US", "Region/US")]


async def test_pages(client: httpx.AsyncClient) -> None:
    await client.post("/sandbox/projects", json={"count": 62})
    path = "/api/Spaces-1/projects"
    page = await get(client, path)
    numbers = ("TotalResults", "ItemsPerPage", "NumberOfPages", "LastPageNumber")
    assert [page[key] for key in numbers] == [65, 30, 3, 2]
    assert page["Links"] == {
        "Self": f"{path}?skip=0&take=30",
        "Template": f"{path}{{?skip,take,ids,partialName}}",
        "Page.All": f"{path}?skip=0&take=2147483647",
        "Page.Current": f"{path}?skip=0&take=30",
        "Page.Next": f"{path}?skip=30&take=30",
        "Page.Last": f"{path}?skip=60&take=30",
    }
    seen = ids(page["Items"])
    while next_page := page["Links"].get("Page.Next"):
        page = await get(client, next_page)
        seen += ids(page["Items"])
    assert page["Links"]["Page.Previous"] == f"{path}?skip=30&take=30"
    assert len(page["Items"]) == 5
    assert seen == ids(await get(client, f"{path}/all"))
    assert len(set(seen)) == 65


async def test_filters(client: httpx.AsyncClient) -> None:
    path = "/api/Spaces-1/projects"
    found = await get(client, f"{path}?partialName=WEB%20s")
    assert ids(found["Items"]) == ["Projects-1"]
    assert found["Links"]["Self"] == f"{path}?skip=0&take=30&partialName=WEB%20s"
    found = await get(client, f"{path}?ids=Projects-3,Projects-1&ids=Projects-9")
    assert ids(found["Items"]) == ["Projects-3", "Projects-1"]
    nothing = await get(client, f"{path}?partialName=absent")
    assert nothing["Items"] == []
    assert (nothing["TotalResults"], nothing["NumberOfPages"]) == (0, 1)
    assert nothing["LastPageNumber"] == 0
    none_taken = await get(client, f"{path}?take=0")
    assert (none_taken["Items"], none_taken["TotalResults"]) == ([], 3)
    assert "Page.Next" not in none_taken["Links"]
    empty_parameters = await get(client, f"{path}?skip=&take=&partialName=")
    assert len(empty_parameters["Items"]) == 3


@pytest.mark.parametrize("query", ["take=-1", "skip=x", "take=1.5", "skip=²"])
async def test_a_wrong_page_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/api/Spaces-1/projects?{query}")
    assert answer.status_code == 400
    assert "is not valid for" in answer.json()["ErrorMessage"]


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/Spaces-9", "Spaces-9"),
        ("/api/spaces/Spaces-9", "Spaces-9"),
        ("/api/Spaces-9/projects", "Spaces-9"),
        ("/api/spaces/nowhere/projects", "nowhere"),
        ("/api/Spaces-1/projects/Projects-9", "Projects-9"),
        ("/api/Spaces-1/projects/Projects-4", "Projects-4"),
        ("/api/Spaces-1/projects/Projects-9/variables", "Projects-9"),
        ("/api/Spaces-1/projects/Projects-9/channels", "Projects-9"),
        ("/api/Spaces-1/projects/Projects-9/deploymentprocesses", "Projects-9"),
        ("/api/Spaces-1/variables/variableset-Projects-9", "variableset-Projects-9"),
        ("/api/Spaces-2/variables/variableset-Projects-1", "variableset-Projects-1"),
        ("/api/Spaces-1/environments/Environments-9", "Environments-9"),
        ("/api/users/Users-9", "Users-9"),
        ("/api/users/Users-9/permissions", "Users-9"),
        ("/api/Spaces-1/unknown", "/api/Spaces-1/unknown"),
        ("/api/Spaces-1/unknown/all", "/api/Spaces-1/unknown/all"),
        ("/api/Spaces-1/projects/Projects-1/x", "/api/Spaces-1/projects/Projects-1/x"),
        ("/api/Spaces-1/projects/", "/api/Spaces-1/projects/"),
        ("/elsewhere", "/elsewhere"),
    ],
)
async def test_what_does_not_exist_is_named(
    client: httpx.AsyncClient, path: str, named: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.json()["ErrorMessage"] == f"The resource '{named}' was not found."


async def test_a_method_without_a_route_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/api/Spaces-1/projects/Projects-1/channels")
    assert answer.status_code == 405
    assert answer.json()["ErrorMessage"] == "DELETE is not supported here."
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("seed", ["empty"])
async def test_the_empty_seed_has_the_default_space_only(client: httpx.AsyncClient) -> None:
    assert ids(await get(client, "/api/spaces/all")) == ["Spaces-1"]
    for collection in ("projects", "environments", "machines", "libraryvariablesets", "tagsets"):
        assert await get(client, f"/api/Spaces-1/{collection}/all") == []
