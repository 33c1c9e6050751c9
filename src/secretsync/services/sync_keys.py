"""Keys of syncs, and how many there are in each state, as the API shows them."""

from collections.abc import Mapping

from secretsync.domain.key_states import KeyState, SyncKey
from secretsync.domain.problems import Violations
from secretsync.services.runs import chosen
from secretsync.services.translate import timestamp
from secretsync.v1 import secret_sync_service_pb2 as pb

STATES = {
    KeyState.SYNCED: pb.KEY_STATE_SYNCED,
    KeyState.SKIPPED: pb.KEY_STATE_SKIPPED,
    KeyState.FAILED: pb.KEY_STATE_FAILED,
    KeyState.DRIFTED: pb.KEY_STATE_DRIFTED,
}


def states_of(request: pb.ListSyncKeysRequest, violations: Violations) -> frozenset[KeyState]:
    """Return the states that a list request asks for, noting what is wrong with them."""
    return chosen("states", request.states, STATES, pb.KeyState.Name, violations)


def key_message(key: SyncKey, sync_name: str) -> pb.SyncKey:
    """Return a key as the API shows it."""
    return pb.SyncKey(
        key=key.key,
        destination_name=key.name,
        state=STATES[key.state],
        reason=key.reason,
        state_time=timestamp(key.state_time),
        change_time=timestamp(key.change_time),
        last_error=key.error,
        last_error_time=timestamp(key.error_time),
        last_run=f"{sync_name}/runs/{key.run_uid}",
    )


def key_counts_message(counts: Mapping[KeyState, int]) -> pb.KeyStateCounts:
    """Return how many keys there are in each state."""
    return pb.KeyStateCounts(**{state.value: counts.get(state, 0) for state in KeyState})
