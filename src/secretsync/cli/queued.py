"""Waits for a run that was just queued, unless a pause holds it."""

from secretsync.cli.client import Client
from secretsync.cli.lookups import get_connection, get_sync
from secretsync.cli.pause_view import check_not_paused
from secretsync.cli.waiting import wait_for_run
from secretsync.v1.pause_pb2 import Pause
from secretsync.v1.secret_sync_service_pb2 import RUN_STATE_PENDING, SyncRun


def wait_for_queued(client: Client, queued: SyncRun) -> SyncRun:
    """Return a run once it has come to rest.

    Args:
        client: has the limit of `--timeout`.
        queued: the run as the call that queued it returned it.

    Raises:
        CliError: a pause holds it; and as for `wait_for_run`.
    """
    if queued.state == RUN_STATE_PENDING and queued.message:
        # It does not wait for its turn only.
        check_not_paused(_pauses_holding(client, queued), queued.name)
    return wait_for_run(client, queued.name)


def _pauses_holding(client: Client, run: SyncRun) -> list[Pause]:
    """Return the pauses that hold a run; of a clean-up, those of its former place's connection."""
    sync = get_sync(client, run.name.partition("/runs/")[0])
    place = next((place for place in sync.former_places if place.last_run == run.name), None)
    if place is None:
        return list(sync.pauses)
    own = [pause for pause in sync.pauses if pause.name == sync.name]
    return [*own, *get_connection(client, place.connection).pauses]
