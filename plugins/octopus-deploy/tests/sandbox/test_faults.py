"""Each way of misbehaving that works without a real connection."""

import asyncio
import json
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from secretsync_octopus_deploy.sandbox import errors
from secretsync_octopus_deploy.sandbox.app import create_app
from secretsync_octopus_deploy.sandbox.faults import Fault
from secretsync_octopus_deploy.sandbox.keys import ApiKeys

PATH = "/api/Spaces-1/projects/Projects-2/variables"
SHOP = "/api/Spaces-1/projects/Projects-1/variables"
BODY = {"Version": 0, "Variables": [{"Name": "A", "Value": "v", "Type": "String"}]}


async def add(
    client: httpx.AsyncClient, fault: dict[str, object], **rule: object
) -> dict[str, Any]:
    answer = await client.post("/sandbox/faults", json={"fault": fault, **rule})
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.json()
    return added


async def message_of(client: httpx.AsyncClient, method: str, path: str) -> tuple[int, str]:
    answer = await client.request(method, path, json=BODY if method == "PUT" else None)
    return answer.status_code, answer.json().get("ErrorMessage", "")


async def version(client: httpx.AsyncClient, set_id: str = "variableset-Projects-2") -> int:
    found: int = (await client.get(f"/sandbox/variablesets/{set_id}")).json()["Version"]
    return found


@pytest.mark.parametrize("status", [400, 409, 500, 502, 503, 599])
async def test_a_status_in_the_shape_of_octopus(client: httpx.AsyncClient, status: int) -> None:
    await add(client, {"kind": "status", "status": status, "message": "m"}, method="PUT")
    assert await message_of(client, "PUT", PATH) == (status, "m")
    assert await version(client) == 0
    assert (await client.put(PATH, json=BODY)).status_code == 200


async def test_503_is_what_a_status_says_by_default(client: httpx.AsyncClient) -> None:
    await add(client, {"kind": "status", "status": 503})
    assert await message_of(client, "GET", "/api") == (
        503,
        "Octopus Server is starting or in maintenance mode. Please try again later.",
    )


async def test_a_status_with_other_bodies(client: httpx.AsyncClient) -> None:
    await add(client, {"kind": "status", "status": 502, "body": "html"})
    answer = await client.get("/api")
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.startswith("<html>")
    await add(client, {"kind": "status", "status": 500, "body": "empty"})
    answer = await client.get("/api")
    assert (answer.status_code, answer.content) == (500, b"")
    headers = {"X-Given": "a b", "Content-Type": "text/plain"}
    given = {"kind": "status", "status": 418, "body": "given", "text": "t", "headers": headers}
    await add(client, given)
    answer = await client.get("/api")
    assert (answer.status_code, answer.text, answer.headers["x-given"]) == (418, "t", "a b")
    assert answer.headers["content-type"] == "text/plain"
    await add(client, {"kind": "status", "status": 204, "body": "empty"})
    assert (await client.get("/api")).status_code == 204


async def test_rate_limits(client: httpx.AsyncClient) -> None:
    await add(client, {"kind": "rate_limit", "retry_after": 3})
    answer = await client.get(PATH)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "3"
    assert answer.headers["octopus-ratelimit-policy"] == "l=200;rpm=600"
    assert answer.headers["octopus-ratelimit"] == "r=0;t=18"
    await add(client, {"kind": "rate_limit", "with_headers": False})
    answer = await client.get(PATH)
    assert answer.status_code == 429
    assert answer.json()["ErrorMessage"]
    names = {name.lower() for name in answer.headers}
    assert not names & {"retry-after", "octopus-ratelimit", "octopus-ratelimit-policy"}


@pytest.mark.parametrize(
    ("wording", "text"),
    [
        ("changed", "because another user has made changes to the variables between when you"),
        ("scopes", "because your available environment scopes changed while you were editing"),
        (
            "out_of_date",
            "because submitted data was out of date. Refresh the document and try again.",
        ),
    ],
)
@pytest.mark.parametrize("status", [400, 409])
async def test_version_conflicts(
    client: httpx.AsyncClient, wording: str, text: str, status: int
) -> None:
    fault = {"kind": "version_conflict", "wording": wording, "status": status}
    await add(client, fault)
    await add(client, {**fault, "in_errors": True})
    assert (await client.get(PATH)).status_code == 200
    answer = await client.put(PATH, json=BODY)
    assert answer.status_code == status
    assert text in answer.json()["ErrorMessage"]
    answer = await client.put(PATH, json=BODY)
    assert answer.status_code == status
    assert text not in answer.json()["ErrorMessage"]
    assert text in answer.json()["Errors"][0]
    assert await version(client) == 0
    assert (await client.put(PATH, json=BODY)).status_code == 200


