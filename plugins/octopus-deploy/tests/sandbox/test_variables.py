"""Variable sets: what a PUT stores, keeps, deletes and refuses."""

import asyncio
import uuid
from typing import Any

import httpx
import pytest

Row = dict[str, Any]

PATH = "/api/Spaces-1/projects/Projects-2/variables"
BY_ID = "/api/Spaces-1/variables/variableset-Projects-2"
LIBRARY = "/api/Spaces-1/variables/variableset-LibraryVariableSets-2"
SHOP = "/api/Spaces-1/projects/Projects-1/variables"
CHANGED = (
    "Changes to these variables could not be saved, because another user has made changes to the "
    "variables between when you started editing and when you saved your changes. "
    "Please reload or open a new tab to make your changes."
)


async def read(client: httpx.AsyncClient, path: str = PATH) -> dict[str, Any]:
    answer = await client.get(path)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def put(client: httpx.AsyncClient, *rows: Row, path: str = PATH) -> httpx.Response:
    """Replace the rows, on top of the current version."""
    body = {"Version": (await read(client, path))["Version"], "Variables": list(rows)}
    return await client.put(path, json=body)


async def stored(client: httpx.AsyncClient, path: str = PATH) -> list[Row]:
    set_id = (await read(client, path))["Id"]
    rows: list[Row] = (await client.get(f"/sandbox/variablesets/{set_id}")).json()["Variables"]
    return rows


def text(name: str, value: str | None = "v", **fields: object) -> Row:
    return {"Name": name, "Value": value, "Type": "String", **fields}


def secret(value: str | None, **fields: object) -> Row:
    return {"Name": "S", "Value": value, "Type": "Sensitive", "IsSensitive": True, **fields}


async def refused(client: httpx.AsyncClient, *rows: Row, path: str = PATH) -> dict[str, Any]:
    """The body of the 400 that answers `rows`, after which nothing has changed."""
    before = await read(client, path)
    answer = await put(client, *rows, path=path)
    assert answer.status_code == 400, answer.text
    assert await read(client, path) == before
    body: dict[str, Any] = answer.json()
    return body


async def test_the_shape_of_a_set(client: httpx.AsyncClient) -> None:
    found = await read(client, SHOP)
    assert found.keys() == {
        "Id",
        "OwnerId",
        "SpaceId",
        "Version",
        "Variables",
        "ScopeValues",
        "Links",
    }
    assert found["Id"] == "variableset-Projects-1"
    assert found["OwnerId"] == "Projects-1"
    assert found["SpaceId"] == "Spaces-1"
    assert found["Version"] == 1
    assert found["Links"] == {"Self": SHOP}
    for row in found["Variables"]:
        assert row.keys() >= {
            "Id",
            "Name",
            "Value",
            "Description",
            "Scope",
            "IsEditable",
            "Prompt",
            "Type",
            "IsSensitive",
        }


async def test_the_seed_has_rows_of_every_kind(client: httpx.AsyncClient) -> None:
    rows = (await read(client, SHOP))["Variables"]
    passwords = [row for row in rows if row["Name"] == "DB.Password"]
    assert [row["Scope"] for row in passwords] == [
        {"Environment": ["Environments-1"]},
        {"Environment": ["Environments-2"]},
        {"Environment": ["Environments-2"], "Role": ["web-server"]},
    ]
    assert {(row["Value"], row["Type"], row["IsSensitive"]) for row in passwords} == {
        (None, "Sensitive", True)
    }
    by_name = {row["Name"]: row for row in rows}
    assert by_name["Release.Ticket"]["Prompt"]["Required"] is True
    assert by_name["Site.Certificate"]["Type"] == "Certificate"
    assert by_name["Cloud.Account"]["Type"] == "AmazonWebServicesAccount"
    flags = by_name["Feature.Flags"]
    assert flags["IsEditable"] is False
    assert flags["Notes"] == "a field that newer servers have"
    assert flags["Scope"]["ParentDeployment"] == ["Deployments-1"]
    values = [row["Value"] for row in await stored(client, SHOP) if row["Name"] == "DB.Password"]
    assert values == ["dev-password", "prod-password", "web-prod-password"]


