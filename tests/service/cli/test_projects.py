"""Projects and environments."""

import json

import pytest
from cli_kit import FakeServer, Run
from google.protobuf.timestamp_pb2 import Timestamp

from secretsync.v1.project_service_pb2 import (
    CreateEnvironmentRequest,
    CreateProjectRequest,
    DeleteEnvironmentRequest,
    DeleteProjectRequest,
    Environment,
    GetEnvironmentRequest,
    GetProjectRequest,
    ListEnvironmentsRequest,
    ListEnvironmentsResponse,
    ListProjectsRequest,
    ListProjectsResponse,
    Project,
    UpdateEnvironmentRequest,
    UpdateProjectRequest,
)

WHEN = Timestamp(seconds=1_700_000_000)


def test_project_create_sends_all_that_was_given(server: FakeServer, run: Run) -> None:
    server.replies["CreateProject"] = Project(name="projects/web")
    result = run(
        "project", "create", "web", "--display-name", "Web", "--description", "d",
        "--request-id", "r1",
    )  # fmt: skip
    assert (result.code, result.out) == (0, "Created projects/web.\n")
    assert server.only("CreateProject", CreateProjectRequest) == CreateProjectRequest(
        project_id="web",
        project=Project(display_name="Web", description="d"),
        request_id="r1",
    )


def test_a_dry_run_says_that_nothing_was_changed(server: FakeServer, run: Run) -> None:
    server.replies["CreateProject"] = Project(name="projects/web")
    result = run("project", "create", "web", "--dry-run")
    assert (result.code, result.out) == (0, "")
    assert "nothing was changed" in result.err
    assert server.only("CreateProject", CreateProjectRequest).validate_only


def test_project_get_shows_fields_and_defaults_to_the_global_project(
    server: FakeServer, run: Run
) -> None:
    server.replies["GetProject"] = Project(
        name="projects/shop", uid="u1", display_name="Shop", etag="e1", create_time=WHEN
    )
    result = run("project", "get")
    assert server.only("GetProject", GetProjectRequest).name == "projects/shop"
    lines = dict(line.split(maxsplit=1) for line in result.out.splitlines())
    assert lines["Name"] == "projects/shop"
    assert lines["Display"] == "name  Shop"
    assert lines["Description"] == "-"
    assert lines["Created"].startswith("2023-11-14 22:13:20 (")
    assert lines["Created"].endswith("days ago)")
    assert lines["Changed"] == "-"


def test_project_get_as_json_has_default_values_too(server: FakeServer, run: Run) -> None:
    server.replies["GetProject"] = Project(name="projects/shop", create_time=WHEN)
    result = run("project", "get", "shop", "--json")
    assert json.loads(result.out) == {
        "name": "projects/shop",
        "uid": "",
        "displayName": "",
        "description": "",
        "etag": "",
        "createTime": "2023-11-14T22:13:20Z",
    }


def test_project_list_joins_all_pages(server: FakeServer, run: Run) -> None:
    server.replies["ListProjects"] = [
        ListProjectsResponse(projects=[Project(name="projects/a")], next_page_token="t"),
        ListProjectsResponse(projects=[Project(name="projects/b", description="two words")]),
    ]
    result = run("project", "list", "--page-size", "1")
    assert [line.split() for line in result.out.splitlines()] == [
        ["PROJECT", "DISPLAY", "NAME", "DESCRIPTION", "CHANGED"],
        ["a", "-"],
        ["b", "two", "words", "-"],
    ]
    requests = server.all("ListProjects", ListProjectsRequest)
    assert [(item.page_size, item.page_token) for item in requests] == [(1, ""), (1, "t")]


def test_a_limit_stops_early(server: FakeServer, run: Run) -> None:
    server.replies["ListProjects"] = ListProjectsResponse(
        projects=[Project(name="projects/a"), Project(name="projects/b")], next_page_token="t"
    )
    result = run("project", "list", "--limit", "3", "--json")
    names = [project["name"] for project in json.loads(result.out)["projects"]]
    assert names == ["projects/a", "projects/b", "projects/a"]
    assert len(server.requests) == 2


def test_a_dry_run_as_json_shows_what_would_be(server: FakeServer, run: Run) -> None:
    server.replies["UpdateProject"] = Project(name="projects/web")
    result = run("project", "update", "web", "--description", "d", "--dry-run", "--json")
    assert json.loads(result.out)["name"] == "projects/web"
    assert "nothing was changed" in result.err


def test_an_empty_list_says_what_to_do(run: Run) -> None:
    assert "secretsync project create" in run("project", "list").out
    assert "secretsync environment create" in run("environment", "list").out


