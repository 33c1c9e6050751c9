"""Changes for syncs that new credentials lead elsewhere."""

from sqlite_utils import Database

from secretsync.store.sqlite.migrations.events import MARK, NOW, SYNC_EVENT
from secretsync.store.sqlite.migrations.known import migrations

# Each change of the settings has a version of its own, but new credentials lead syncs elsewhere
# without one.
_SYNC_UPDATE = """
    UPDATE ON secret_syncs
    WHEN (OLD.version, OLD.target_key) <> (NEW.version, NEW.target_key)
        OR OLD.next_run_time IS NOT NEW.next_run_time
"""


@migrations()
def m0015_moves(database: Database) -> None:
    """Where a sync leads to is part of what watchers are told."""
    database.execute("DROP TRIGGER secret_syncs_updated")
    database.execute(
        SYNC_EVENT.format(
            trigger="secret_syncs_updated",
            change=_SYNC_UPDATE,
            kind="sync-updated",
            row="NEW",
            mark=MARK,
            now=NOW,
        )
    )