async def test_a_key_expires_out_of_nowhere(client: httpx.AsyncClient) -> None:
    assert (await client.get(PATH)).status_code == 200
    await add(client, {"kind": "expired_key"}, times=None)
    for path in (PATH, "/api/users/me", SHOP):
        status, message = await message_of(client, "GET", path)
        assert (status, message) == (401, errors.BAD_KEY)


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_turns_read_only(client: httpx.AsyncClient, status: int) -> None:
    await add(client, {"kind": "read_only", "status": status}, times=None)
    assert (await client.get(PATH)).status_code == 200
    assert await message_of(client, "PUT", PATH) == (
        status,
        errors.MISSING_PERMISSION.format(permission="VariableEdit"),
    )
    await client.delete("/sandbox/faults")
    await add(client, {"kind": "read_only", "permission": "VariableEditUnscoped"})
    assert "VariableEditUnscoped" in (await message_of(client, "PUT", PATH))[1]


async def test_redirects(client: httpx.AsyncClient) -> None:
    await add(client, {"kind": "redirect", "location": "http://elsewhere.example/api"})
    answer = await client.get("/api/users/me")
    assert answer.status_code == 302
    assert answer.headers["location"] == "http://elsewhere.example/api"
    await add(client, {"kind": "redirect", "location": "/login", "status": 307})
    assert (await client.get("/api/users/me")).status_code == 307


