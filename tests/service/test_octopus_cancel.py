"""A run that is cancelled while Octopus is at work on its request, and the run after it."""

import asyncio
from typing import Any

import pytest
from service_kit import SYNC, Service, struct, wait_for

from secretsync.v1 import error_reason_pb2 as reasons
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync_octopus_deploy.sandbox.process import Sandbox

SET = "variableset-Projects-2"
PLACE = struct({"spaceId": "Spaces-1", "projectId": "Projects-2"})
NOTHING, MAYBE = "before this attempt had written anything", "the write may have taken place"


def held(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Return the names and values of the set, one pair for each row."""
    return sorted((row["Name"], row["Value"]) for row in sandbox.inspect(SET)["Variables"])


@pytest.mark.parametrize(
    ("fault", "told", "is_written"),
    [
        ({"method": "GET"}, NOTHING, False),
        ({"method": "PUT"}, MAYBE, False),
        ({"method": "PUT", "after": True}, MAYBE, True),
    ],
    ids=["read", "write", "answer"],
)
async def test_the_next_run_finds_out(
    octopus: Service, sandbox: Sandbox, fault: dict[str, Any], told: str, *, is_written: bool
) -> None:
    await octopus.put({"A": "one", "B": "two"})
    await octopus.add_sync(destination_config=PLACE, is_auto_sync_enabled=False)
    # Longer than it takes to cancel the run and to begin the next: the request is still on its way.
    sandbox.fault("delay", path="/variables$", seconds=3.0, **fault)
    run = await octopus.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))

    async def arrived() -> bool | None:
        waiting = await asyncio.to_thread(sandbox.faults)
        rows = await asyncio.to_thread(held, sandbox)
        return True if not waiting and (rows or not is_written) else None

    await wait_for(arrived)
    await octopus.syncs.CancelSyncRun(pb.CancelSyncRunRequest(name=run.name))
    ended = await octopus.ended(run.name)
    assert (ended.state, ended.error_reason) == (
        pb.RUN_STATE_FAILED,
        reasons.ERROR_REASON_CANCELLED,
    )
    assert told in ended.message
    # It was not waited for: the request that was cut off is in the history, without an answer.
    assert ended.http_requests[-1].method == fault["method"]
    assert ended.http_requests[-1].status_code == 0

    await octopus.put({"A": "changed", "C": "three"})
    await octopus.delete("B")
    after = await octopus.trigger()
    assert after.state == pb.RUN_STATE_SUCCEEDED
    wanted = [("A", "changed"), ("C", "three")]
    assert held(sandbox) == wanted
    again = await octopus.trigger()
    assert (again.state, again.counts) == (pb.RUN_STATE_SUCCEEDED, pb.KeyCounts(unchanged=2))
    assert held(sandbox) == wanted


async def test_a_run_that_waits_for_its_turn_is_stopped_at_once(
    octopus: Service, sandbox: Sandbox
) -> None:
    await octopus.put({"A": "one"})
    await octopus.add_sync(destination_config=PLACE, is_auto_sync_enabled=False)
    sandbox.fault("rate_limit", path="/variables$", retry_after=50)
    refused = await octopus.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    await octopus.failed_once(refused.name)
    first = await octopus.syncs.CancelSyncRun(pb.CancelSyncRunRequest(name=refused.name))
    assert first.state == pb.RUN_STATE_FAILED
    # The connection's pause goes on, and its next run waits for the end of it.
    waiting = await octopus.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))
    await octopus.until(waiting.name, pb.RUN_STATE_RUNNING)
    await octopus.syncs.CancelSyncRun(pb.CancelSyncRunRequest(name=waiting.name))
    ended = await octopus.ended(waiting.name)
    assert ended.error_reason == reasons.ERROR_REASON_CANCELLED
    assert NOTHING in ended.message
    assert list(ended.http_requests) == []
    assert [request.method for request in sandbox.requests() if request.status == 429] == ["GET"]
    assert held(sandbox) == []
