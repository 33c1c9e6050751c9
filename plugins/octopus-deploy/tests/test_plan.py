"""The hook `plan` against the sandbox: one GET, and what a run would do, per variable."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from octopus_kit import DEV, PROD, SET_ID, Engine, config_of, row, set_text

from secretsync.adapter import (
    AuthenticationFailed,
    ChangeKind,
    InvalidConfig,
    LedgerEntry,
    PlannedChange,
    PlanResult,
    Unavailable,
)
from secretsync_octopus_deploy import arrival, git_variables
from secretsync_octopus_deploy.foresight import STILL_ARRIVING
from secretsync_octopus_deploy.ownership import HIDDEN
from secretsync_octopus_deploy.rows import identity_of
from secretsync_octopus_deploy.sandbox.process import Sandbox

EngineFactory = Callable[..., Engine]


def kinds(result: PlanResult) -> dict[str, str]:
    return {each.name: each.kind.value for each in result.changes}


def requests(sandbox: Sandbox) -> list[str]:
    return [each.method for each in sandbox.requests()]


async def test_a_plan_is_one_get_and_changes_nothing(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine(DEV)
    before = sandbox.variables(SET_ID)
    sandbox.clear_requests()
    result = await mine.plan({"A": "value-a", "B": "value-b"})
    assert result.changes == (
        PlannedChange(
            key="KEY_A", name="A", kind=ChangeKind.CREATE, scope="Environment: Development"
        ),
        PlannedChange(
            key="KEY_B", name="B", kind=ChangeKind.CREATE, scope="Environment: Development"
        ),
    )
    assert (result.warnings, result.refusal) == ((), "")
    assert requests(sandbox) == ["GET"]
    assert sandbox.variables(SET_ID) == before
    assert mine.ledger == ()


async def test_every_kind_of_change(sandbox: Sandbox, engine: EngineFactory) -> None:
    mine = engine(DEV)
    await mine.sync({"Same": "1", "New value": "1", "Gone": "1", "Theirs": "1"})
    stored = sandbox.variables(SET_ID)
    scope = {"Environment": ["Environments-1"]}
    rows = [
        {**each, "Name": "Renamed"} if each["Name"] == "Theirs" else each
        for each in stored["Variables"]
    ]
    sandbox.put_variables(
        SET_ID, [*rows, row("Adopted", Scope=scope), row("Plain", Scope=scope, Type="String")]
    )
    version = sandbox.variables(SET_ID)["Version"]
    wanted = {"Same": "1", "New value": "2", "Adopted": "1", "Plain": "1", "Created": "1"}

    result = await mine.plan(wanted, known_versions=frozenset({str(version)}))
    assert result.version == str(version)
    assert kinds(result) == {
        "Same": "unchanged",
        "New value": "update",
        "Adopted": "adopt",
        "Plain": "convert",
        "Created": "create",
        "Gone": "delete",
        "Theirs": "blocked",
    }
    assert not result.refusal
    assert result.warnings[1:] == ("Plain is made sensitive; it was a plain-text variable.",)
    done = await mine.sync(wanted, known_versions=frozenset({str(version)}))
    assert done.warnings == result.warnings
    assert {each.name: each.reason for each in done.keys} == {
        each.name: each.reason for each in result.changes
    }


async def test_what_is_in_the_way_is_told_per_variable(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    sandbox.put_variables(SET_ID, [row("Cert", Type="Certificate")])
    claimed = {identity_of(name, {}): "projects/x/secretSyncs/y" for name in ("Taken", "Cert")}
    result = await mine.plan({"Cert": "1", "Free": "1", "Taken": "1"}, claimed_by_others=claimed)
    assert kinds(result) == {"Cert": "conflict", "Free": "create", "Taken": "conflict"}
    assert result.changes[1].reason == "projects/x/secretSyncs/y owns it"
    assert result.refusal.startswith("Other secret syncs own these variables")
    assert "Give this sync another scope" in result.refusal

    alone = await mine.plan({"Cert": "1", "Free": "1"})
    assert kinds(alone) == {"Cert": "blocked", "Free": "create"}
    assert alone.changes[1].reason == (
        "a variable of type Certificate has this name and scope, which cannot hold a secret"
    )
    assert "whose type cannot hold a secret: Cert (type Certificate)" in alone.refusal
    with pytest.raises(InvalidConfig) as refused:
        await mine.sync({"Cert": "1", "Free": "1"})
    assert alone.refusal == f"{refused.value.message} ({refused.value.hint})"


async def test_what_was_created_and_cannot_be_seen_is_in_the_way(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine()
    version = sandbox.variables(SET_ID)["Version"]
    mine.ledger = (
        LedgerEntry(
            key="A",
            name="A",
            identity=identity_of("A", {}),
            remote_id=None,
            digest=HIDDEN,
            version=str(version - 1),
            confirmed=False,
        ),
    )
    result = await mine.plan({"A": "1", "B": "1"})
    assert kinds(result) == {"A": "blocked", "B": "create"}
    assert "cannot see the variables that it writes" in result.refusal


async def test_a_sensitive_variable_without_id_keeps_every_run_from_writing(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    sandbox.fault("status", status=200, body="given", text=set_text([row("A", Id=None)]))
    result = await engine().plan({"B": "1"})
    assert kinds(result) == {"B": "create"}
    assert "a sensitive variable without an id" in result.refusal


async def test_a_removal(sandbox: Sandbox, engine: EngineFactory) -> None:
    mine = engine({**DEV, "roles": ["web-server"], "tenantTags": ["Region/EU"]})
    await mine.sync({"A": "1"})
    sandbox.clear_requests()
    result = await mine.plan_removal()
    assert result.changes == (
        PlannedChange(
            key="KEY_A",
            name="A",
            kind=ChangeKind.DELETE,
            scope="Environment: Development; Role: web-server; TenantTag: Region/EU",
        ),
    )
    assert requests(sandbox) == ["GET"]
    assert (await mine.remove()).keys[0].name == "A"
    assert (await mine.plan_removal()).changes == ()


async def test_deletion_that_is_disabled_and_scopes_of_before(engine: EngineFactory) -> None:
    mine = engine(PROD)
    await mine.sync({"A": "1"})
    mine.config = config_of(DEV)
    result = await mine.plan({"A": "1"}, delete_missing=False)
    assert [(each.kind, each.scope, each.reason) for each in result.changes] == [
        (ChangeKind.CREATE, "Environment: Development", ""),
        (ChangeKind.BLOCKED, "Environment: Production", "deletion is disabled for this sync"),
    ]
    assert not result.refusal


async def test_a_deletion_that_took_place_before_a_crash_is_told_as_the_run_tells_it(
    engine: EngineFactory,
) -> None:
    mine = engine()
    gone = LedgerEntry(
        key="A", name="A", identity=identity_of("A", {}), remote_id="gone", digest="x", version="0"
    )
    mine.ledger = (gone, replace(gone, confirmed=False))
    result = await mine.plan_removal()
    assert kinds(result) == {"A": "delete"}
    assert [each.action.value for each in (await mine.remove()).keys] == ["deleted"]


async def test_the_git_check_is_made_only_if_something_would_be_written(
    sandbox: Sandbox, engine: EngineFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = engine()
    await mine.sync({"A": "1"})
    monkeypatch.setattr(git_variables, "PROJECTS", git_variables.GitMemory())
    sandbox.clear_requests()
    assert kinds(await mine.plan({"A": "1"})) == {"A": "unchanged"}
    assert requests(sandbox) == ["GET"]
    assert kinds(await mine.plan({"A": "2"})) == {"A": "update"}
    # The set once more, and the project, to see whether it keeps variables in Git.
    assert requests(sandbox) == ["GET", "GET", "GET"]


async def test_a_write_that_may_still_arrive_is_told(
    sandbox: Sandbox, engine: EngineFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrival, "SETTLE", 5.0)
    mine = engine()
    version = str(sandbox.variables(SET_ID)["Version"])
    mine.ledger = (
        LedgerEntry(
            key="A",
            name="A",
            identity=identity_of("A", {}),
            remote_id=None,
            digest="x",
            version=version,
            confirmed=False,
        ),
    )
    result = await mine.plan({"A": "1"}, written_from={version: 0.5})
    assert STILL_ARRIVING in result.warnings
    assert kinds(result) == {"A": "create"}


async def test_problems_of_the_destination_are_raised(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    with pytest.raises(AuthenticationFailed):
        await engine(key="API-WRONGWRONGWRONGWRONG").plan({"A": "1"})
    with pytest.raises(InvalidConfig, match=r"does not have some of the ids in scopeValues\.roles"):
        await engine({"roles": ["nobody"]}).plan({"A": "1"})
    sandbox.fault("status", status=503)
    with pytest.raises(Unavailable):
        await engine().plan({"A": "1"})
