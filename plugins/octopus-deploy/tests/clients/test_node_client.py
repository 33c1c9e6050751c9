"""Octopus's official client for Node.js, unmodified, takes the sandbox for an Octopus server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from node_kit import check_lock_file, install_packages, run_script

from secretsync_octopus_deploy.sandbox import errors
from secretsync_octopus_deploy.sandbox.oidc import GRANT_TYPE, SUBJECT_TOKEN_TYPE
from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox

NODE = Path(__file__).parent / "node"
PROJECT = "/api/Spaces-1/projects/Projects-2"
VARIABLES = f"{PROJECT}/variables"
SET = "/api/Spaces-1/variables/variableset-Projects-2"
PROBLEM = {
    "ErrorMessage": "There was a problem with your request.",
    "Errors": ["The first.", "The second."],
}

Json = dict[str, Any]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox that holds what it was seeded with."""
    with start_sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def summary(
    sandbox: Sandbox, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Json:
    """What the client saw, with six failures of one path."""
    token = access_token(sandbox)
    me: Json = {"path": "/users/me$"}
    sandbox.fault("status", **me, status=400, body="given", text=json.dumps(PROBLEM))
    sandbox.fault("status", **me, status=500, body="empty")
    sandbox.fault("status", **me, status=503)
    sandbox.fault("rate_limit", **me, retry_after=1)
    sandbox.fault("expired_key", **me)
    sandbox.fault("cut_connection", **me)
    sandbox.clear_requests()
    return run_script(
        NODE,
        "client.mjs",
        [sandbox.base_url, "Billing API"],
        node_modules=install_packages(NODE, pytestconfig),
        folder=tmp_path_factory.mktemp("client") / "node",
        environment={},
        secrets={
            "OCTOPUS_API_KEY": sandbox.api_key,
            "OCTOPUS_READ_ONLY_API_KEY": sandbox.read_only_api_key,
            "OCTOPUS_ACCESS_TOKEN": token,
        },
    )


def access_token(sandbox: Sandbox) -> str:
    sandbox.accept_subject_token("a.b.c")
    request = {
        "grant_type": GRANT_TYPE,
        "audience": sandbox.service_account_id,
        "subject_token_type": SUBJECT_TOKEN_TYPE,
        "subject_token": "a.b.c",
    }
    answer = httpx.post(f"{sandbox.base_url}/token/v1", json=request, trust_env=False)
    token: str = answer.json()["access_token"]
    return token


def variables(rows: list[Json]) -> list[tuple[str, str | None, Json]]:
    return [(row["Name"], row["Value"], row["Scope"]) for row in rows]


def test_the_lock_file_pins_every_package_and_names_no_registry() -> None:
    check_lock_file(NODE)


def test_it_connects_and_finds_spaces_and_projects(summary: Json) -> None:
    assert summary["server"] == {
        "version": "2023.1.9626",
        "installationId": "5a4db0c5-0000-4000-8000-000000000001",
    }
    assert summary["spaces"] == {
        "total": 2,
        "names": ["Default"],
        "next": "/api/spaces?skip=1&take=1",
    }
    assert (summary["space"]["Name"], summary["space"]["IsDefault"]) == ("Default", True)
    assert summary["projects"] == ["Billing API", "Inventory", "Web Shop"]
    assert summary["page"] == ["Inventory"]
    assert summary["project"]["Name"] == "Billing API"
    assert summary["project"]["VariableSetId"] == "variableset-Projects-2"
    assert summary["environments"] == ["Development", "Production", "Staging"]
    (tag_set,) = summary["tagSets"]
    assert [tag["CanonicalTagName"] for tag in tag_set["Tags"]] == ["Region/EU", "Region/US"]


def test_it_reads_and_writes_variables(summary: Json, sandbox: Sandbox) -> None:
    development = {"Environment": ["Environments-1"]}
    assert summary["putAnswer"] == {}
    assert summary["read"]["Version"] == 1
    assert variables(summary["read"]["Variables"]) == [
        ("Shop.Token", None, {}),
        ("Shop.Title", "Grüße", development),
    ]
    assert summary["edited"]["Version"] == 2
    assert variables(summary["edited"]["Variables"]) == [
        ("Shop.Token", None, {}),
        ("Shop.Title", "Servus", development),
    ]
    assert summary["byId"] == {
        "Version": 2,
        "Variables": summary["edited"]["Variables"],
    }
    assert summary["setAnswer"]["Version"] == 3
    assert summary["setAnswer"]["Variables"] == summary["edited"]["Variables"]
    # What could not be read back is what was written first.
    stored = sandbox.inspect("variableset-Projects-2")
    assert stored["Version"] == 3
    assert [row["Value"] for row in stored["Variables"]] == ["hunter2", "Servus"]


def test_it_creates_changes_and_deletes_a_project(summary: Json) -> None:
    assert summary["added"] == {"Name": "Node Shop", "Slug": "node-shop"}
    assert summary["described"] == "made by the client"


@pytest.mark.parametrize(
    ("refusal", "status", "message"),
    [
        ("deleted", 404, "The resource 'node-shop' was not found."),
        ("stale", 400, errors.VERSION_CONFLICTS["changed"]),
        # The client's text is Octopus's message, and below it Octopus's list.
        ("duplicateIds", 400, f"{errors.DUPLICATE_IDS}\n{errors.DUPLICATE_IDS}"),
        ("missingProject", 404, "The resource 'Projects-999' was not found."),
        ("badKey", 401, errors.BAD_KEY),
        ("noKey", 401, errors.NO_CREDENTIALS),
        ("readOnly", 403, errors.MISSING_PERMISSION.format(permission="VariableEdit")),
        ("badToken", 401, errors.NO_CREDENTIALS),
    ],
)
def test_it_understands_refusals(summary: Json, refusal: str, status: int, message: str) -> None:
    assert summary["refusals"][refusal] == {
        "kind": "OctopusError",
        "status": status,
        "message": message,
        "errorMessage": message,
    }


def test_a_name_that_is_in_use_is_refused(summary: Json) -> None:
    refused = summary["refusals"]["nameInUse"]
    assert refused["status"] == 400
    assert refused["message"].startswith("A project with this name already exists.")


def test_a_space_that_it_cannot_see_does_not_exist_for_it(summary: Json) -> None:
    assert summary["refusals"]["missingSpace"]["message"] == "No spaces exist with name 'Nowhere'"


def test_it_works_with_an_access_token(summary: Json) -> None:
    assert summary["accountVersion"] == 3


def test_it_tells_failures_apart(summary: Json) -> None:
    assert summary["failures"] == [
        [400, "There was a problem with your request.\nThe first.\nThe second."],
        [500, "Request failed with status code 500"],
        [503, errors.UNAVAILABLE],
        [429, "Too many requests. Please try again later."],
        [401, errors.BAD_KEY],
        ["ECONNRESET", "socket hang up"],
    ]
    assert summary["user"]["IsService"] is True


def test_it_asks_what_we_believe_that_clients_ask(summary: Json, sandbox: Sandbox) -> None:
    assert summary["user"]
    asked = [
        f"{request.method} {request.path}{'?' if request.query else ''}{request.query}"
        for request in sandbox.requests()
    ]
    assert asked[:17] == [
        "GET /api",
        "GET /api/spaces?take=1",
        "GET /api/spaces/Spaces-1",
        "GET /api/spaces?partialName=Default&skip=0&take=2147483647",
        "GET /api/Spaces-1/projects",
        "GET /api/Spaces-1/projects?skip=1&take=1",
        "GET /api/Spaces-1/projects?partialName=Billing%20API",
        "GET /api/Spaces-1/projects/billing-api",
        "GET /api/Spaces-1/environments",
        "GET /api/Spaces-1/tagsets",
        f"GET {VARIABLES}",
        f"PUT {VARIABLES}",
        f"GET {VARIABLES}",
        f"GET {VARIABLES}",
        f"PUT {VARIABLES}",
        f"GET {VARIABLES}",
        f"GET {SET}",
    ]