async def test_truncated_json_and_empty_bodies_follow_the_handling(
    client: httpx.AsyncClient,
) -> None:
    whole = (await client.get(PATH)).content
    await add(client, {"kind": "truncated_json"}, method="GET")
    answer = await client.get(PATH)
    assert (answer.status_code, answer.content) == (200, whole[: len(whole) // 2])
    assert answer.headers["content-length"] == str(len(answer.content))
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    await add(client, {"kind": "empty_body"}, method="PUT")
    answer = await client.put(PATH, json=BODY)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "0"
    assert await version(client) == 1


async def test_a_slow_body_arrives_whole(client: httpx.AsyncClient) -> None:
    whole = (await client.get(PATH)).content
    await add(client, {"kind": "slow_body", "seconds": 0.01, "pieces": 7})
    assert (await client.get(PATH)).content == whole


async def test_somebody_else_edits_just_before_a_put(client: httpx.AsyncClient) -> None:
    await add(client, {"kind": "concurrent_edit"})
    assert (await client.get(PATH)).json()["Version"] == 0
    assert await message_of(client, "PUT", PATH) == (400, errors.VERSION_CONFLICTS["changed"])
    found = (await client.get(PATH)).json()
    assert found["Version"] == 1
    (row,) = found["Variables"]
    assert (row["Name"], row["Value"], row["Type"]) == (
        "Foreign.Edit",
        "edited by somebody else",
        "String",
    )
    # A second edit of the same variable changes it in place; another name adds another.
    await add(client, {"kind": "concurrent_edit", "value": "again"})
    await add(client, {"kind": "concurrent_edit", "name": "Other"})
    answer = await client.put(PATH, json={**BODY, "Version": 1})
    assert answer.status_code == 400
    found = (await client.get(PATH)).json()
    assert found["Version"] == 3
    assert [(one["Name"], one["Value"]) for one in found["Variables"]] == [
        ("Foreign.Edit", "again"),
        ("Other", "edited by somebody else"),
    ]
    assert found["Variables"][0]["Id"] == row["Id"]


async def test_hidden_rows_survive_a_put(client: httpx.AsyncClient) -> None:
    before = (await client.get("/sandbox/variablesets/variableset-Projects-1")).json()
    hide: dict[str, object] = {"kind": "hide_rows", "names": ["DB.Password", "Site.Title"]}
    await add(client, hide, path="/Projects-1/", times=None)
    seen = (await client.get(SHOP)).json()
    assert {"DB.Password", "Site.Title"}.isdisjoint(row["Name"] for row in seen["Variables"])
    assert len(seen["Variables"]) == len(before["Variables"]) - 4
    body = {"Version": seen["Version"], "Variables": seen["Variables"][:1]}
    assert (await client.put(SHOP, json=body)).status_code == 200
    assert len((await client.get(SHOP)).json()["Variables"]) == 1
    await client.delete("/sandbox/faults")
    after = (await client.get("/sandbox/variablesets/variableset-Projects-1")).json()
    hidden = [row for row in before["Variables"] if row["Name"] in {"DB.Password", "Site.Title"}]
    assert after["Variables"] == [*seen["Variables"][:1], *hidden]


async def test_a_hidden_row_whose_id_is_sent_is_replaced(client: httpx.AsyncClient) -> None:
    await add(client, {"kind": "hide_rows", "names": ["Site.Title"]}, times=None)
    seen = (await client.get(SHOP)).json()
    row = {
        "Id": "5eed0000-0000-4000-8000-000000000001",
        "Name": "Site.Title",
        "Type": "String",
        "Value": "new",
    }
    body = {"Version": seen["Version"], "Variables": [*seen["Variables"], row]}
    assert (await client.put(SHOP, json=body)).status_code == 200
    after = (await client.get("/sandbox/variablesets/variableset-Projects-1")).json()["Variables"]
    assert [one["Value"] for one in after if one["Name"] == "Site.Title"] == ["new"]


async def test_hidden_spaces_are_absent_from_lists(client: httpx.AsyncClient) -> None:
    await add(client, {"kind": "hide_spaces", "ids": ["Spaces-1"]}, times=2)
    assert [one["Id"] for one in (await client.get("/api/spaces")).json()["Items"]] == ["Spaces-2"]
    assert [one["Id"] for one in (await client.get("/api/spaces/all")).json()] == ["Spaces-2"]
    assert (await client.get("/api/spaces")).json()["TotalResults"] == 2


async def test_delays_pass(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await add(client, {"kind": "delay", "seconds": 60})
    await add(client, {"kind": "delay", "seconds": 90, "after": True})
    assert (await client.put(PATH, json=BODY)).status_code == 200
    assert [seconds for seconds in slept if seconds] == [60, 90]


async def test_without_a_connection_a_cut_is_an_exception(client: httpx.AsyncClient) -> None:
    await add(client, {"kind": "cut_connection"})
    with pytest.raises(ConnectionAbortedError, match="cut by the sandbox"):
        await client.get(PATH)


async def test_answers_queue_up_and_effects_add_up(client: httpx.AsyncClient) -> None:
    await add(client, {"kind": "hide_rows", "names": ["Site.Title"]}, times=2, path="Projects-1")
    await add(client, {"kind": "status", "status": 500})
    await add(client, {"kind": "truncated_json"})
    await add(client, {"kind": "status", "status": 503})
    # The first answer ends the list: the truncation and the second answer wait.
    assert (await client.get(SHOP)).status_code == 500
    assert (await client.get(SHOP)).status_code == 503
    assert (await client.get(SHOP)).status_code == 200
    assert (await client.get("/sandbox/faults")).json() == []


async def test_rules_choose_their_requests(client: httpx.AsyncClient) -> None:
    fault = {"kind": "status", "status": 500}
    await add(client, fault, method="PUT", path=r"Projects-2/variables$", skip=1, times=2)
    assert (await client.get(PATH)).status_code == 200
    shop = (await client.get(SHOP)).json()
    assert (await client.put(SHOP, json=shop)).status_code == 200
    statuses = [(await client.put(PATH, json=BODY)).status_code for _ in range(4)]
    assert statuses == [200, 500, 500, 400]


async def test_the_queue_shows_what_is_left(client: httpx.AsyncClient) -> None:
    rule = await add(client, {"kind": "expired_key"}, method="GET", path="x", skip=1, times=2)
    assert rule == {
        "method": "GET",
        "path": "x",
        "skip": 1,
        "times": 2,
        "fault": {"kind": "expired_key"},
    }
    for _ in range(2):
        await client.get("/x")
    assert (await client.get("/sandbox/faults")).json() == [{**rule, "skip": 0, "times": 1}]
    assert (await client.delete("/sandbox/faults")).status_code == 204
    assert (await client.get("/sandbox/faults")).json() == []


async def test_faults_leave_the_sandboxs_own_routes_alone(client: httpx.AsyncClient) -> None:
    await add(client, {"kind": "status", "status": 500}, times=None)
    assert (await client.get("/sandbox/requests")).status_code == 200
    assert (await client.delete("/sandbox/faults")).status_code == 204


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "fault: Field required"),
        ({"fault": {"kind": "x"}}, "fault: Input tag 'x' found"),
        ({"fault": {}}, "fault: Unable to extract tag"),
        ({"fault": {"kind": "expired_key", "x": 1}}, "fault.expired_key.x: Extra inputs"),
        ({"fault": {"kind": "expired_key"}, "x": 1}, "x: Extra inputs"),
        ({"fault": {"kind": "expired_key"}, "times": 0}, "times: Input should be greater"),
        ({"fault": {"kind": "expired_key"}, "times": "1"}, "times: Input should be a valid int"),
        ({"fault": {"kind": "expired_key"}, "skip": -1}, "skip: Input should be greater"),
        ({"fault": {"kind": "expired_key"}, "method": "get"}, "method: Input should be 'GET'"),
        ({"fault": {"kind": "expired_key"}, "path": "("}, "path: Value error, not a regular"),
        ({"fault": {"kind": "status"}}, "fault.status.status: Field required"),
        ({"fault": {"kind": "status", "status": 99}}, "fault.status.status: Input should be"),
        ({"fault": {"kind": "status", "status": 204}}, "a 204 has no body: say body=empty"),
        (
            {"fault": {"kind": "status", "status": 500, "headers": {"a b": "c"}}},
            "fault.status.headers.a b.[key]: String should match",
        ),
        (
            {"fault": {"kind": "status", "status": 500, "headers": {"a": "c\r\nx: y"}}},
            "fault.status.headers.a: String should match",
        ),
        ({"fault": {"kind": "redirect"}}, "fault.redirect.location: Field required"),
        ({"fault": {"kind": "delay", "seconds": 121}}, "fault.delay.seconds: Input should be"),
        ({"fault": {"kind": "hide_rows", "names": []}}, "fault.hide_rows.names: List should"),
    ],
)
async def test_wrong_faults_are_refused(
    client: httpx.AsyncClient, body: dict[str, object], problem: str
) -> None:
    answer = await client.post("/sandbox/faults", json=body)
    assert answer.status_code == 400
    (told,) = answer.json()["Errors"]
    assert problem in told
    assert (await client.get("/sandbox/faults")).json() == []


