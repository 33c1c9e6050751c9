"""Changes for schedules."""

from sqlite_utils import Database

from secretsync.store.sqlite.migrations.known import migrations


@migrations()
def m0009_schedules(database: Database) -> None:
    """When syncs run because time has passed, with indexes that hold only those that do."""
    for statement in (
        "ALTER TABLE secret_syncs ADD COLUMN schedule TEXT",
        "ALTER TABLE secret_syncs ADD COLUMN next_run_time TEXT",
        "ALTER TABLE secret_syncs ADD COLUMN clock_time TEXT",
        """
        CREATE INDEX secret_syncs_due ON secret_syncs (next_run_time)
            WHERE next_run_time IS NOT NULL
        """,
        """
        CREATE INDEX secret_syncs_timed ON secret_syncs (clock_time)
            WHERE clock_time IS NOT NULL
        """,
    ):
        database.execute(statement)
