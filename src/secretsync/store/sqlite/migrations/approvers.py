"""Changes for those who approve plans."""

from sqlite_utils import Database

from secretsync.store.sqlite.migrations.known import migrations


@migrations()
def m0016_approvers(database: Database) -> None:
    """Who has declared to approve the plan of a run."""
    database.execute("ALTER TABLE runs ADD COLUMN approver TEXT NOT NULL DEFAULT ''")
