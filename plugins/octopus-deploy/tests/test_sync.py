"""Syncs and removals against a real server: what is stored, and which requests it takes."""

from collections.abc import Callable
from typing import Any

import pytest
from octopus_kit import DEV, PROD, SET_ID, Engine, actions, config_of, row

from secretsync.adapter import InvalidConfig, NotFound, PermissionDenied, SecretValue
from secretsync_octopus_deploy.sandbox.process import Sandbox
from secretsync_octopus_deploy.texts import WITHHELD

EngineFactory = Callable[..., Engine]

SECRETS = {
    "PLAIN": "hunter2-and-more",
    "MULTI": "-----BEGIN KEY-----\r\nline two\n\ttabbed\r\n-----END KEY-----\n",
    "UNICODE": "pässwörd \N{SNOWMAN} \N{PILE OF POO} \u2028 \x00 \x7f",
    "SPACED": "  both ends  ",
    "QUOTED": "a \"quoted\" 'value' with \\ and {braces}",
    "EMPTY": "",
    "LONG": "x" * 65536,
}


def methods(sandbox: Sandbox) -> list[str]:
    """Return the methods of the requests since the last look."""
    found = [request.method for request in sandbox.requests()]
    sandbox.clear_requests()
    return found


def stored(sandbox: Sandbox, scope: dict[str, list[str]] | None = None) -> dict[str, Any]:
    """Return the stored values of the rows with a scope."""
    return {
        one["Name"]: one["Value"]
        for one in sandbox.inspect(SET_ID)["Variables"]
        if one["Scope"] == (scope or {})
    }


