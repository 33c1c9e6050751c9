"""Changes for syncs that are led back to a place that they have left."""

from sqlite_utils import Database

from secretsync.store.sqlite.migrations.known import migrations


@migrations()
def m0014_returns(database: Database) -> None:
    """Where a run has succeeded before. Of places left before this, it is taken for granted."""
    for statement in (
        "ALTER TABLE former_places ADD COLUMN initialized INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE secret_syncs ADD COLUMN was_here INTEGER NOT NULL DEFAULT 0",
    ):
        database.execute(statement)
