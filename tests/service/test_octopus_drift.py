"""Drift at an Octopus: what is seen of it, and what looking and repairing costs."""

from typing import Any

import pytest
from service_kit import SYNC, Service, struct

from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync_octopus_deploy.sandbox.process import Sandbox

SET = "variableset-Projects-2"
PLACE = {"spaceId": "Spaces-1", "projectId": "Projects-2"}


@pytest.fixture
async def web(octopus: Service) -> Service:
    """A sync of two secrets into project 2, which has run."""
    await octopus.put({"A": "1", "B": "#{x} 2"})
    await octopus.add_sync(destination_config=struct(PLACE), is_auto_sync_enabled=False)
    assert (await octopus.trigger()).state == pb.RUN_STATE_SUCCEEDED
    return octopus


def methods(sandbox: Sandbox) -> list[str]:
    """Return the methods of the requests since the last call."""
    found = [request.method for request in sandbox.requests()]
    sandbox.clear_requests()
    return found


async def check(service: Service, name: str = SYNC) -> str:
    """Check a sync, and return what came of it."""
    run = await service.syncs.CheckDrift(pb.CheckDriftRequest(name=name))
    ended = await service.ended(run.name)
    assert (ended.state, ended.action) == (pb.RUN_STATE_SUCCEEDED, pb.RUN_ACTION_CHECK), ended
    return ended.message


async def reasons(service: Service) -> dict[str, str]:
    """Return why keys have drifted, by name."""
    request = pb.ListSyncKeysRequest(parent=SYNC, states=[pb.KEY_STATE_DRIFTED])
    found = (await service.syncs.ListSyncKeys(request)).sync_keys
    return {key.destination_name: key.reason for key in found}


def edit(sandbox: Sandbox, *, without: str = "", **changes: Any) -> None:  # noqa: ANN401
    """Change the variable A, or take a variable away, as somebody at Octopus does."""
    rows = sandbox.variables(SET)["Variables"]
    kept = [row for row in rows if row["Name"] != without]
    for row in kept:
        if row["Name"] == "A":
            row.update(changes)
    sandbox.put_variables(SET, kept)
    sandbox.clear_requests()


async def test_an_unchanged_set_costs_one_read_each_time(web: Service, sandbox: Sandbox) -> None:
    sandbox.clear_requests()
    for _ in range(3):
        assert await check(web) == "nothing has drifted"
        assert methods(sandbox) == ["GET"]
    assert (await web.trigger()).counts.unchanged == 2
    assert methods(sandbox) == ["GET"]
    assert await reasons(web) == {}


async def test_a_set_that_others_changed_is_told_of_and_repaired_once(
    web: Service, sandbox: Sandbox
) -> None:
    rows = sandbox.variables(SET)["Variables"]
    sandbox.put_variables(SET, [*rows, {"Name": "THEIRS", "Value": "x", "Type": "String"}])
    sandbox.clear_requests()
    assert await check(web) == "2 drifted: A, B"
    first = (await web.sync()).drift
    assert methods(sandbox) == ["GET"]
    told = await reasons(web)
    assert told.keys() == {"A", "B"}
    assert all("changed by somebody else" in why for why in told.values())
    assert all("it may have been changed" in why for why in told.values())
    # Seen again, it has drifted since the first time.
    assert await check(web) == "2 drifted: A, B"
    second = (await web.sync()).drift
    assert (second.drifted_key_count, second.start_time) == (2, first.start_time)
    sandbox.clear_requests()

    repaired = await web.trigger()
    assert repaired.counts.updated == 2
    assert methods(sandbox) == ["GET", "PUT", "GET"]
    assert await reasons(web) == {}
    assert not (await web.sync()).drift.HasField("start_time")
    for _ in range(2):
        assert await check(web) == "nothing has drifted"
        assert methods(sandbox) == ["GET"]


async def test_each_kind_of_drift_has_its_reason(web: Service, sandbox: Sandbox) -> None:
    edit(sandbox, without="B")
    assert await check(web) == "2 drifted: A, B"
    assert (await reasons(web))["B"].startswith("the variable written before is no longer there")
    edit(sandbox, Name="RENAMED")
    await check(web)
    assert (await reasons(web))["A"].startswith("somebody else renamed the variable")
    assert (await web.trigger()).counts.created == 2
    assert await reasons(web) == {}


async def test_a_variable_that_was_made_readable_is_told_of(web: Service, sandbox: Sandbox) -> None:
    edit(sandbox, Type="String", IsSensitive=False, Value="seen by all")
    await check(web)
    assert "can be read" in (await reasons(web))["A"]


async def test_a_change_at_the_source_is_no_drift(web: Service, sandbox: Sandbox) -> None:
    await web.put({"A": "new", "C": "3"})
    await web.delete("B")
    assert await check(web) == "nothing has drifted"
    assert (await web.sync()).key_state_counts == pb.KeyStateCounts(synced=2)
    assert len(sandbox.variables(SET)["Variables"]) == 2


async def test_what_is_gone_has_drifted_whatever_the_source_has_now(
    web: Service, sandbox: Sandbox
) -> None:
    await web.put({"A": "new"})
    edit(sandbox, without="A")
    assert await check(web) == "2 drifted: A, B"
    assert (await reasons(web))["A"] == "the variable written before is no longer there"


async def test_two_syncs_on_one_set_do_not_make_each_other_drift(
    web: Service, sandbox: Sandbox
) -> None:
    other = await web.add_sync(
        "other",
        destination_config=struct({**PLACE, "scopeValues": {"environments": ["Environments-1"]}}),
        is_auto_sync_enabled=False,
    )
    assert (await web.trigger(other.name)).counts.created == 2
    sandbox.clear_requests()
    for name in (SYNC, other.name):
        assert await check(web, name) == "nothing has drifted"
    assert methods(sandbox) == ["GET", "GET"]