async def test_scope_values_come_from_the_space_and_the_project(
    client: httpx.AsyncClient,
) -> None:
    values = (await read(client, SHOP))["ScopeValues"]
    assert values == {
        "Environments": [
            {"Id": "Environments-1", "Name": "Development"},
            {"Id": "Environments-2", "Name": "Production"},
            {"Id": "Environments-3", "Name": "Staging"},
        ],
        "Machines": [
            {"Id": "Machines-1", "Name": "web-dev"},
            {"Id": "Machines-2", "Name": "web-prod"},
            {"Id": "Machines-3", "Name": "db-prod"},
        ],
        "Actions": [
            {"Id": "0b1f3f0e-2f6c-4f6e-9d0a-6f1f6c0d5a02", "Name": "Deploy web site"},
            {"Id": "0b1f3f0e-2f6c-4f6e-9d0a-6f1f6c0d5a04", "Name": "Migrate database"},
            {"Id": "0b1f3f0e-2f6c-4f6e-9d0a-6f1f6c0d5a06", "Name": "Restart"},
        ],
        "Roles": [
            {"Id": "database", "Name": "database"},
            {"Id": "web-server", "Name": "web-server"},
        ],
        "Channels": [
            {"Id": "Channels-1", "Name": "Default"},
            {"Id": "Channels-2", "Name": "Hotfix"},
        ],
        "TenantTags": [
            {"Id": "Region/EU", "Name": "EU"},
            {"Id": "Region/US", "Name": "US"},
        ],
        "Processes": [
            {"Id": "Projects-1", "Name": "Deployment process", "ProcessType": "Deployment"},
            {"Id": "Runbooks-1", "Name": "Restart web servers", "ProcessType": "Runbook"},
            {"Id": "Runbooks-2", "Name": "Rotate certificates", "ProcessType": "Runbook"},
        ],
    }


async def test_a_library_set_has_no_project_to_scope_to(client: httpx.AsyncClient) -> None:
    found = await read(client, LIBRARY)
    assert found["Links"] == {"Self": LIBRARY}
    for kind in ("Actions", "Channels", "Processes"):
        assert found["ScopeValues"][kind] == []
    assert len(found["ScopeValues"]["Environments"]) == 3


@pytest.mark.parametrize(
    ("key", "what"), [("Action", "steps"), ("ProcessOwner", "processes"), ("Channel", "channels")]
)
async def test_a_library_set_refuses_scopes_of_projects(
    client: httpx.AsyncClient, key: str, what: str
) -> None:
    body = await refused(client, text("A", Scope={key: ["x"]}), path=LIBRARY)
    assert body["ErrorMessage"] == "Variable validation failed."
    assert body["Errors"] == [f"Library variable sets cannot be scoped to {what}."]
    fine = text("A", Scope={"Environment": ["Environments-1"], key: []})
    assert (await put(client, fine, path=LIBRARY)).status_code == 200


async def test_put_answers_differ_by_path(client: httpx.AsyncClient) -> None:
    answer = await put(client, text("A"))
    assert (answer.status_code, answer.json()) == (200, {})
    answer = await put(client, text("A"), text("B"), path=BY_ID)
    assert answer.status_code == 200
    found = await read(client)
    assert answer.json() == {**found, "ScopeValues": None}
    assert found["Version"] == 2
    assert [row["Name"] for row in found["Variables"]] == ["A", "B"]


async def test_the_version_counts_accepted_puts(client: httpx.AsyncClient) -> None:
    assert (await read(client))["Version"] == 0
    for expected in (1, 2, 3):
        await put(client)
        assert (await read(client))["Version"] == expected


@pytest.mark.parametrize("version", [0, 2, -1])
@pytest.mark.parametrize("path", [PATH, BY_ID])
async def test_any_other_version_is_stale(
    client: httpx.AsyncClient, version: int, path: str
) -> None:
    await put(client, text("A"))
    before = await read(client)
    answer = await client.put(path, json={"Version": version, "Variables": []})
    assert (answer.status_code, answer.json()["ErrorMessage"]) == (400, CHANGED)
    assert await read(client) == before


