"""Variables that are there already: what a sync keeps of them, changes and reports, on a server."""

from collections.abc import Callable

import pytest
from octopus_kit import DEV, LIBRARY, LIBRARY_SET_ID, SET_ID, Engine, Json, actions, row, set_text

from secretsync.adapter import InvalidConfig, RunResult, Unsupported
from secretsync_octopus_deploy import merge
from secretsync_octopus_deploy.sandbox.process import Sandbox

EngineFactory = Callable[..., Engine]

DEV_SCOPE = {"Environment": ["Environments-1"]}
PROMPT = {"Label": "Ask", "Description": "d", "Required": True, "DisplaySettings": {}}
PLACES = [({}, SET_ID), (LIBRARY, LIBRARY_SET_ID)]


def rows_of(sandbox: Sandbox, set_id: str) -> list[Json]:
    """Return the variables with the values that the server has."""
    found: list[Json] = sandbox.inspect(set_id)["Variables"]
    return found


def told(result: RunResult) -> list[tuple[str, str, str]]:
    """Return name, action and reason of each result."""
    return [(one.name, one.action.value, one.reason) for one in result.keys]


@pytest.mark.parametrize(("place", "set_id"), PLACES)
async def test_everything_else_of_a_row_is_kept(
    sandbox: Sandbox, engine: EngineFactory, place: Json, set_id: str
) -> None:
    theirs = row(
        "A",
        Value="theirs",
        Scope=DEV_SCOPE,
        Prompt=PROMPT,
        IsEditable=False,
        Description="theirs",
        Notes={"new": [1.50, None]},
    )
    foreign = row("A", Value="foreign", Scope={**DEV_SCOPE, "ParentDeployment": ["Deployments-1"]})
    sandbox.put_variables(set_id, [theirs, foreign])
    before = rows_of(sandbox, set_id)
    mine = engine(DEV, **place)

    adopted = await mine.sync({"A": "value-a"})
    assert told(adopted) == [("A", "updated", merge.ADOPTED)]
    assert rows_of(sandbox, set_id) == [{**before[0], "Value": "value-a"}, before[1]]

    await mine.sync({"A": "changed"}, {"A": "ours"})
    ours = {**before[0], "Value": "changed", "Description": "ours"}
    assert rows_of(sandbox, set_id) == [ours, before[1]]

    # A secret that loses its comment leaves the description that is there.
    assert actions(await mine.sync({"A": "changed"})) == {"A": "unchanged"}
    assert rows_of(sandbox, set_id) == [ours, before[1]]

    # Octopus keeps the value of a row that it knows by id if it is sent an empty one.
    await mine.sync({"A": ""})
    (emptied, other) = rows_of(sandbox, set_id)
    assert other == before[1]
    assert emptied == {**ours, "Id": emptied["Id"], "Value": ""}
    assert emptied["Id"] != ours["Id"]


@pytest.mark.parametrize(("place", "set_id"), PLACES)
async def test_a_plain_text_row_becomes_sensitive_in_its_place_and_is_told(
    sandbox: Sandbox, engine: EngineFactory, place: Json, set_id: str
) -> None:
    text = row("a", Type="String", Value="readable", Description="theirs", Notes="new")
    sandbox.put_variables(set_id, [text, row("B", Type="String", Value="b")])
    before = rows_of(sandbox, set_id)

    result = await engine(**place).sync({"A": "value-a"})

    (name, action, reason) = told(result)[0]
    assert (name, action) == ("A", "updated")
    assert reason == f"{merge.CONVERTED}; the letter case of its name was changed from a"
    assert result.warnings == ("A is made sensitive; it was a plain-text variable.",)
    converted = {"Name": "A", "Type": "Sensitive", "IsSensitive": True, "Value": "value-a"}
    assert rows_of(sandbox, set_id) == [{**before[0], **converted}, before[1]]
    assert sandbox.variables(set_id)["Variables"][0]["Value"] is None


@pytest.mark.parametrize(("place", "set_id"), PLACES)
async def test_duplicates_become_one_and_are_told(
    sandbox: Sandbox, engine: EngineFactory, place: Json, set_id: str
) -> None:
    twins = [
        row("DB.Password", Value="1", Scope=DEV_SCOPE),
        row("db.password", Value="2", Scope=DEV_SCOPE),
        row("DB.PASSWORD", Type="String", Value="3", Scope=DEV_SCOPE),
    ]
    other = row("db.password", Value="4")
    sandbox.put_variables(set_id, [*twins[:2], other, twins[2]])

    result = await engine(DEV, **place).sync({"DB.Password": "value"})

    kept, left = rows_of(sandbox, set_id)
    assert (kept["Id"], kept["Value"], kept["Name"]) == (twins[0]["Id"], "value", "DB.Password")
    assert left["Value"] == "4"
    assert told(result) == [
        ("DB.Password", "updated", merge.ADOPTED),
        ("db.password", "deleted", merge.COPY),
        ("DB.PASSWORD", "deleted", merge.COPY),
    ]
    warning = "DB.Password was there 3 times with the same scope; one is kept."
    assert result.warnings == (warning,)


async def test_names_that_differ_only_in_case_are_one_variable(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await mine.sync({"Db_Password": "value"})
    (before,) = rows_of(sandbox, SET_ID)

    assert actions(await mine.sync({"DB_PASSWORD": "value"})) == {"DB_PASSWORD": "updated"}
    assert rows_of(sandbox, SET_ID) == [{**before, "Name": "DB_PASSWORD"}]

    with pytest.raises(InvalidConfig, match=r"DB_PASSWORD \(from .*\) and db_password"):
        await mine.sync({"DB_PASSWORD": "value", "db_password": "other"})
    assert rows_of(sandbox, SET_ID) == [{**before, "Name": "DB_PASSWORD"}]


@pytest.mark.parametrize("value", [None, ""])
async def test_a_sensitive_row_without_id_and_value_stops_the_run_before_the_put(
    sandbox: Sandbox, engine: EngineFactory, value: str | None
) -> None:
    mine = engine()
    await mine.sync({"A": "value-a"})
    before = sandbox.inspect(SET_ID)
    ours = sandbox.variables(SET_ID)["Variables"]
    text = set_text([*ours, row("Theirs", Id=None, Value=value)], before["Version"])
    fault: Json = {
        "status": 200,
        "body": "given",
        "text": text,
        "method": "GET",
        "path": "variables$",
    }
    intents: list[str] = []
    mine.before_write = lambda: intents.append("recorded")

    for operation in (mine.sync({"A": "value-a", "B": "value-b"}), mine.remove()):
        sandbox.clear_requests()
        sandbox.fault("status", **fault)
        with pytest.raises(Unsupported, match="would have emptied"):
            await operation
        assert [one.method for one in sandbox.requests()] == ["GET"]

    assert intents == []
    assert sandbox.inspect(SET_ID) == before
