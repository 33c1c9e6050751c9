"""Several syncs of one connection against an Octopus that limits how often it is called."""

import asyncio
import logging
from collections import Counter

import pytest
from refusals import refused
from service_kit import CONNECTION, SHOP, Service, struct

from secretsync.v1 import error_reason_pb2 as reasons
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync.v1.connection_service_pb2 import ValidateConnectionRequest
from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox

SYNCS = 12
LIMIT = 15
SECONDS = 3.0


async def add_syncs(service: Service, sandbox: Sandbox, connection: str, prefix: str) -> list[str]:
    """Create syncs into projects of their own, and return their names."""
    projects = sandbox.add_projects(SYNCS, prefix=prefix)
    made = [
        await service.add_sync(
            f"{prefix}-{number}",
            connection=connection,
            is_auto_sync_enabled=False,
            destination_config=struct({"spaceId": "Spaces-1", "projectId": project["Id"]}),
        )
        for number, project in enumerate(projects)
    ]
    return [each.name for each in made]


async def run_all(service: Service, names: list[str]) -> list[pb.SyncRun]:
    """Ask for a run of each sync, and return them when they have ended."""
    runs = [await service.syncs.SyncSecrets(pb.SyncSecretsRequest(name=name)) for name in names]
    return await asyncio.gather(*(service.ended(run.name) for run in runs))


@pytest.mark.parametrize("retry_after", [True, False])
async def test_all_syncs_of_a_connection_succeed_and_few_requests_are_refused(
    octopus: Service,
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    *,
    retry_after: bool,
) -> None:
    await octopus.put({"A": "first value", "B": "second value"})
    limited = await add_syncs(octopus, sandbox, CONNECTION, f"limited-{retry_after}".lower())
    with start_sandbox() as elsewhere:
        # All sandboxes are one installation to us: the same project would be the same target.
        elsewhere.add_projects(4 * SYNCS, prefix="other")
        await octopus.connect(
            "elsewhere",
            destination="octopus-deploy",
            method="api-key",
            credentials={"instanceUrl": elsewhere.base_url, "apiKey": elsewhere.api_key},
        )
        free = await add_syncs(octopus, elsewhere, f"{SHOP}/connections/elsewhere", "free")
        sandbox.clear_requests()
        sandbox.limit_rate(LIMIT, SECONDS, retry_after=retry_after)
        caplog.set_level(logging.INFO, "secretsync.engine.pacing")
        all_runs = await asyncio.gather(run_all(octopus, limited), run_all(octopus, free))
    runs = [run for some in all_runs for run in some]

    assert {run.state: run.message for run in runs if run.state != pb.RUN_STATE_SUCCEEDED} == {}
    statuses = Counter(request.status for request in sandbox.requests())
    attempts = Counter(run.attempt for run in all_runs[0])
    print(f"answers by status: {dict(statuses)}; runs by attempts: {dict(attempts)}")  # noqa: T201
    # Each run makes three requests; without a pace most of those beyond the limit are refused.
    assert statuses[200] >= 3 * SYNCS
    assert statuses[429] <= 2
    # The other connection does not wait for this one.
    assert all(run.attempt == 1 for run in all_runs[1])
    told = [record.getMessage() for record in caplog.records]
    assert not [line for line in told if "elsewhere" in line]


async def test_whoever_calls_is_told_of_a_long_pause(octopus: Service, sandbox: Sandbox) -> None:
    sandbox.limit_rate(1, 600.0)
    refusal = await refused(
        octopus.connections.ValidateConnection(ValidateConnectionRequest(name=CONNECTION))
    )
    assert refusal.reason == "RATE_LIMITED"
    assert refusal.retry_after is not None
    assert 500 < refusal.retry_after <= 600
    # What would be refused was not even sent.
    assert 429 not in {request.status for request in sandbox.requests()}


async def test_a_pause_is_named_in_the_run_that_waits_for_it(
    octopus: Service, sandbox: Sandbox
) -> None:
    await octopus.put({"A": "value"})
    (name, other, *_) = await add_syncs(octopus, sandbox, CONNECTION, "named")
    sandbox.fault("rate_limit", retry_after=300, path="/variables$")
    first = await octopus.syncs.SyncSecrets(pb.SyncSecretsRequest(name=name))
    refused_run = await octopus.failed_once(first.name)
    assert refused_run.message.startswith(
        "attempt 1 of 5 failed, will try again: Octopus answered 429 (Too Many Requests): "
    )
    sandbox.clear_requests()
    second = await octopus.syncs.SyncSecrets(pb.SyncSecretsRequest(name=other))
    waiting = await octopus.failed_once(second.name)
    assert waiting.message.startswith("waits for its connection: The destination asked for fewer")
    assert waiting.error_reason == reasons.ERROR_REASON_RATE_LIMITED
    assert sandbox.requests() == []