async def test_no_version_is_version_zero(client: httpx.AsyncClient) -> None:
    assert (await client.put(PATH, json={"Variables": []})).status_code == 200
    answer = await client.put(PATH, json={"Variables": []})
    assert answer.json()["ErrorMessage"] == CHANGED


async def test_of_concurrent_puts_one_wins(client: httpx.AsyncClient) -> None:
    bodies = [{"Version": 0, "Variables": [text(f"N{number}")]} for number in range(20)]
    answers = await asyncio.gather(*(client.put(PATH, json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19
    found = await read(client)
    assert (found["Version"], len(found["Variables"])) == (1, 1)


async def test_new_rows_get_ids(client: httpx.AsyncClient) -> None:
    await put(client, text("A"), text("A", Id=None), text("A", Id=""), text("A", Id="no-guid"))
    ids = [row["Id"] for row in (await read(client))["Variables"]]
    assert len(set(ids)) == 4
    assert [str(uuid.UUID(one)) for one in ids] == ids


async def test_a_guid_is_kept_even_if_unknown(client: httpx.AsyncClient) -> None:
    guid = str(uuid.uuid4())
    await put(client, text("A", Id=guid))
    assert [row["Id"] for row in (await read(client))["Variables"]] == [guid]


async def test_ids_stay_and_missing_rows_go(client: httpx.AsyncClient) -> None:
    await put(client, text("A"), text("B"), text("C"))
    first, second, third = (await read(client))["Variables"]
    await put(client, {**third, "Name": "C2"}, first)
    assert (await read(client))["Variables"] == [{**third, "Name": "C2"}, first]
    assert second not in (await read(client))["Variables"]


async def test_rows_come_back_as_sent(client: httpx.AsyncClient) -> None:
    row = text(
        "Any name: ü {{x}} #{y}",
        'line\r\nline\n ü \U0001f419 "quoted" ',
        Id=str(uuid.uuid4()),
        Description="d",
        Scope={"Environment": ["Environments-1"], "NewerKey": ["x"], "Empty": []},
        IsEditable=False,
        Prompt=None,
        IsSensitive=False,
        Newer={"nested": [1, None]},
        NewerNull=None,
    )
    await put(client, row)
    assert (await read(client))["Variables"] == [row]
    assert await stored(client) == [row]


async def test_absent_fields_get_defaults(client: httpx.AsyncClient) -> None:
    await put(client, {"Name": "A", "Type": "String"}, text("B", None, Scope=None))
    for row in (await read(client))["Variables"]:
        assert {key: row[key] for key in row if key not in {"Id", "Name"}} == {
            "Value": None,
            "Description": None,
            "Scope": {},
            "IsEditable": True,
            "Prompt": None,
            "Type": "String",
            "IsSensitive": False,
        }


async def test_the_same_name_and_scope_twice_is_accepted(client: httpx.AsyncClient) -> None:
    assert (await put(client, text("A"), text("A"), text("a"))).status_code == 200
    assert [row["Name"] for row in (await read(client))["Variables"]] == ["A", "A", "a"]


@pytest.mark.parametrize("empty", [None, ""])
async def test_sensitive_with_id_and_no_value_keeps_the_stored(
    client: httpx.AsyncClient, empty: str | None
) -> None:
    await put(client, secret("old"))
    (row,) = (await read(client))["Variables"]
    assert row["Value"] is None
    await put(client, {**row, "Value": empty, "Name": "Renamed"})
    (kept,) = await stored(client)
    assert (kept["Id"], kept["Name"], kept["Value"]) == (row["Id"], "Renamed", "old")


async def test_sensitive_with_id_and_value_stores_it(client: httpx.AsyncClient) -> None:
    await put(client, secret("old"))
    (row,) = (await read(client))["Variables"]
    await put(client, {**row, "Value": "new"})
    (changed,) = await stored(client)
    assert (changed["Id"], changed["Value"]) == (row["Id"], "new")


@pytest.mark.parametrize("empty", [None, ""])
async def test_sensitive_without_id_and_value_is_stored_empty(
    client: httpx.AsyncClient, empty: str | None
) -> None:
    await put(client, secret("old"))
    answer = await put(client, secret(empty))
    assert answer.status_code == 200
    (row,) = await stored(client)
    assert row["Value"] == ""


async def test_sensitive_without_id_and_with_value_is_new(client: httpx.AsyncClient) -> None:
    await put(client, secret("old"))
    (old,) = (await read(client))["Variables"]
    await put(client, old, secret("new"))
    assert [row["Value"] for row in await stored(client)] == ["old", "new"]
    assert (await stored(client))[1]["Id"] != old["Id"]


async def test_sensitive_with_an_unknown_id_and_no_value_is_empty(
    client: httpx.AsyncClient,
) -> None:
    guid = str(uuid.uuid4())
    await put(client, secret(None, Id=guid))
    (row,) = await stored(client)
    assert (row["Id"], row["Value"]) == (guid, "")


@pytest.mark.parametrize(
    "fields",
    [
        {"Type": "Sensitive"},
        {"Type": "Sensitive", "IsSensitive": False},
        {"Type": "String", "IsSensitive": True},
    ],
)
async def test_either_mark_makes_a_row_sensitive(
    client: httpx.AsyncClient, fields: dict[str, object]
) -> None:
    await put(client, {"Name": "S", "Value": "hidden-value", **fields})
    answer = await client.get(PATH)
    assert "hidden-value" not in answer.text
    (row,) = answer.json()["Variables"]
    assert (row["Value"], row["Type"], row["IsSensitive"]) == (None, "Sensitive", True)
    assert (await stored(client))[0]["Value"] == "hidden-value"


async def test_a_text_row_becomes_sensitive_in_place(client: httpx.AsyncClient) -> None:
    await put(client, text("S", "plain"))
    (row,) = (await read(client))["Variables"]
    await put(client, {**row, "Type": "Sensitive", "IsSensitive": True, "Value": None})
    (kept,) = await stored(client)
    assert (kept["Id"], kept["Value"], kept["IsSensitive"]) == (row["Id"], "plain", True)


async def test_a_sensitive_row_turned_text_does_not_show_its_value(
    client: httpx.AsyncClient,
) -> None:
    await put(client, secret("old"))
    (row,) = (await read(client))["Variables"]
    await put(client, {**row, "Type": "String", "IsSensitive": False})
    (shown,) = (await read(client))["Variables"]
    assert shown["Value"] is None
    assert (await stored(client))[0]["Value"] is None


async def test_ids_must_be_unique(client: httpx.AsyncClient) -> None:
    guid = str(uuid.uuid4())
    body = await refused(client, text("A", Id=guid), text("B", Id=guid))
    assert body["ErrorMessage"] == "Variable ids must be unique."


async def test_a_row_without_type_fails_like_the_server(client: httpx.AsyncClient) -> None:
    for row in ({"Name": "A", "Value": "v"}, text("A", Type=None)):
        answer = await put(client, row)
        assert answer.status_code == 500
        body = answer.json()
        assert body["ErrorMessage"] == "Object reference not set to an instance of an object."
        assert body["FullException"].startswith("System.NullReferenceException: ")
    assert (await read(client))["Version"] == 0


async def test_prompted_rows_may_have_environments_only(client: httpx.AsyncClient) -> None:
    prompt = {"Label": "L", "Required": False}
    scope = {"Environment": ["Environments-1"]}
    assert (await put(client, text("A", Prompt=prompt, Scope=scope))).status_code == 200
    body = await refused(client, text("A", Prompt=prompt, Scope={**scope, "Role": ["web-server"]}))
    assert body["ErrorMessage"] == (
        "Prompted variables cannot be scoped to anything except an environment."
    )


async def test_a_frozen_set_refuses_everything(client: httpx.AsyncClient) -> None:
    path = "/sandbox/variablesets/variableset-Projects-2"
    assert (await client.post(f"{path}/freeze")).status_code == 204
    assert (await client.get(path)).json()["IsFrozen"] is True
    body = await refused(client, text("A"))
    assert body["ErrorMessage"].startswith(
        "You cannot modify this variable set because the set is frozen."
    )
    assert (await client.delete(f"{path}/freeze")).status_code == 204
    assert (await put(client, text("A"))).status_code == 200


async def test_unknown_scope_ids_are_accepted_unless_told_otherwise(
    client: httpx.AsyncClient,
) -> None:
    row = text("A", Scope={"Environment": ["Environments-1", "Environments-9"], "Newer": ["x"]})
    assert (await put(client, row)).status_code == 200
    await client.put("/sandbox/settings", json={"refuse_unknown_scope_ids": True})
    body = await refused(client, row, row)
    assert body["ErrorMessage"] == "Variable validation failed."
    assert body["Errors"] == ["The Environment scope value 'Environments-9' does not exist."]
    row["Scope"]["Environment"].remove("Environments-9")
    assert (await put(client, row)).status_code == 200


@pytest.mark.parametrize(
    "scope",
    [
        {"Machine": ["Machines-1"]},
        {"Action": ["0b1f3f0e-2f6c-4f6e-9d0a-6f1f6c0d5a02"]},
        {"Role": ["database"]},
        {"Channel": ["Channels-2"]},
        {"TenantTag": ["Region/EU"]},
        {"ProcessOwner": ["Projects-1", "Runbooks-2"]},
    ],
)
async def test_every_kind_of_scope_value_is_known(
    client: httpx.AsyncClient, scope: dict[str, list[str]]
) -> None:
    await client.put("/sandbox/settings", json={"refuse_unknown_scope_ids": True})
    assert (await put(client, text("A", Scope=scope), path=SHOP)).status_code == 200
    key = next(iter(scope))
    body = await refused(client, text("A", Scope={key: ["absent"]}), path=SHOP)
    assert body["Errors"] == [f"The {key} scope value 'absent' does not exist."]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"Name": None}, "A variable must have a name."),
        ({"Name": ""}, "A variable must have a name."),
        ({"Value": 7}, "Value of a variable must be text."),
        ({"Id": 7}, "Id of a variable must be text."),
        ({"IsSensitive": "yes"}, "IsSensitive of a variable must be true or false."),
        ({"Prompt": []}, "Prompt of a variable must be an object."),
        ({"Scope": []}, "Scope of a variable must map scope names to lists of ids."),
        ({"Scope": {"Role": "x"}}, "Scope of a variable must map scope names to lists of ids."),
        ({"Scope": {"Role": [1]}}, "Scope of a variable must map scope names to lists of ids."),
    ],
)
async def test_rows_of_a_wrong_shape_are_refused(
    client: httpx.AsyncClient, fields: dict[str, object], problem: str
) -> None:
    body = await refused(client, {**text("A"), **fields})
    assert (body["ErrorMessage"], body["Errors"]) == ("Variable validation failed.", [problem])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The request body is not valid JSON."),
        (b'{"Version":0,"Variables":[hunter2', "The request body is not valid JSON."),
        (b'{"Version":NaN,"Variables":[]}', "The request body is not valid JSON."),
        (b"\xff", "The request body is not valid JSON."),
        (b"[]", "The request body must be a JSON object."),
        (b'{"Version":0}', "Variables must be a list of variables."),
        (b'{"Version":0,"Variables":{}}', "Variables must be a list of variables."),
        (b'{"Version":0,"Variables":["x"]}', "Variables must be a list of variables."),
        (b'{"Version":"0","Variables":[]}', "Version must be an integer."),
        (b'{"Version":false,"Variables":[]}', "Version must be an integer."),
    ],
)
async def test_bodies_of_a_wrong_shape_are_refused(
    client: httpx.AsyncClient, content: bytes, message: str
) -> None:
    answer = await client.put(PATH, content=content)
    assert (answer.status_code, answer.json()["ErrorMessage"]) == (400, message)
    assert (await read(client))["Version"] == 0