async def test_a_failure_of_the_sandbox_is_reported_without_its_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = create_app(ApiKeys("API-1"))
    # A world that is broken from within stands for a bug nobody has found yet.
    app.state.world.sets["variableset-Projects-2"].rows = "hunter2"
    transport = httpx.ASGITransport(app)
    headers = {"X-Octopus-ApiKey": "API-1"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://sandbox", headers=headers
    ) as client:
        answer = await client.get(PATH)
        log = (await client.get("/sandbox/requests")).json()
    assert answer.status_code == 500
    assert answer.json()["ErrorMessage"] == "The sandbox failed. See its output."
    assert log[-1]["status"] == 500
    told = capsys.readouterr().err
    assert told.startswith("AttributeError\n")
    assert "routes.py" in told
    assert "hunter2" not in told + answer.text


def test_every_kind_of_fault_is_documented_with_its_fields() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    table = readme.split("| `kind` |")[1].split("\n\n")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]
    documented = {row[0].strip("| `"): row[2] for row in rows}
    fields = {
        get_args(kind.model_fields["kind"].annotation)[0]: kind.model_fields.keys() - {"kind"}
        for kind in get_args(Fault)
    }
    assert documented.keys() == fields.keys()
    for kind, names in fields.items():
        assert {name for name in names if f"`{name}`" not in documented[kind]} == set(), kind
