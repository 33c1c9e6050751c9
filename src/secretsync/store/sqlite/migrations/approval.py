"""Changes for plans that runs keep to, wait with, or were stopped with."""

from sqlite_utils import Database

from secretsync.store.sqlite.migrations.known import migrations


@migrations()
def m0006_guards_and_approval(database: Database) -> None:
    """What a run may do, and the plan that it was stopped with; one waits for approval at most.

    Of a run that is tried again, nobody knows whether an earlier attempt has written.
    """
    for statement in (
        "ALTER TABLE runs ADD COLUMN override_guards INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN approved_fingerprint TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE runs ADD COLUMN follow_up TEXT",
        "ALTER TABLE runs ADD COLUMN may_have_written INTEGER NOT NULL DEFAULT 0",
        "UPDATE runs SET may_have_written = 1 WHERE lease_token > 0",
        "ALTER TABLE run_details ADD COLUMN plan TEXT",
        """
        CREATE UNIQUE INDEX runs_awaiting_approval ON runs (sync_uid)
            WHERE state = 'awaiting-approval'
        """,
    ):
        database.execute(statement)