async def test_a_lone_surrogate_does_not_break_the_answer(client: httpx.AsyncClient) -> None:
    content = b'{"Version":0,"Variables":[{"Name":"A","Type":"String","Value":"x\\ud800y"}]}'
    assert (await client.put(PATH, content=content)).status_code == 200
    assert (await read(client))["Variables"][0]["Value"] == "x?y"


async def test_git_projects_take_sensitive_rows_at_the_same_path(
    client: httpx.AsyncClient,
) -> None:
    path = "/api/Spaces-1/projects/Projects-3/variables"
    (row,) = (await read(client, path))["Variables"]
    assert (await put(client, row, secret("new"), path=path)).status_code == 200
    assert [one["Value"] for one in await stored(client, path)] == ["inventory-token", "new"]


async def test_twenty_thousand_rows(client: httpx.AsyncClient) -> None:
    rows = [secret(f"value-{number}", Name=f"K{number}") for number in range(20_000)]
    assert (await put(client, *rows)).status_code == 200
    found = (await read(client))["Variables"]
    assert [row["Name"] for row in found] == [row["Name"] for row in rows]
    assert (await put(client, *found)).status_code == 200
    assert [row["Value"] for row in await stored(client)] == [row["Value"] for row in rows]


GIT = "/api/Spaces-1/projects/Projects-3/{}/variables"


