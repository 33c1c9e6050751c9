"""Changes for what is known of each key at its destination."""

from sqlite_utils import Database

from secretsync.store.sqlite.migrations.known import migrations


@migrations()
def m0010_key_states(database: Database) -> None:
    """How each key of a sync stands, and with the sync what would have to be counted each time."""
    for statement in (
        """
        CREATE TABLE key_states (
            sync_uid TEXT NOT NULL REFERENCES secret_syncs ON DELETE CASCADE,
            name TEXT NOT NULL,
            key TEXT NOT NULL,
            state TEXT NOT NULL,
            reason TEXT NOT NULL,
            state_time TEXT NOT NULL,
            change_time TEXT,
            error TEXT NOT NULL,
            error_time TEXT,
            run_uid TEXT NOT NULL,
            PRIMARY KEY (sync_uid, name)
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE INDEX key_states_by_state ON key_states (sync_uid, state, state_time)",
        "ALTER TABLE secret_syncs ADD COLUMN key_counts TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE secret_syncs ADD COLUMN drift_time TEXT",
        # When drift is to be looked for next.
        "ALTER TABLE secret_syncs ADD COLUMN next_check_time TEXT",
        """
        CREATE INDEX secret_syncs_to_check ON secret_syncs (next_check_time)
            WHERE next_check_time IS NOT NULL
        """,
    ):
        database.execute(statement)
