"""Messages of streams."""

from secretsync.operations.changes import Change, ChangeKind
from secretsync.services.runs import run_message
from secretsync.services.translate import timestamp
from secretsync.v1 import secret_sync_service_pb2 as pb

KINDS = {
    ChangeKind.PRESENT: pb.SYNC_CHANGE_PRESENT,
    ChangeKind.SYNCED: pb.SYNC_CHANGE_SYNCED,
    ChangeKind.CREATED: pb.SYNC_CHANGE_CREATED,
    ChangeKind.UPDATED: pb.SYNC_CHANGE_UPDATED,
    ChangeKind.DELETED: pb.SYNC_CHANGE_DELETED,
    ChangeKind.RUN: pb.SYNC_CHANGE_RUN,
    ChangeKind.PROGRESS: pb.SYNC_CHANGE_PROGRESS,
    ChangeKind.KEEP_ALIVE: pb.SYNC_CHANGE_KEEP_ALIVE,
}


def change_message(change: Change[pb.SecretSync], max_attempts: int) -> pb.WatchSecretSyncsResponse:
    """Return a message of a stream.

    Args:
        change: what it tells.
        max_attempts: how many attempts runs have.
    """
    run = change.run
    return pb.WatchSecretSyncsResponse(
        cursor=change.cursor,
        change=KINDS[change.kind],
        change_time=timestamp(change.time),
        name=change.sync_name,
        uid=change.sync_uid,
        secret_sync=change.sync,
        sync_run=run_message(run, max_attempts, change.progress) if run else None,
    )