async def test_values_arrive_exactly_and_a_second_run_is_one_get(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()

    first = await mine.sync(SECRETS)
    assert methods(sandbox) == ["GET", "PUT", "GET"]
    assert stored(sandbox) == SECRETS
    assert set(actions(first).values()) == {"created"}
    assert first.version_after == str(int(first.version_before or "") + 1)
    assert first.version_after == str(sandbox.inspect(SET_ID)["Version"])

    second = await mine.sync(SECRETS)
    assert methods(sandbox) == ["GET"]
    assert set(actions(second).values()) == {"unchanged"}
    assert second.version_before == second.version_after == first.version_after
    assert second.ledger == first.ledger


async def test_only_what_changed_is_written(sandbox: Sandbox, engine: EngineFactory) -> None:
    mine = engine()
    await mine.sync({"A": "value-a", "B": "value-b", "C": "value-c"})
    ids = {one["Name"]: one["Id"] for one in sandbox.inspect(SET_ID)["Variables"]}
    methods(sandbox)

    result = await mine.sync({"A": "value-a", "B": "changed", "D": "new one"})

    assert methods(sandbox) == ["GET", "PUT", "GET"]
    assert actions(result) == {
        "A": "unchanged",
        "B": "updated",
        "C": "deleted",
        "D": "created",
    }
    assert stored(sandbox) == {"A": "value-a", "B": "changed", "D": "new one"}
    rows = {one["Name"]: one["Id"] for one in sandbox.inspect(SET_ID)["Variables"]}
    assert (rows["A"], rows["B"]) == (ids["A"], ids["B"])
    assert {entry.name: entry.remote_id for entry in mine.ledger} == rows
    assert {entry.version for entry in mine.ledger} == {result.version_after}


async def test_a_secret_can_become_empty_and_full_again(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    for value in ("full", "", "full again", ""):
        result = await mine.sync({"A": value})
        assert stored(sandbox) == {"A": value}
        methods(sandbox)
        assert actions(await mine.sync({"A": value})) == {"A": "unchanged"}
        assert methods(sandbox) == ["GET"]
        assert [entry.confirmed for entry in result.ledger] == [True]


async def test_two_syncs_with_the_same_names_and_what_was_there_before(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    before = [
        row("DB.Password", Value="unscoped", Notes={"kept": 1.5}),
        row("DB.Password", Type="String", Value="text", Scope={"Role": ["web-server"]}),
        row("Other", Value="other", Prompt={"Label": "x"}, IsEditable=False),
        row("Cert", Type="Certificate", Value="Certificates-1"),
    ]
    sandbox.put_variables(SET_ID, before)
    foreign = sandbox.inspect(SET_ID)["Variables"]
    dev, prod = engine(DEV), engine(PROD)

    await dev.sync({"DB.Password": "dev-value"})
    await prod.sync({"DB.Password": "prod-value"})

    rows = sandbox.inspect(SET_ID)["Variables"]
    assert rows[:4] == foreign
    assert [(one["Scope"], one["Value"]) for one in rows[4:]] == [
        ({"Environment": ["Environments-1"]}, "dev-value"),
        ({"Environment": ["Environments-2"]}, "prod-value"),
    ]

    result = await dev.remove()

    assert actions(result) == {"DB.Password": "deleted"}
    assert dev.ledger == ()
    assert sandbox.inspect(SET_ID)["Variables"] == [*foreign, rows[5]]


async def test_a_removal_of_nothing_is_one_get(sandbox: Sandbox, engine: EngineFactory) -> None:
    result = await engine().remove()

    assert methods(sandbox) == ["GET"]
    assert result.keys == ()
    assert result.version_before == result.version_after


async def test_progress_is_told_step_by_step(sandbox: Sandbox, engine: EngineFactory) -> None:
    mine = engine()
    await mine.sync({"A": "value-a", "B": "value-b"})

    assert mine.steps == [
        ("reading", 0, 2),
        ("writing", 0, 2),
        ("verifying", 0, 2),
        ("verifying", 2, 2),
    ]
    assert sandbox.requests()


async def test_an_edit_by_somebody_else_has_our_values_written_again(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await mine.sync({"A": "value-a", "B": ""})
    rows = sandbox.variables(SET_ID)["Variables"]
    sandbox.put_variables(SET_ID, [{**one, "Value": "overwritten"} for one in rows])

    result = await mine.sync({"A": "value-a", "B": ""})

    assert stored(sandbox) == {"A": "value-a", "B": ""}
    assert actions(result) == {"A": "updated", "B": "updated"}


async def test_rows_hidden_from_the_key_survive_and_are_remembered(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    await mine.sync({"A": "value-a", "B": "value-b"})
    sandbox.fault("hide_rows", names=["A"], times=3, path="variables")

    result = await mine.sync({"C": "value-c"})

    assert actions(result) == {"C": "created", "A": "skipped", "B": "deleted"}
    assert stored(sandbox) == {"A": "value-a", "C": "value-c"}
    assert {entry.name for entry in mine.ledger} == {"A", "C"}

    assert actions(await mine.sync({"C": "value-c"})) == {"C": "unchanged", "A": "deleted"}
    assert stored(sandbox) == {"C": "value-c"}


async def test_the_first_run_clears_its_own_scope_and_schema(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    dev_scope = {"Environment": ["Environments-1"]}
    sandbox.put_variables(
        SET_ID,
        [
            row("APP_OLD", Value="x", Scope=dev_scope),
            row("WEB_OLD", Value="x", Scope=dev_scope),
            row("APP_OLD", Value="x"),
        ],
    )
    mine = engine(DEV)

    result = await mine.sync({"APP_A": "value-a"}, claims=lambda name: name.startswith("APP_"))

    assert actions(result) == {"APP_A": "created", "APP_OLD": "deleted"}
    assert stored(sandbox, dev_scope) == {"APP_A": "value-a", "WEB_OLD": "x"}
    assert stored(sandbox) == {"APP_OLD": "x"}


@pytest.mark.parametrize(
    ("secrets", "fields"),
    [
        ({"A": "value-a", "a": "value-b"}, {}),
        ({"Cert": "value-c"}, {}),
        ({"A": "value-a"}, {"config": config_of({"environments": ["Environments-99"]})}),
    ],
)
async def test_a_broken_rule_changes_nothing(
    sandbox: Sandbox, engine: EngineFactory, secrets: dict[str, str], fields: dict[str, Any]
) -> None:
    sandbox.put_variables(SET_ID, [row("Cert", Type="Certificate", Value="Certificates-1")])
    before = sandbox.inspect(SET_ID)
    methods(sandbox)

    with pytest.raises(InvalidConfig):
        await engine().sync(secrets, **fields)

    assert methods(sandbox) == ["GET"]
    assert sandbox.inspect(SET_ID) == before


@pytest.mark.parametrize("operation", ["sync", "remove"])
@pytest.mark.parametrize(
    ("config", "field"),
    [({"spaceId": "Spaces-99"}, "spaceId"), ({"projectId": "Projects-99"}, "projectId")],
)
async def test_what_does_not_exist_is_named(
    engine: EngineFactory, operation: str, config: dict[str, str], field: str
) -> None:
    mine = engine(**config)

    with pytest.raises(NotFound) as caught:
        await (mine.sync({"A": "value-a"}) if operation == "sync" else mine.remove())

    assert caught.value.field == field
    assert config[field] in caught.value.message


@pytest.mark.parametrize(
    ("missing", "field"), [("Spaces-1", "spaceId"), ("Projects-2", "projectId")]
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_404_that_names_nothing_is_looked_into(
    sandbox: Sandbox, engine: EngineFactory, method: str, missing: str, field: str
) -> None:
    sandbox.fault("status", status=404, body="empty", method=method, path="variables$")
    if field == "spaceId":
        sandbox.fault("status", status=404, body="empty", path="/api/spaces/Spaces-1$")

    with pytest.raises(NotFound) as caught:
        await engine().sync({"A": "value-a"})

    assert caught.value.field == field
    assert missing in caught.value.message


async def test_a_value_that_was_sent_is_withheld_from_later_errors_too(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    said = "you sent hunter2-very-secret"
    sandbox.fault("status", status=400, message=said, method="GET", path="variables$", skip=1)

    with pytest.raises(InvalidConfig) as caught:
        await engine().sync({"A": "hunter2-very-secret"})

    assert "hunter2" not in str(caught.value)
    assert WITHHELD in str(caught.value)


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_a_404_stays_one_if_it_cannot_be_looked_into(
    sandbox: Sandbox, engine: EngineFactory, status: int
) -> None:
    sandbox.fault("status", status=404, body="empty", method="GET", path="variables$")
    sandbox.fault("status", status=status, body="empty", path="/api/spaces/Spaces-1$")

    with pytest.raises(NotFound, match="no project Projects-2 in Spaces-1, or it is hidden"):
        await engine().sync({"A": "value-a"})


@pytest.mark.parametrize("named", ["Spaces-12", "xSpaces-1", "Projects-23"])
async def test_an_id_that_only_begins_or_ends_the_same_is_another(
    sandbox: Sandbox, engine: EngineFactory, named: str
) -> None:
    text = f"The resource '{named}' was not found."
    sandbox.fault("status", status=404, message=text, method="GET", path="variables$")

    with pytest.raises(NotFound) as caught:
        await engine().sync({"A": "value-a"})

    assert caught.value.field == "projectId"
    assert sandbox.requests()[-1].path == "/api/spaces/Spaces-1", "it was looked into"


@pytest.mark.parametrize("refused_by_server", [True, False])
async def test_unknown_scope_ids_reach_no_server_of_either_kind(
    sandbox: Sandbox, engine: EngineFactory, *, refused_by_server: bool
) -> None:
    sandbox.refuse_unknown_scope_ids(refuse=refused_by_server)
    mine = engine({"environments": ["Environments-1", "Environments-99"], "roles": ["no-such"]})

    with pytest.raises(InvalidConfig, match="does not have some of the ids") as caught:
        await mine.sync({"A": "value-a"})

    assert sorted(caught.value.violations) == ["scopeValues.environments", "scopeValues.roles"]
    assert methods(sandbox) == ["GET"]
    assert mine.ledger == ()


async def test_a_read_only_key_is_told_the_permission_and_changes_nothing(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    with pytest.raises(PermissionDenied, match="VariableEdit"):
        await engine(key=sandbox.read_only_api_key).sync({"A": "value-a"})

    assert stored(sandbox) == {}


async def test_nothing_is_written_if_the_lease_is_lost(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()

    def lose_lease() -> None:
        raise RuntimeError("lease lost")

    mine.before_write = lose_lease
    with pytest.raises(RuntimeError, match="lease lost"):
        await mine.sync({"A": "value-a"})

    assert methods(sandbox) == ["GET"]


async def test_what_is_stored_is_what_the_digest_is_of(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    values: list[str] = []

    def digest(_identity: str, value: SecretValue) -> str:
        values.append(value.reveal())
        return "same"

    await mine.sync({"A": "x#{y}"}, digest=digest)

    assert stored(sandbox) == {"A": "x##{y}"}
    assert values == ["x##{y}"]
