"""The sandbox's own routes: inspection, the log of requests, settings and load."""

import time

import httpx
import pytest
from starlette.types import Message

from secretsync_octopus_deploy.sandbox.app import create_app
from secretsync_octopus_deploy.sandbox.keys import ApiKeys

PATH = "/api/Spaces-1/projects/Projects-2/variables"


async def test_inspection_shows_what_is_stored(client: httpx.AsyncClient) -> None:
    rows = [
        {"Name": "Smtp.Host", "Value": "mail.example.com", "Type": "String"},
        {"Name": "Smtp.Password", "Value": "smtp-password", "Type": "Sensitive"},
    ]
    await client.put(PATH, json={"Version": 0, "Variables": rows})
    found = (await client.get("/sandbox/variablesets/variableset-Projects-2")).json()
    assert {key: value for key, value in found.items() if key != "Variables"} == {
        "Id": "variableset-Projects-2",
        "OwnerId": "Projects-2",
        "SpaceId": "Spaces-1",
        "Version": 1,
        "IsFrozen": False,
    }
    assert [(row["Name"], row["Value"]) for row in found["Variables"]] == [
        ("Smtp.Host", "mail.example.com"),
        ("Smtp.Password", "smtp-password"),
    ]


@pytest.mark.parametrize("path", ["", "/freeze"])
async def test_an_unknown_set_is_named(client: httpx.AsyncClient, path: str) -> None:
    method = "POST" if path else "GET"
    answer = await client.request(method, f"/sandbox/variablesets/variableset-X{path}")
    assert answer.status_code == 404
    assert answer.json()["ErrorMessage"] == "The resource 'variableset-X' was not found."


async def test_the_log_has_requests_and_no_bodies(client: httpx.AsyncClient) -> None:
    began = time.time()
    await client.get("/api/spaces?partialName=Default&skip=0")
    body = {"Version": 0, "Variables": [{"Name": "A", "Value": "hunter2", "Type": "Sensitive"}]}
    await client.put(PATH, json=body)
    await client.put(PATH, json=body)
    await client.get("/nowhere")
    answer = await client.get("/sandbox/requests")
    log = answer.json()
    times = [entry.pop("answered") for entry in log]
    assert began <= times[0]
    assert times == sorted(times)
    assert times[-1] <= time.time()
    assert log == [
        {
            "method": "GET",
            "path": "/api/spaces",
            "query": "partialName=Default&skip=0",
            "status": 200,
        },
        {"method": "PUT", "path": PATH, "query": "", "status": 200},
        {"method": "PUT", "path": PATH, "query": "", "status": 400},
        {"method": "GET", "path": "/nowhere", "query": "", "status": 404},
    ]
    assert "hunter2" not in answer.text
    assert (await client.delete("/sandbox/requests")).status_code == 204
    assert (await client.get("/sandbox/requests")).json() == []


async def test_requests_that_are_refused_are_logged(client: httpx.AsyncClient) -> None:
    await client.get("/api/users/me", headers={"X-Octopus-ApiKey": "API-WRONG"})
    rule = {"fault": {"kind": "status", "status": 503}}
    await client.post("/sandbox/faults", json=rule)
    await client.get("/api")
    rule = {"fault": {"kind": "empty_body"}}
    await client.post("/sandbox/faults", json=rule)
    await client.get("/api")
    log = (await client.get("/sandbox/requests")).json()
    assert [entry["status"] for entry in log] == [401, 503, 200]


async def test_projects_for_load(client: httpx.AsyncClient) -> None:
    body = {"count": 3, "prefix": "Load Test", "space": "Spaces-2"}
    answer = await client.post("/sandbox/projects", json=body)
    assert answer.status_code == 201
    added = answer.json()
    assert [(one["Id"], one["Name"], one["Slug"]) for one in added] == [
        ("Projects-5", "Load Test 00001", "load-test-00001"),
        ("Projects-6", "Load Test 00002", "load-test-00002"),
        ("Projects-7", "Load Test 00003", "load-test-00003"),
    ]
    found = await client.get("/api/Spaces-2/projects/load-test-00002/variables")
    assert (found.json()["Version"], found.json()["Variables"]) == (0, [])
    channels = await client.get("/api/Spaces-2/projects/Projects-6/channels")
    assert [one["Name"] for one in channels.json()["Items"]] == ["Default"]


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        ("POST", "projects", {"count": 0}, "count: Input should be greater"),
        ("POST", "projects", {"count": 10_001}, "count: Input should be less"),
        ("POST", "projects", {"count": 1, "prefix": ""}, "prefix: String should have"),
        ("PUT", "settings", {}, "refuse_unknown_scope_ids: Field required"),
        ("PUT", "settings", {"refuse_unknown_scope_ids": 1}, "refuse_unknown_scope_ids: Input"),
        ("PUT", "rate-limit", {"limit": 0, "per": 1.0}, "limit: Input should be greater"),
        ("PUT", "rate-limit", {"limit": 1, "per": 0.0}, "per: Input should be greater"),
        ("PUT", "rate-limit", {"limit": 1}, "per: Field required"),
        ("PUT", "rate-limit", {"limit": 1, "per": 1.0, "x": 1}, "x: Extra inputs"),
        ("PUT", "oidc", {"enabled": 1}, "enabled: Input should be a valid boolean"),
        ("PUT", "oidc", {"endpoint_path": "/api"}, "endpoint_path: String should match"),
        ("PUT", "oidc", {"x": 1}, "x: Extra inputs"),
        ("POST", "oidc/subject-tokens", {"token": ""}, "token: String should have"),
        ("POST", "oidc/subject-tokens", {"token": "a", "expires_in": 0}, "expires_in: Input"),
        ("POST", "oidc/subject-tokens", {"token": "a", "expires_in": 86_401}, "expires_in: Input"),
    ],
)
async def test_wrong_orders_are_refused(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, object], problem: str
) -> None:
    answer = await client.request(method, f"/sandbox/{path}", json=body)
    assert answer.status_code == 400
    (told,) = answer.json()["Errors"]
    assert told.startswith(problem)


async def test_other_protocols_pass_the_gate() -> None:
    app = create_app(ApiKeys("API-1"))
    incoming = iter(["lifespan.startup", "lifespan.shutdown"])
    sent: list[str] = []

    async def receive() -> Message:
        return {"type": next(incoming)}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
