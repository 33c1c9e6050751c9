"""Runs confirm what they are about to do before they write, and stop if it is not agreed to."""

from collections.abc import Callable

import pytest
from octopus_kit import DEV, SET_ID, Engine, row

from secretsync.adapter import InvalidConfig, PlanResult
from secretsync_octopus_deploy.sandbox.process import Sandbox

EngineFactory = Callable[..., Engine]


class NotAgreedError(Exception):
    """Nobody agrees to the plan."""


def methods(sandbox: Sandbox) -> list[str]:
    return [each.method for each in sandbox.requests()]


async def test_what_is_confirmed_is_what_the_plan_says(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine(DEV)
    await mine.sync({"A": "1", "B": "1", "C": "1"})
    wanted = {"A": "1", "B": "2", "New": "1"}
    planned = await mine.plan(wanted)
    confirmed: list[PlanResult] = []

    async def confirm(plan: PlanResult) -> None:
        confirmed.append(plan)
        assert methods(sandbox)[-1:] == ["GET"]

    sandbox.clear_requests()
    await mine.sync(wanted, confirm_plan=confirm)
    assert confirmed == [planned]
    assert methods(sandbox) == ["GET", "PUT", "GET"]

    # Also if there is nothing to do.
    planned = await mine.plan(wanted)
    await mine.sync(wanted, confirm_plan=confirm)
    assert confirmed[1:] == [planned]

    planned = await mine.plan_removal()
    await mine.remove(confirm_plan=confirm)
    assert confirmed[2:] == [planned]


async def test_what_is_not_agreed_to_is_not_done(sandbox: Sandbox, engine: EngineFactory) -> None:
    async def confirm(_: PlanResult) -> None:
        raise NotAgreedError

    mine = engine(DEV)
    await mine.sync({"A": "1"})
    before, ledger = sandbox.variables(SET_ID), mine.ledger
    sandbox.clear_requests()
    with pytest.raises(NotAgreedError):
        await mine.sync({"A": "2", "B": "1"}, confirm_plan=confirm)
    with pytest.raises(NotAgreedError):
        await mine.remove(confirm_plan=confirm)
    assert methods(sandbox) == ["GET", "GET"]
    assert sandbox.variables(SET_ID) == before
    assert mine.ledger == ledger


async def test_after_a_conflict_it_is_confirmed_anew(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    mine = engine(DEV)
    confirmed: list[PlanResult] = []

    async def confirm(plan: PlanResult) -> None:
        if confirmed:
            raise NotAgreedError
        confirmed.append(plan)

    def edit() -> None:
        # Once, between our read and our write.
        mine.before_write = lambda: None
        sandbox.put_variables(SET_ID, [row("Theirs")])

    mine.before_write = edit
    with pytest.raises(NotAgreedError):
        await mine.sync({"A": "1"}, confirm_plan=confirm)
    assert [each["Name"] for each in sandbox.variables(SET_ID)["Variables"]] == ["Theirs"]
    assert not mine.ledger


async def test_what_is_in_the_way_is_told_before_anything_is_confirmed(
    sandbox: Sandbox, engine: EngineFactory
) -> None:
    async def confirm(_: PlanResult) -> None:
        raise NotAgreedError

    sandbox.put_variables(
        SET_ID, [row("A", Type="Certificate", Scope={"Environment": ["Environments-1"]})]
    )
    with pytest.raises(InvalidConfig):
        await engine(DEV).sync({"A": "1"}, confirm_plan=confirm)
