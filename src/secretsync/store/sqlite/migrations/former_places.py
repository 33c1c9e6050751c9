"""Changes for what syncs put at places that they have left."""

from sqlite_utils import Database

from secretsync.store.sqlite.migrations.known import migrations


@migrations()
def m0011_former_places(database: Database) -> None:
    """Former places with their ledgers, and runs about them, one of which may wait for each."""
    for statement in (
        # The connection has no CASCADE: as long as its credentials are needed, it stays.
        """
        CREATE TABLE former_places (
            uid TEXT PRIMARY KEY,
            sync_uid TEXT NOT NULL REFERENCES secret_syncs ON DELETE CASCADE,
            project_uid TEXT NOT NULL,
            destination TEXT NOT NULL,
            connection_uid TEXT NOT NULL REFERENCES connections,
            connection TEXT NOT NULL,
            instance TEXT NOT NULL,
            destination_config TEXT NOT NULL,
            target_key TEXT NOT NULL,
            method TEXT NOT NULL,
            sealed_credentials BLOB NOT NULL,
            leave_time TEXT NOT NULL,
            failures INTEGER NOT NULL,
            UNIQUE (sync_uid, target_key)
        ) STRICT
        """,
        "CREATE INDEX former_places_by_connection ON former_places (connection_uid, uid)",
        "CREATE INDEX former_places_by_target ON former_places (target_key)",
        """
        CREATE TABLE former_ledger (
            place_uid TEXT NOT NULL REFERENCES former_places ON DELETE CASCADE,
            identity TEXT NOT NULL,
            confirmed INTEGER NOT NULL,
            key TEXT NOT NULL,
            name TEXT NOT NULL,
            remote_id TEXT,
            digest TEXT NOT NULL,
            version TEXT,
            PRIMARY KEY (place_uid, identity, confirmed DESC)
        ) STRICT, WITHOUT ROWID
        """,
        # Empty: the place that the sync leads to.
        "ALTER TABLE runs ADD COLUMN place_uid TEXT NOT NULL DEFAULT ''",
        "DROP INDEX runs_pending",
        """
        CREATE UNIQUE INDEX runs_pending ON runs (sync_uid, place_uid) WHERE state = 'pending'
        """,
        "CREATE INDEX runs_by_place ON runs (place_uid, seq) WHERE place_uid <> ''",
        # A sync is shown with its former places, so watchers hear of it when one is forgotten. All
        # else that happens to them comes with a change of the sync or of a run.
        """
        CREATE TRIGGER former_places_deleted AFTER DELETE ON former_places
        BEGIN
            INSERT INTO sync_events (mark, time, kind, project, sync_uid, sync_name)
            SELECT
                lower(hex(randomblob(8))), strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'),
                'sync-updated', project, uid, 'projects/' || project || '/secretSyncs/' || slug
            FROM secret_syncs WHERE uid = OLD.sync_uid;
        END
        """,
    ):
        database.execute(statement)
