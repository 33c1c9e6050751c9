"""Pausing while Octopus is at work on a request of a run."""

import asyncio

import pytest
from service_kit import SYNC, Service, struct, wait_for

from secretsync.v1 import error_reason_pb2 as reasons
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync_octopus_deploy.sandbox.process import Sandbox

SET = "variableset-Projects-2"
PLACE = struct({"spaceId": "Spaces-1", "projectId": "Projects-2"})


async def start(octopus: Service, sandbox: Sandbox, method: str) -> pb.SyncRun:
    """Return a run one of whose requests Octopus has got and does not answer for a while."""
    await octopus.put({"A": "one", "B": "two"})
    await octopus.add_sync(destination_config=PLACE, is_auto_sync_enabled=False)
    sandbox.clear_requests()
    # Longer than it takes to pause.
    sandbox.fault("delay", path="/variables$", seconds=1.5, method=method)
    run = await octopus.syncs.SyncSecrets(pb.SyncSecretsRequest(name=SYNC))

    async def arrived() -> bool | None:
        return None if await asyncio.to_thread(sandbox.faults) else True

    await wait_for(arrived)
    return run


def held(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Return the names and values of the set."""
    return sorted((row["Name"], row["Value"]) for row in sandbox.inspect(SET)["Variables"])


def writes(sandbox: Sandbox) -> int:
    return sum(request.method == "PUT" for request in sandbox.requests())


async def test_what_was_read_is_not_written(octopus: Service, sandbox: Sandbox) -> None:
    run = await start(octopus, sandbox, "GET")
    await octopus.pause("-", "incident")
    waiting = await octopus.until(run.name, pb.RUN_STATE_PENDING)
    assert (waiting.attempt, waiting.error_reason) == (0, reasons.ERROR_REASON_PAUSED)
    assert waiting.message.startswith("waits until everything (incident) is resumed; its last")
    assert (writes(sandbox), held(sandbox)) == (0, [])
    await octopus.resume("-")
    ended = await octopus.ended(run.name)
    assert (ended.state, ended.attempt, ended.counts.created) == (pb.RUN_STATE_SUCCEEDED, 1, 2)
    assert (writes(sandbox), held(sandbox)) == (1, [("A", "one"), ("B", "two")])


@pytest.mark.parametrize("name", [SYNC, "-"])
async def test_a_write_that_was_sent_is_completed(
    octopus: Service, sandbox: Sandbox, name: str
) -> None:
    run = await start(octopus, sandbox, "PUT")
    await octopus.pause(name)
    ended = await octopus.ended(run.name)
    assert (ended.state, ended.counts.created) == (pb.RUN_STATE_SUCCEEDED, 2)
    assert held(sandbox) == [("A", "one"), ("B", "two")]
    assert [request.method for request in ended.http_requests] == ["GET", "PUT", "GET"]