def test_project_update_has_an_exact_mask(server: FakeServer, run: Run) -> None:
    server.replies["UpdateProject"] = Project(name="projects/web")
    result = run("project", "update", "web", "--description", "", "--etag", "e1")
    assert (result.code, result.out) == (0, "Updated projects/web.\n")
    request = server.only("UpdateProject", UpdateProjectRequest)
    assert request.project == Project(name="projects/web", etag="e1")
    assert list(request.update_mask.paths) == ["description"]


@pytest.mark.parametrize("kind", ["project", "environment"])
def test_an_update_of_nothing_is_refused(server: FakeServer, run: Run, kind: str) -> None:
    result = run(kind, "update", "web")
    assert result.code == 2
    assert "nothing to change" in result.err
    assert not server.requests


def test_project_delete(server: FakeServer, run: Run) -> None:
    result = run("project", "delete", "web", "--etag", "e1")
    assert (result.code, result.out) == (0, "Deleted projects/web.\n")
    assert server.only("DeleteProject", DeleteProjectRequest) == DeleteProjectRequest(
        name="projects/web", etag="e1"
    )


@pytest.mark.parametrize("kind", ["project", "environment"])
def test_a_forced_delete_needs_a_confirmation(server: FakeServer, run: Run, kind: str) -> None:
    result = run(kind, "delete", "web", "--force")
    assert result.code == 2
    assert "--yes" in result.err
    result = run(kind, "delete", "web", "--force", typed="n\n")
    assert result.code == 130
    assert not server.requests
    assert run(kind, "delete", "web", "--force", typed="y\n").code == 0
    assert run(kind, "delete", "web", "--force", "--yes").code == 0
    assert len(server.requests) == 2


def test_a_delete_as_json_is_an_empty_object(run: Run) -> None:
    assert json.loads(run("project", "delete", "web", "--json").out) == {}


def test_a_dry_run_of_a_forced_delete_asks_nothing(server: FakeServer, run: Run) -> None:
    result = run("project", "delete", "web", "--force", "--dry-run")
    assert (result.code, result.out) == (0, "")
    assert server.only("DeleteProject", DeleteProjectRequest).force


def test_environment_create_takes_a_full_name(server: FakeServer, run: Run) -> None:
    server.replies["CreateEnvironment"] = Environment(name="projects/x/environments/dev")
    result = run("environment", "create", "projects/x/environments/dev", "--display-name", "Dev")
    assert result.out == "Created projects/x/environments/dev.\n"
    assert server.only("CreateEnvironment", CreateEnvironmentRequest) == CreateEnvironmentRequest(
        parent="projects/x", environment_id="dev", environment=Environment(display_name="Dev")
    )


def test_environment_get(server: FakeServer, run: Run) -> None:
    server.replies["GetEnvironment"] = Environment(name="projects/shop/environments/dev")
    assert "projects/shop/environments/dev" in run("environment", "get", "dev").out
    assert json.loads(run("environment", "get", "dev", "--json").out)["uid"] == ""
    assert {item.name for item in server.all("GetEnvironment", GetEnvironmentRequest)} == {
        "projects/shop/environments/dev"
    }


def test_environment_list(server: FakeServer, run: Run) -> None:
    server.replies["ListEnvironments"] = ListEnvironmentsResponse(
        environments=[Environment(name="projects/shop/environments/dev", display_name="Dev")]
    )
    assert run("environment", "list").out.splitlines()[1].split() == ["dev", "Dev", "-"]
    assert "environments" in json.loads(run("--json", "environment", "list").out)
    request = server.all("ListEnvironments", ListEnvironmentsRequest)[0]
    assert request.parent == "projects/shop"


def test_environment_update(server: FakeServer, run: Run) -> None:
    server.replies["UpdateEnvironment"] = Environment(name="projects/shop/environments/dev")
    result = run("environment", "update", "dev", "--display-name", "D", "--description", "d")
    assert result.code == 0
    request = server.only("UpdateEnvironment", UpdateEnvironmentRequest)
    assert request.environment.name == "projects/shop/environments/dev"
    assert list(request.update_mask.paths) == ["display_name", "description"]


def test_environment_delete(server: FakeServer, run: Run) -> None:
    result = run("environment", "delete", "dev", "--project", "other")
    assert result.out == "Deleted projects/other/environments/dev.\n"
    assert server.only("DeleteEnvironment", DeleteEnvironmentRequest) == (
        DeleteEnvironmentRequest(name="projects/other/environments/dev")
    )
