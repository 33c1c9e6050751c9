"""SecretSyncService: runs that fail, and what they tell of it."""

import pytest
from recording_destination import Recorder
from service_kit import DEV, SYNC, Service, wait_for

from secretsync.adapter import (
    AuthenticationFailed,
    Conflict,
    InvalidConfig,
    NotFound,
    RateLimited,
    Unavailable,
)
from secretsync.v1 import error_reason_pb2 as reasons
from secretsync.v1 import secret_sync_service_pb2 as pb

SYNC_SECRETS = pb.SyncSecretsRequest(name=SYNC)


@pytest.fixture
async def web(shop: Service) -> Service:
    """A server with two secrets and a sync that runs only when told to."""
    await shop.put({"A": "a", "B": "b"})
    await shop.add_sync(is_auto_sync_enabled=False)
    return shop


async def test_two_secrets_of_one_key_in_a_subtree_fail_the_run(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({"K": "1"}, path="/a")
    await shop.put({"K": "1"}, path="/b/c")
    source = pb.SecretSource(environment=DEV, recursive=True)
    await shop.add_sync(source=source)
    (run,) = await shop.quiet()
    assert run.state == pb.RUN_STATE_FAILED
    assert run.error_reason == reasons.ERROR_REASON_DUPLICATE_SECRETS
    assert "'K', one in /a and one in /b/c" in run.message
    assert recorder.calls("sync") == []


async def test_two_keys_that_the_destination_takes_for_one_fail_the_run(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({"key": "1", "KEY": "2", "other": "3", "Other": "4"})
    await shop.add_sync()
    (run,) = await shop.quiet()
    assert run.error_reason == reasons.ERROR_REASON_DUPLICATE_SECRETS
    assert "'KEY' and 'key'; 'Other' and 'other'" in run.message
    assert recorder.calls("sync") == []


async def test_a_source_folder_that_vanished_fails_the_run(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({"K": "1"}, path="/api")
    await shop.add_sync(source=pb.SecretSource(environment=DEV, secret_path="/api"))
    await shop.quiet()
    await shop.delete("K", path="/api")
    run = (await shop.quiet())[-1]
    assert run.trigger == pb.RUN_TRIGGER_SOURCE_CHANGE
    assert run.error_reason == reasons.ERROR_REASON_GUARD_TRIPPED
    assert "dev:/api does not exist, and 1 secret would be deleted. Nothing was" in run.message
    assert recorder.held["web"] == {"K": "1"}


async def test_a_secret_that_cannot_be_decrypted_fails_the_run(
    web: Service, recorder: Recorder
) -> None:
    await web.trigger()
    await web.tamper("UPDATE secrets SET sealed_value = x'01' WHERE key = 'A'")
    run = await web.trigger()
    assert run.error_reason == reasons.ERROR_REASON_SOURCE_UNRESOLVED
    assert "'A' in / cannot be decrypted" in run.message
    assert recorder.held["web"] == {"A": "a", "B": "b"}


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (AuthenticationFailed("m", hint="h"), "AUTHENTICATION_FAILED", "m (h)"),
        (NotFound("m", field="place"), "DESTINATION_NOT_FOUND", "m"),
        (InvalidConfig("m", violations={"a": "r"}), "DESTINATION_CONFIG_INVALID", "m: a: r"),
    ],
)
async def test_errors_that_cannot_pass_end_the_run_at_once(
    web: Service, recorder: Recorder, error: Exception, reason: str, message: str
) -> None:
    recorder.always["sync"] = error
    run = await web.trigger()
    assert (run.state, run.attempt) == (pb.RUN_STATE_FAILED, 1)
    assert reasons.ErrorReason.Name(run.error_reason) == f"ERROR_REASON_{reason}"
    assert run.message == message


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unavailable("m"), "DESTINATION_UNAVAILABLE"),
        (RateLimited("m", retry_after=0.01), "RATE_LIMITED"),
        (Conflict("m"), "DESTINATION_CONFLICT"),
    ],
)
async def test_errors_that_can_pass_are_tried_again(
    web: Service, recorder: Recorder, error: Exception, reason: str
) -> None:
    recorder.failures["sync"] = [error, error]
    run = await web.trigger()
    assert (run.state, run.attempt) == (pb.RUN_STATE_SUCCEEDED, 3)
    recorder.always["sync"] = error
    run = await web.trigger()
    assert (run.state, run.attempt) == (pb.RUN_STATE_FAILED, 5)
    assert run.message == "m (gave up after 5 attempts)"
    assert reasons.ErrorReason.Name(run.error_reason) == f"ERROR_REASON_{reason}"


async def test_a_run_that_waits_for_its_next_attempt_says_so(
    web: Service, recorder: Recorder
) -> None:
    recorder.failures["sync"] = [RateLimited("Too many.", retry_after=3600)]
    queued = await web.syncs.SyncSecrets(SYNC_SECRETS)

    async def arrived() -> pb.SyncRun | None:
        run = await web.run(queued.name)
        return run if run.HasField("next_attempt_time") else None

    run = await wait_for(arrived)
    assert run.state == pb.RUN_STATE_PENDING
    assert run.message == "attempt 1 of 5 failed, will try again: Too many."
    assert run.next_attempt_time.ToNanoseconds() - run.start_time.ToNanoseconds() >= 3600 * 10**9
    assert (await web.sync()).sync_status.message == run.message
