"""SecretSyncService: how each key of a sync stands at its destination."""

from typing import Any

import pytest
from recording_destination import Recorder
from refusals import invalid_fields
from service_kit import SYNC, Service

from secretsync.adapter import Action, KeyResult, PermissionDenied, RunResult
from secretsync.v1 import secret_sync_service_pb2 as pb


async def keys(service: Service, *states: int) -> dict[str, pb.SyncKey]:
    """Return the keys of the sync by name."""
    request = pb.ListSyncKeysRequest(parent=SYNC, states=states)  # type: ignore[arg-type]
    answer = await service.syncs.ListSyncKeys(request)
    return {key.destination_name: key for key in answer.sync_keys}


async def shown_states(service: Service) -> dict[str, int]:
    return {name: key.state for name, key in (await keys(service)).items()}


@pytest.fixture
async def web(shop: Service) -> Service:
    """A server with a sync of two keys that has not run."""
    await shop.put({"A": "1", "B": "2"})
    options = pb.SyncOptions(key_schema="X_{{secretKey}}")
    await shop.add_sync(is_auto_sync_enabled=False, sync_options=options)
    return shop


async def test_no_key_is_known_before_the_first_run(web: Service) -> None:
    assert await keys(web) == {}
    assert (await web.sync()).key_state_counts == pb.KeyStateCounts()


async def test_a_run_tells_how_its_keys_stand(web: Service) -> None:
    run = await web.trigger()
    found = await keys(web)
    assert found["X_A"] == pb.SyncKey(
        key="A",
        destination_name="X_A",
        state=pb.KEY_STATE_SYNCED,
        state_time=run.finish_time,
        change_time=run.finish_time,
        last_run=run.name,
    )
    assert found.keys() == {"X_A", "X_B"}
    assert (await web.sync()).key_state_counts == pb.KeyStateCounts(synced=2)


async def test_only_what_changed_is_written_anew(web: Service) -> None:
    first = await web.trigger()
    await web.put({"B": "changed", "C": "3"})
    rows = {row[1]: row for row in web.dump()["key_states"]}
    second = await web.trigger()
    after = {row[1]: row for row in web.dump()["key_states"]}
    assert after["X_A"] == rows["X_A"]
    found = await keys(web)
    assert (found["X_B"].state_time, found["X_B"].change_time) == (
        first.finish_time,
        second.finish_time,
    )
    assert {name: key.last_run for name, key in found.items()} == {
        "X_A": first.name,
        "X_B": second.name,
        "X_C": second.name,
    }


async def test_what_was_deleted_or_removed_is_gone(web: Service, recorder: Recorder) -> None:
    await web.trigger()
    await web.delete("A")
    await web.trigger()
    assert (await keys(web)).keys() == {"X_B"}
    recorder.hidden = {"X_B"}
    await web.put({"C": "3"})
    await web.trigger()
    await web.remove()
    # What a removal has no result of is not listed: nothing is known of it any more.
    assert await keys(web) == {}
    assert (await web.sync()).key_state_counts == pb.KeyStateCounts()


async def test_a_run_that_fails_as_a_whole_leaves_the_keys_as_they_were(
    web: Service, recorder: Recorder
) -> None:
    await web.trigger()
    before = await keys(web)
    recorder.failures["sync"] = [PermissionDenied("No.")]
    assert (await web.trigger()).state == pb.RUN_STATE_FAILED
    assert await keys(web) == before


async def test_keys_that_were_left_alone_are_found_by_their_state(
    web: Service, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await web.trigger()
    results = (
        KeyResult(key="A", name="X_A", action=Action.UNCHANGED),
        KeyResult(key="B", name="X_B", action=Action.SKIPPED, reason="somebody else has it"),
    )

    async def leave_alone(destination: str, request: Any) -> RunResult:  # noqa: ANN401
        del destination
        return RunResult(keys=results, ledger=request.ledger)

    monkeypatch.setattr(web.server.app.registry, "sync", leave_alone)
    run = await web.trigger()
    assert await shown_states(web) == {"X_A": pb.KEY_STATE_SYNCED, "X_B": pb.KEY_STATE_SKIPPED}
    found = await keys(web, pb.KEY_STATE_SKIPPED, pb.KEY_STATE_FAILED)
    assert found.keys() == {"X_B"}
    assert (found["X_B"].reason, found["X_B"].state_time) == (
        "somebody else has it",
        run.finish_time,
    )
    assert (await web.sync()).key_state_counts == pb.KeyStateCounts(synced=1, skipped=1)
    assert recorder.held["web"] == {"X_A": "1", "X_B": "2"}


async def test_a_state_that_does_not_exist_is_refused(web: Service) -> None:
    for wrong in (0, 9):
        request = pb.ListSyncKeysRequest(parent="web", states=[wrong])  # type: ignore[list-item]
        fields = await invalid_fields(web.syncs.ListSyncKeys(request))
        assert fields.keys() == {"parent", "states"}
        assert fields["states"].startswith("must be among KEY_STATE_SYNCED, ")
