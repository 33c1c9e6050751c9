"""Projects in Git: variables there that get in the way of ours are told, at little cost."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from octopus_kit import LIBRARY, PROD, Engine, Json, config_of, row

from secretsync_octopus_deploy import git_variables
from secretsync_octopus_deploy.git_variables import (
    MAX_REMEMBERED,
    REMEMBERED,
    GitHome,
    GitMemory,
)
from secretsync_octopus_deploy.sandbox.process import Sandbox

EngineFactory = Callable[..., Engine]

PROJECT = "/api/Spaces-1/projects/Projects-3"
SET = f"{PROJECT}/variables"
IN_GIT = f"{PROJECT}/main/variables"
GIT_SET_ID = "variableset-Projects-3"


@pytest.fixture
def git_project(sandbox: Sandbox) -> Sandbox:
    """A sandbox whose project in Git has no variables in the database."""
    sandbox.put_variables(GIT_SET_ID, [])
    sandbox.clear_requests()
    return sandbox


@pytest.fixture
def mine(git_project: Sandbox, engine: EngineFactory) -> Engine:
    """A sync of production into the project in Git."""
    assert git_project.requests() == []
    return engine(PROD, projectId="Projects-3")


def requests(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Return the requests since the last look."""
    found = [(request.method, request.path) for request in sandbox.requests()]
    sandbox.clear_requests()
    return found


def project(settings: object) -> Json:
    return {"Id": "Projects-3", "PersistenceSettings": settings}


async def test_a_variable_in_git_of_the_same_name_and_scope_is_told(
    git_project: Sandbox, mine: Engine
) -> None:
    before = await mine.validate(mine.config)
    requests(git_project)

    # In Git are Inventory.BaseUrl without scope and Inventory.PageSize for production.
    secrets = {"inventory.pagesize": "50", "Inventory.BaseUrl": "x" * 9, "C": "x" * 9}
    result = await mine.sync(secrets)

    assert "keeps its variables in Git" in before.warnings[0]
    assert requests(git_project) == [("GET", SET), ("GET", IN_GIT), ("PUT", SET), ("GET", SET)]
    (warning,) = [one for one in result.warnings if "Git" in one]
    assert "in Git (branch main): inventory.pagesize. Which" in warning
    rows = git_project.inspect(GIT_SET_ID)["Variables"]
    assert {one["Name"] for one in rows} == set(secrets)

    assert {one.action for one in (await mine.sync(secrets)).keys} == {"unchanged"}
    assert requests(git_project) == [("GET", SET)]


async def test_a_run_asks_where_the_variables_are_only_if_it_is_not_known(
    git_project: Sandbox, mine: Engine
) -> None:
    await mine.sync({"A": "value-a"})
    assert requests(git_project) == [
        ("GET", SET),
        ("GET", PROJECT),
        ("GET", IN_GIT),
        ("PUT", SET),
        ("GET", SET),
    ]

    await mine.sync({"A": "changed"})
    assert requests(git_project) == [("GET", SET), ("GET", IN_GIT), ("PUT", SET), ("GET", SET)]

    await mine.remove()
    assert requests(git_project) == [("GET", SET), ("PUT", SET), ("GET", SET)]


async def test_a_project_in_the_database_is_asked_once(
    sandbox: Sandbox, engine: EngineFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_variables, "PROJECTS", GitMemory())
    one = engine()

    await one.sync({"A": "value-a"})
    assert [method for method, _ in requests(sandbox)] == ["GET", "GET", "PUT", "GET"]
    await one.sync({"A": "changed"})
    assert [method for method, _ in requests(sandbox)] == ["GET", "PUT", "GET"]