@pytest.mark.parametrize("git_ref", ["main", "refs%2Fheads%2Fmain"])
async def test_text_variables_in_git_have_a_path_of_their_own(
    client: httpx.AsyncClient, git_ref: str
) -> None:
    in_git = await read(client, GIT.format(git_ref))
    assert [(row["Name"], row["Value"], row["Type"]) for row in in_git["Variables"]] == [
        ("Inventory.BaseUrl", "https://inventory.example.com", "String"),
        ("Inventory.PageSize", "50", "String"),
    ]
    assert (in_git["Id"], in_git["OwnerId"]) == ("variableset-Projects-3", "Projects-3")
    assert in_git["Links"] == {"Self": GIT.format("refs%2Fheads%2Fmain")}
    assert len(in_git["ScopeValues"]["Environments"]) == 3
    in_database = await read(client, "/api/Spaces-1/projects/Projects-3/variables")
    assert [row["Name"] for row in in_database["Variables"]] == ["Inventory.ApiToken"]


async def test_a_commit_changes_the_branch_and_not_the_database(
    client: httpx.AsyncClient,
) -> None:
    path = GIT.format("main")
    before = await read(client, "/api/Spaces-1/projects/Projects-3/variables")
    answer = await put(client, text("Inventory.ApiToken", "plain"), path=path)
    assert (answer.status_code, answer.json()) == (200, {})
    assert [row["Value"] for row in (await read(client, path))["Variables"]] == ["plain"]
    assert await read(client, "/api/Spaces-1/projects/Projects-3/variables") == before
    stale = await client.put(path, json={"Version": 1, "Variables": []})
    assert (stale.status_code, stale.json()["ErrorMessage"]) == (400, CHANGED)


