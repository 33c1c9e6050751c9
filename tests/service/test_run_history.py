"""How long runs stay in the history is set on the server."""

from pathlib import Path

import pytest
from refusals import refused
from service_kit import SYNC, Service, running, wait_for

from secretsync.adapter import AuthenticationFailed, Unavailable
from secretsync.v1 import secret_sync_service_pb2 as pb
from secretsync.v1.error_reason_pb2 import ErrorReason

LONG_AGO = "2020-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("setting", ["run_history_days", "run_history_count"])
async def test_old_runs_go_and_what_the_status_shows_stays(tmp_path: Path, setting: str) -> None:
    async with running(tmp_path / "data") as before:
        await before.add_project()
        await before.connect()
        await before.put({"A": "a"})
        await before.add_sync(is_auto_sync_enabled=False)
        first, good = await before.trigger(), await before.trigger()
        before.recorder.always["sync"] = AuthenticationFailed("No.")
        bad, last = await before.trigger(), await before.trigger()
        removal = await before.remove()
        await before.tamper(f"UPDATE runs SET finish_time = '{LONG_AGO}'")  # noqa: S608
        assert len(await before.runs()) == 5
    async with running(tmp_path / "data", **{setting: 1}) as after:

        async def pruned() -> list[str] | None:
            names = [run.name for run in await after.runs()]
            return names if len(names) < 5 else None

        assert await wait_for(pruned) == [good.name, last.name, removal.name]
        for gone in (first, bad):
            assert (await refused(after.run(gone.name))).reason == "RESOURCE_NOT_FOUND"
        await check_status(after, last.name, removal.name)


async def check_status(service: Service, last: str, removal: str) -> None:
    """What the status names can be read."""
    shown = await service.sync(SYNC)
    assert (shown.sync_status.last_run, shown.remove_status.last_run) == (last, removal)
    assert (await service.run(last)).message == shown.sync_status.message == "No."
    assert (await service.run(removal)).state == pb.RUN_STATE_SUCCEEDED


async def test_an_ordinary_history_is_left_alone(tmp_path: Path) -> None:
    async with running(tmp_path / "data", run_history_count=1) as service:
        await service.add_project()
        await service.connect()
        await service.put({"A": "a"})
        await service.add_sync(is_auto_sync_enabled=False)
        names = [(await service.trigger()).name for _ in range(3)]
    async with running(tmp_path / "data", run_history_count=1) as service:
        await service.trigger()
        assert [run.name for run in await service.runs()][:3] == names


async def test_a_run_tells_of_its_attempts(service: Service) -> None:
    await service.add_project()
    await service.connect()
    await service.put({"A": "a"})
    service.recorder.failures["sync"] = [Unavailable("Down."), None]
    await service.add_sync()
    [listed] = await service.quiet()
    assert listed.attempts == []
    run = await service.run(listed.name)
    first, second = run.attempts
    assert (first.number, first.outcome, first.message) == (1, pb.ATTEMPT_OUTCOME_FAILED, "Down.")
    assert first.error_reason == ErrorReason.ERROR_REASON_DESTINATION_UNAVAILABLE
    assert (second.number, second.outcome) == (2, pb.ATTEMPT_OUTCOME_SUCCEEDED)
    assert second.error_reason == ErrorReason.ERROR_REASON_UNSPECIFIED
    assert first.start_time.ToDatetime() <= first.finish_time.ToDatetime()
    assert second.finish_time == run.finish_time


async def test_a_partial_success_is_shown_found_and_finished(service: Service) -> None:
    await service.add_project()
    await service.connect()
    await service.put({"A": "a", "B": "b"})
    service.recorder.refused = {"B"}
    await service.add_sync(is_auto_sync_enabled=False)
    run = await service.trigger()
    assert run.state == pb.RUN_STATE_PARTIALLY_SUCCEEDED
    assert run.error_reason == ErrorReason.ERROR_REASON_KEYS_FAILED
    assert (run.counts.created, run.counts.failed) == (1, 1)
    assert [(each.key, each.action, each.reason) for each in run.key_results] == [
        ("A", pb.KEY_ACTION_CREATED, ""),
        ("B", pb.KEY_ACTION_FAILED, "Too long."),
    ]
    assert {each.outcome for each in run.attempts} == {pb.ATTEMPT_OUTCOME_PARTIALLY_SUCCEEDED}
    shown = (await service.sync()).sync_status
    assert (shown.state, shown.message) == (run.state, run.message)
    only = pb.ListSyncRunsRequest(parent=SYNC, states=[pb.RUN_STATE_PARTIALLY_SUCCEEDED])
    [found] = (await service.syncs.ListSyncRuns(only)).sync_runs
    assert found.name == run.name
    service.recorder.refused = set()
    finished = await service.trigger()
    assert finished.state == pb.RUN_STATE_SUCCEEDED
    assert (finished.counts.created, finished.counts.unchanged) == (1, 1)


async def test_a_sync_that_gave_up_comes_back_by_itself(tmp_path: Path) -> None:
    async with running(tmp_path / "data", retry_later=3600, retry_attempts=1) as service:
        await service.add_project()
        await service.connect()
        await service.put({"A": "a"})
        service.recorder.always["sync"] = Unavailable("Down.")
        created = await service.add_sync()
        failed = await service.ended(created.sync_status.last_run)
        [_, waiting] = await service.runs()
        assert (waiting.trigger, waiting.state) == (pb.RUN_TRIGGER_RETRY, pb.RUN_STATE_PENDING)
        due = waiting.next_attempt_time.ToDatetime() - failed.finish_time.ToDatetime()
        assert 1700 < due.total_seconds() < 3700
        assert waiting.message == "will try again what failed: Down. (gave up after 1 attempts)"
        status = (await service.sync()).sync_status
        assert (status.last_run, status.state) == (failed.name, pb.RUN_STATE_FAILED)
        # Whoever asks by hand gets the retry, and need not wait for its time.
        service.recorder.always.clear()
        run = await service.trigger()
        assert (run.name, run.trigger) == (waiting.name, pb.RUN_TRIGGER_MANUAL)
        assert run.state == pb.RUN_STATE_SUCCEEDED
        [only] = (
            await service.syncs.ListSyncRuns(
                pb.ListSyncRunsRequest(parent=SYNC, states=[pb.RUN_STATE_FAILED])
            )
        ).sync_runs
        assert only.name == failed.name
    async with running(tmp_path / "data", retry_later=0.01, retry_attempts=1) as service:
        service.recorder.failures["sync"] = [Unavailable("Down.")]
        await service.put({"A": "b"})

        async def synced() -> bool | None:
            return service.recorder.held["web"] == {"A": "b"} or None

        await wait_for(synced)
        triggers = [run.trigger for run in (await service.quiet())[-2:]]
        assert triggers == [pb.RUN_TRIGGER_SOURCE_CHANGE, pb.RUN_TRIGGER_RETRY]
