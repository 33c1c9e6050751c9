"""Changes for checks."""

from sqlite_utils import Database

from secretsync.store.sqlite.migrations.known import migrations


@migrations()
def m0013_checks(database: Database) -> None:
    """The open runs in two indexes: checks start only when no other run can."""
    for statement in (
        "DROP INDEX runs_open",
        """
        CREATE INDEX runs_open ON runs (seq)
            WHERE state IN ('pending', 'running') AND action <> 'check'
        """,
        """
        CREATE INDEX runs_open_checks ON runs (seq)
            WHERE state IN ('pending', 'running') AND action = 'check'
        """,
    ):
        database.execute(statement)