async def test_the_variables_in_git_are_read_once_however_often_the_set_is_merged(
    git_project: Sandbox, mine: Engine
) -> None:
    git_project.fault("version_conflict", times=2)

    result = await mine.sync({"Inventory.PageSize": "50"})

    found = requests(git_project)
    assert [path for method, path in found if method == "GET"].count(IN_GIT) == 1
    assert [method for method, _ in found].count("PUT") == 3
    assert len([one for one in result.warnings if "in Git" in one]) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "status", "status": 403, "path": "main/variables$"}, "403"),
        ({"kind": "status", "status": 404, "path": "main/variables$"}, "404"),
        ({"kind": "status", "status": 500, "path": "main/variables$"}, "500"),
        ({"kind": "cut_connection", "path": "main/variables$"}, "the connection failed"),
        ({"kind": "truncated_json", "path": "main/variables$"}, "not valid JSON"),
        ({"kind": "status", "status": 403, "path": "Projects-3$"}, "403"),
        (
            {
                "kind": "status",
                "status": 200,
                "body": "given",
                "text": json.dumps(
                    project(
                        {
                            "Type": "VersionControlled",
                            "ConversionState": {"VariablesAreInGit": True},
                        }
                    )
                ),
                "path": "Projects-3$",
            },
            "Octopus tells no usable name of its default branch",
        ),
    ],
    ids=str,
)
async def test_variables_in_git_that_cannot_be_read_do_not_stop_a_run(
    git_project: Sandbox, mine: Engine, fault: dict[str, Any], said: str
) -> None:
    git_project.fault(**fault)

    result = await mine.sync({"Inventory.PageSize": "value"})

    (warning,) = result.warnings
    assert warning.startswith("It could not be checked whether the project has variables of the")
    assert said in warning
    (written,) = git_project.inspect(GIT_SET_ID)["Variables"]
    assert written["Value"] == "value"


async def test_a_branch_is_one_segment_of_the_path(
    git_project: Sandbox, mine: Engine, http: httpx.AsyncClient
) -> None:
    memory = git_variables.PROJECTS
    home = GitHome(in_git=True, branch="refs/heads/main")
    memory.remember(git_project.base_url, mine.config, home)
    headers = {"X-Octopus-ApiKey": git_project.api_key}
    url = f"{git_project.base_url}{PROJECT}/refs%2Fheads%2Fmain/variables"
    in_git = (await http.get(url, headers=headers)).json()
    theirs = row("A", Type="String", Value="x", Scope={"Environment": ["Environments-2"]})
    changed = {**in_git, "Variables": [*in_git["Variables"], theirs]}
    assert (await http.put(url, headers=headers, json=changed)).status_code == 200

    result = await mine.sync({"a": "value-a"})

    assert "(branch refs/heads/main): a." in result.warnings[0]
    restored = (await http.get(url, headers=headers)).json()
    restored["Variables"] = in_git["Variables"]
    assert (await http.put(url, headers=headers, json=restored)).status_code == 200


@pytest.mark.parametrize(
    ("settings", "home"),
    [
        (None, GitHome(in_git=False)),
        ({"Type": "Database"}, GitHome(in_git=False)),
        ({"Type": "VersionControlled", "DefaultBranch": "main"}, GitHome(in_git=False)),
        (
            {"Type": "VersionControlled", "ConversionState": {"VariablesAreInGit": False}},
            GitHome(in_git=False),
        ),
        (
            {
                "Type": "VersionControlled",
                "DefaultBranch": "main",
                "ConversionState": {"VariablesAreInGit": True},
            },
            GitHome(in_git=True, branch="main"),
        ),
        *(
            (
                {
                    "Type": "VersionControlled",
                    "DefaultBranch": odd,
                    "ConversionState": {"VariablesAreInGit": True},
                },
                GitHome(in_git=True),
            )
            for odd in (7, None, "", "a\ud800", "a\n", "x" * 256)
        ),
    ],
)
def test_where_a_project_keeps_its_variables(settings: object, home: GitHome) -> None:
    assert GitHome.of(project(settings)) == home


def test_what_is_remembered_of_projects_is_bounded_in_time_and_number() -> None:
    now = 0.0
    memory = GitMemory(lambda: now)
    home = GitHome(in_git=True, branch="main")
    first, other = config_of(projectId="Projects-1"), config_of(projectId="Projects-2")
    memory.remember("https://a", first, home)
    assert memory.recall("https://a", first) == home
    assert memory.recall("https://a", other) is None
    assert memory.recall("https://b", first) is None

    now = REMEMBERED
    assert memory.recall("https://a", first) is None

    memory.remember("https://a", first, home)
    for number in range(MAX_REMEMBERED - 1):
        memory.remember(f"https://{number}.example.com", other, home)
    assert memory.recall("https://a", first) == home
    memory.remember("https://one-more.example.com", other, home)
    assert memory.recall("https://a", first) is None
    assert memory.recall("https://0.example.com", other) == home


async def test_library_sets_are_never_in_git(sandbox: Sandbox, engine: EngineFactory) -> None:
    await engine(**LIBRARY).sync({"A": "value-a"})

    assert [method for method, _ in requests(sandbox)] == ["GET", "PUT", "GET"]
