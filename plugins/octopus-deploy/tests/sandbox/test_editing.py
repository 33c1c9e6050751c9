"""Resources that are created, changed and deleted through the API, as Octopus's clients do it."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

ClientFactory = Callable[[str | None], httpx.AsyncClient]

SPACE = "/api/Spaces-1"
PROJECT = {"LifecycleId": "Lifecycles-1", "ProjectGroupId": "ProjectGroups-1"}
# By collection: what a resource needs besides its name.
NEEDED: dict[str, dict[str, Any]] = {
    "projects": PROJECT,
    "projectgroups": {},
    "lifecycles": {},
    "environments": {},
    "machines": {"EnvironmentIds": ["Environments-1"], "Roles": ["web-server"]},
    "channels": {"ProjectId": "Projects-1"},
    "libraryvariablesets": {"ContentType": "Variables"},
}


async def add(client: httpx.AsyncClient, collection: str, **fields: object) -> dict[str, Any]:
    """Create a resource called `New one` unless `fields` says otherwise."""
    body = {"Name": "New one", **NEEDED[collection], **fields}
    answer = await client.post(f"{SPACE}/{collection}", json=body)
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.json()
    return added


async def names(client: httpx.AsyncClient, path: str) -> list[str]:
    found = (await client.get(path)).json()
    return [one["Name"] for one in (found if isinstance(found, list) else found["Items"])]


async def refused(
    client: httpx.AsyncClient, method: str, path: str, body: object = None
) -> dict[str, Any]:
    """The body of the 400 that answers a request."""
    answer = await client.request(method, path, json=body)
    assert answer.status_code == 400, answer.text
    refusal: dict[str, Any] = answer.json()
    return refusal


@pytest.mark.parametrize("collection", NEEDED)
async def test_a_resource_comes_changes_and_goes(
    client: httpx.AsyncClient, collection: str
) -> None:
    before = await names(client, f"{SPACE}/{collection}/all")
    added = await add(client, collection, Description="first", Unknown="ignored")
    path = f"{SPACE}/{collection}/{added['Id']}"
    assert added["Links"]["Self"] == path
    assert (added["SpaceId"], added["Name"]) == ("Spaces-1", "New one")
    assert added.get("Description", "first") == "first"
    assert "Unknown" not in added
    assert (await client.get(path)).json() == added
    assert sorted(await names(client, f"{SPACE}/{collection}/all")) == sorted([*before, "New one"])

    changed = await client.put(path, json={**added, "Name": "Newer one", "Id": "X-1"})
    assert changed.status_code == 200
    assert changed.json() == {**added, "Name": "Newer one"}
    assert (await client.get(path)).json() == changed.json()

    gone = await client.delete(path)
    assert (gone.status_code, gone.content) == (200, b"")
    for method in ("GET", "PUT", "DELETE"):
        answer = await client.request(method, path, json={"Name": "Any"})
        assert answer.status_code == 404
        assert answer.json() == {"ErrorMessage": f"The resource '{added['Id']}' was not found."}
    assert await names(client, f"{SPACE}/{collection}/all") == before


@pytest.mark.parametrize("collection", NEEDED)
async def test_names_are_needed_and_told_apart_without_regard_to_case(
    client: httpx.AsyncClient, collection: str
) -> None:
    await add(client, collection)
    other = await add(client, collection, Name="Other")
    path = f"{SPACE}/{collection}"
    body = {**NEEDED[collection], "Name": "NEW ONE"}
    for method, at in (("POST", path), ("PUT", f"{path}/{other['Id']}")):
        taken = (await refused(client, method, at, body))["ErrorMessage"]
        assert taken.endswith("with this name already exists. Please choose a different name.")
        for nameless in ({}, {"Name": ""}, {"Name": 7}):
            sent = {**NEEDED[collection], **nameless}
            assert "provide a name" in (await refused(client, method, at, sent))["ErrorMessage"]
    assert (await client.get(f"{path}/{other['Id']}")).json() == other


async def test_channels_of_two_projects_may_have_one_name(client: httpx.AsyncClient) -> None:
    first = await add(client, "channels", ProjectId="Projects-1")
    second = await add(client, "channels", ProjectId="Projects-2")
    assert first["Id"] != second["Id"]
    path = f"{SPACE}/projects/Projects-2/channels"
    assert await names(client, path) == ["Default", "New one"]


@pytest.mark.parametrize(
    ("collection", "fields", "problem"),
    [
        ("projects", {"LifecycleId": None}, "LifecycleId must be given."),
        (
            "projects",
            {"LifecycleId": "", "ProjectGroupId": ""},
            "LifecycleId and ProjectGroupId must be given.",
        ),
        ("channels", {"ProjectId": None}, "ProjectId must be given."),
        (
            "projects",
            {"LifecycleId": "Lifecycles-9"},
            "LifecycleId names a lifecycle that does not exist.",
        ),
        (
            "projects",
            {"ProjectGroupId": ["ProjectGroups-1"]},
            "ProjectGroupId names a project group that does not exist.",
        ),
        (
            "machines",
            {"EnvironmentIds": ["Environments-9"]},
            "EnvironmentIds names an environment that does not exist.",
        ),
        ("machines", {"EnvironmentIds": "Environments-1"}, "EnvironmentIds must be a list of "),
        ("machines", {"Roles": [7]}, "Roles must be a list of texts."),
    ],
)
async def test_what_a_resource_refers_to_must_exist(
    client: httpx.AsyncClient, collection: str, fields: dict[str, Any], problem: str
) -> None:
    path = f"{SPACE}/{collection}"
    before = await names(client, f"{path}/all")
    body = {"Name": "New one", **NEEDED[collection], **fields}
    refusal = await refused(client, "POST", path, body)
    assert refusal["Errors"][0].startswith(problem)
    assert await names(client, f"{path}/all") == before


async def test_a_change_may_not_take_away_what_is_needed(client: httpx.AsyncClient) -> None:
    path = f"{SPACE}/projects/Projects-1"
    before = (await client.get(path)).json()
    refusal = await refused(client, "PUT", path, {**before, "LifecycleId": None})
    assert refusal["ErrorMessage"] == "LifecycleId must be given."
    assert (await client.get(path)).json() == before
    # What is left out keeps its value.
    assert (await client.put(path, json={"Name": "Web Shop"})).json() == before


async def test_a_new_project_can_hold_variables_and_takes_them_along(
    client: httpx.AsyncClient,
) -> None:
    project = await add(client, "projects")
    path = f"{SPACE}/variables/{project['VariableSetId']}"
    rows = [{"Name": "A", "Value": "x", "Type": "Sensitive"}]
    assert (await client.put(path, json={"Version": 0, "Variables": rows})).status_code == 200
    scope_values = (await client.get(path)).json()["ScopeValues"]
    assert scope_values["Processes"][0]["Id"] == project["Id"]
    (channel,) = scope_values["Channels"]
    process = f"{SPACE}/deploymentprocesses/{project['DeploymentProcessId']}"
    assert (await client.get(process)).status_code == 200
    await client.delete(f"{SPACE}/projects/{project['Id']}")
    for gone in (path, process, f"{SPACE}/channels/{channel['Id']}"):
        assert (await client.get(gone)).status_code == 404


async def test_a_project_in_git_takes_its_branches_along(client: httpx.AsyncClient) -> None:
    assert (await client.delete(f"{SPACE}/projects/inventory")).status_code == 200
    answer = await client.get(f"{SPACE}/projects/Projects-3/main/variables")
    assert answer.json()["ErrorMessage"] == "The resource 'Projects-3' was not found."


async def test_ids_are_not_given_twice(client: httpx.AsyncClient) -> None:
    first = await add(client, "environments")
    await client.delete(f"{SPACE}/environments/{first['Id']}")
    assert (await add(client, "environments"))["Id"] != first["Id"]


async def test_an_environment_leaves_the_machines_and_stays_in_scopes(
    client: httpx.AsyncClient,
) -> None:
    path = f"{SPACE}/projects/Projects-1/variables"
    before = (await client.get(path)).json()
    await client.delete(f"{SPACE}/environments/Environments-2")
    machine = (await client.get(f"{SPACE}/machines/Machines-2")).json()
    assert machine["EnvironmentIds"] == []
    after = (await client.get(path)).json()
    assert after["Variables"] == before["Variables"]
    left = [one["Id"] for one in after["ScopeValues"]["Environments"]]
    assert left == ["Environments-1", "Environments-3"]


async def test_a_new_machine_brings_its_roles_and_has_not_been_checked(
    client: httpx.AsyncClient,
) -> None:
    endpoint = {"CommunicationStyle": "OfflineDrop", "ApplicationsDirectory": "C:\\Apps"}
    fields = {"Roles": ["cache"], "Endpoint": endpoint, "TenantIds": None, "Uri": None}
    machine = await add(client, "machines", **fields)
    assert (machine["Roles"], machine["Endpoint"]) == (["cache"], endpoint)
    assert (machine["HealthStatus"], machine["Status"]) == ("Unknown", "Unknown")
    # Null leaves a list alone.
    assert machine["TenantIds"] == []
    roles = (await client.get(f"{SPACE}/machineroles/all")).json()
    assert roles == ["cache", "database", "web-server"]


@pytest.mark.parametrize("slug", ["", "chosen", 7])
async def test_an_empty_slug_is_made_of_the_name(
    client: httpx.AsyncClient, slug: str | int
) -> None:
    added = await add(client, "environments", Name="Blue & Green", Slug=slug)
    assert added["Slug"] == ("chosen" if slug == "chosen" else "blue-green")
    found = await client.get(f"{SPACE}/environments/{added['Slug']}")
    assert found.json() == added


async def test_what_is_in_use_stays(client: httpx.AsyncClient) -> None:
    shared = f"{SPACE}/projects/Projects-1"
    project = (await client.get(shared)).json()
    project["IncludedLibraryVariableSetIds"] = ["LibraryVariableSets-1"]
    assert (await client.put(shared, json=project)).status_code == 200
    for path, noun in (
        ("lifecycles/Lifecycles-1", "lifecycle"),
        ("projectgroups/ProjectGroups-1", "project group"),
        ("libraryvariablesets/LibraryVariableSets-1", "library variable set"),
    ):
        message = (await refused(client, "DELETE", f"{SPACE}/{path}"))["ErrorMessage"]
        assert message.startswith(f"This {noun} cannot be deleted because it is in use by Web Shop")
        assert (await client.get(f"{SPACE}/{path}")).status_code == 200
    default = await refused(client, "DELETE", f"{SPACE}/channels/Channels-1")
    assert default["ErrorMessage"] == "The default channel of a project cannot be deleted."


async def test_projects_by_group_lifecycle_and_channel(client: httpx.AsyncClient) -> None:
    group = await add(client, "projectgroups")
    lifecycle = await add(client, "lifecycles")
    ids = {"ProjectGroupId": group["Id"], "LifecycleId": lifecycle["Id"]}
    project = await add(client, "projects", **ids)
    for owner in (group, lifecycle):
        assert await names(client, owner["Links"]["Projects"]) == ["New one"]
    first = await client.get(f"{SPACE}/projectgroups/ProjectGroups-1/projects?take=2")
    assert first.json()["TotalResults"] == 3
    summary = (await client.get(project["Links"]["Summary"])).json()
    assert summary == {"HasDeploymentProcess": False, "HasRunbooks": False}
    summary = (await client.get(f"{SPACE}/projects/Projects-1/summary")).json()
    assert summary == {"HasDeploymentProcess": True, "HasRunbooks": True}
    channel = (await client.get(f"{SPACE}/channels/Channels-1")).json()
    for owner in (project, channel):
        releases = (await client.get(owner["Links"]["Releases"].partition("{")[0])).json()
        assert (releases["ItemType"], releases["Items"]) == ("Release", [])


@pytest.mark.parametrize("collection", ["runbooks", "tagsets", "releases"])
async def test_what_the_sandbox_does_not_let_be_changed(
    client: httpx.AsyncClient, collection: str
) -> None:
    answer = await client.post(f"{SPACE}/{collection}", json={"Name": "New one"})
    assert answer.status_code == 405


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("POST", f"{SPACE}/environments", "EnvironmentCreate"),
        ("PUT", f"{SPACE}/projects/Projects-1", "ProjectEdit"),
        (
            "DELETE",
            f"{SPACE}/libraryvariablesets/LibraryVariableSets-1",
            "LibraryVariableSetDelete",
        ),
        ("POST", f"{SPACE}/channels", "ProcessEdit"),
        ("POST", "/api/spaces", "SpaceCreate"),
        ("PUT", "/api/spaces/Spaces-2", "SpaceEdit"),
        ("DELETE", "/api/spaces/Spaces-2", "SpaceDelete"),
        ("POST", "/api/users", "UserInvite"),
    ],
)
async def test_a_read_only_key_changes_nothing(
    client_for: ClientFactory, method: str, path: str, permission: str
) -> None:
    answer = await client_for("read-only").request(method, path, json={"Name": "New one"})
    assert answer.status_code == 403
    assert answer.json()["ErrorMessage"].endswith(f"Missing permission: {permission}")


async def test_a_space_comes_changes_and_goes(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/spaces", json={"Name": "Green Field", "Slug": ""})
    space = answer.json()
    assert (answer.status_code, space["Id"], space["Slug"]) == (201, "Spaces-3", "green-field")
    path = f"/api/spaces/{space['Id']}"
    assert await names(client, "/api/Spaces-3/projectgroups/all") == ["Default Project Group"]
    group, lifecycle = [
        (await client.get(f"/api/Spaces-3/{kind}/all")).json()[0]["Id"]
        for kind in ("projectgroups", "lifecycles")
    ]
    body = {"Name": "New one", "ProjectGroupId": group, "LifecycleId": lifecycle}
    project = (await client.post("/api/Spaces-3/projects", json=body)).json()
    assert project["SpaceId"] == "Spaces-3"

    running = (await refused(client, "DELETE", path))["ErrorMessage"]
    assert running == "Stop the space's task queue before deleting it."
    stopped = {"Name": "Brown Field", "TaskQueueStopped": True}
    assert (await client.put(path, json=stopped)).json() == {**space, **stopped}
    assert (await client.delete(path)).status_code == 200
    for gone in (path, f"/sandbox/variablesets/{project['VariableSetId']}"):
        assert (await client.get(gone)).status_code == 404
    assert await names(client, "/api/spaces") == ["Default", "Platform"]


async def test_spaces_that_are_refused(client: httpx.AsyncClient) -> None:
    for body in ({}, {"Name": ""}, {"Name": 7}):
        nameless = await refused(client, "POST", "/api/spaces", body)
        assert nameless["ErrorMessage"] == "Please provide a name for the space."
    for method, path in (("POST", "/api/spaces"), ("PUT", "/api/spaces/Spaces-2")):
        taken = await refused(client, method, path, {"Name": "default"})
        assert "already exists" in taken["ErrorMessage"]
    default = await refused(client, "DELETE", "/api/spaces/default")
    assert default["ErrorMessage"] == "The default space cannot be deleted."


async def test_users_are_added_and_their_passwords_forgotten(client: httpx.AsyncClient) -> None:
    body = {"Username": "ann", "DisplayName": "Ann", "Password": "hunter2-ann"}
    answer = await client.post("/api/users", json=body)
    assert answer.status_code == 201
    assert "hunter2" not in answer.text
    added = answer.json()
    assert (added["Username"], added["IsService"], added["IsRequestor"]) == ("ann", False, False)
    assert (await client.get(f"/api/users/{added['Id']}")).json() == added
    taken = await refused(client, "POST", "/api/users", {"Username": "ANN"})
    assert taken["ErrorMessage"] == "A user with this username already exists."
    for nameless in ({}, {"Username": 7}, {"Username": "bob", "DisplayName": 7}):
        problem = await refused(client, "POST", "/api/users", nameless)
        assert problem["ErrorMessage"] == "Please provide a username."