async def test_git_takes_no_sensitive_variables(client: httpx.AsyncClient) -> None:
    path = GIT.format("main")
    body = await refused(client, text("A"), secret("hunter2"), path=path)
    assert body["ErrorMessage"] == "Sensitive variables cannot be stored in a Git repository."
    answer = await client.put(path, json={"Version": 1, "Variables": ["x"]})
    assert answer.status_code == 400
    assert answer.json()["ErrorMessage"] == "Variables must be a list of variables."


@pytest.mark.parametrize(("project", "git_ref"), [("Projects-3", "absent"), ("Projects-1", "main")])
async def test_a_branch_that_does_not_exist_is_not_found(
    client: httpx.AsyncClient, project: str, git_ref: str
) -> None:
    answer = await client.get(f"/api/Spaces-1/projects/{project}/{git_ref}/variables")
    assert answer.status_code == 404
    assert answer.json()["ErrorMessage"] == f"The resource '{git_ref}' was not found."


async def test_library_rows_can_be_scoped_to_tenant_tags(client: httpx.AsyncClient) -> None:
    path = "/api/Spaces-1/variables/variableset-LibraryVariableSets-1"
    found = await read(client, path)
    assert [(row["Name"], row["Scope"], row["IsSensitive"]) for row in found["Variables"]] == [
        ("Smtp.Host", {}, False),
        ("Smtp.Password", {}, True),
        ("Smtp.Host", {"TenantTag": ["Region/EU"]}, False),
        (
            "Smtp.Password",
            {"Environment": ["Environments-2"], "TenantTag": ["Region/EU"]},
            True,
        ),
    ]
    assert {"Id": "Region/EU", "Name": "EU"} in found["ScopeValues"]["TenantTags"]
