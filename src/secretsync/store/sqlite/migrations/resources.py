"""The first changes: projects and what they hold, syncs and runs, requests and keys."""

from sqlite_utils import Database

from secretsync.store.sqlite.migrations.known import migrations


@migrations()
def m0001_resources(database: Database) -> None:
    """Projects and what they hold. Slugs of other resources are repeated: they never change."""
    for statement in (
        """
        CREATE TABLE projects (
            uid TEXT PRIMARY KEY,
            slug TEXT NOT NULL UNIQUE,
            display_name TEXT NOT NULL,
            description TEXT NOT NULL,
            version INTEGER NOT NULL,
            create_time TEXT NOT NULL,
            update_time TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE environments (
            uid TEXT PRIMARY KEY,
            project_uid TEXT NOT NULL REFERENCES projects ON DELETE CASCADE,
            project TEXT NOT NULL,
            slug TEXT NOT NULL,
            display_name TEXT NOT NULL,
            description TEXT NOT NULL,
            version INTEGER NOT NULL,
            create_time TEXT NOT NULL,
            update_time TEXT NOT NULL,
            UNIQUE (project_uid, slug)
        ) STRICT
        """,
        """
        CREATE TABLE secrets (
            uid TEXT PRIMARY KEY,
            environment_uid TEXT NOT NULL REFERENCES environments ON DELETE CASCADE,
            path TEXT NOT NULL,
            key TEXT NOT NULL,
            sealed_value BLOB NOT NULL,
            comment TEXT NOT NULL,
            version INTEGER NOT NULL,
            create_time TEXT NOT NULL,
            update_time TEXT NOT NULL,
            UNIQUE (environment_uid, path, key)
        ) STRICT
        """,
        # The imported environment has no CASCADE: as long as others import from it, it stays.
        """
        CREATE TABLE secret_imports (
            uid TEXT PRIMARY KEY,
            project TEXT NOT NULL,
            environment_uid TEXT NOT NULL REFERENCES environments ON DELETE CASCADE,
            environment TEXT NOT NULL,
            path TEXT NOT NULL,
            import_environment_uid TEXT NOT NULL REFERENCES environments,
            import_environment TEXT NOT NULL,
            import_path TEXT NOT NULL,
            position INTEGER NOT NULL,
            create_time TEXT NOT NULL,
            UNIQUE (environment_uid, path, position)
        ) STRICT
        """,
        """
        CREATE INDEX secret_imports_by_imported
            ON secret_imports (import_environment_uid, import_path)
        """,
        """
        CREATE TABLE connections (
            uid TEXT PRIMARY KEY,
            project_uid TEXT NOT NULL REFERENCES projects ON DELETE CASCADE,
            project TEXT NOT NULL,
            slug TEXT NOT NULL,
            description TEXT NOT NULL,
            destination TEXT NOT NULL,
            method TEXT NOT NULL,
            instance TEXT NOT NULL,
            sealed_credentials BLOB NOT NULL,
            public_credentials TEXT NOT NULL,
            credentials_hash TEXT NOT NULL,
            version INTEGER NOT NULL,
            create_time TEXT NOT NULL,
            update_time TEXT NOT NULL,
            UNIQUE (project_uid, slug)
        ) STRICT
        """,
    ):
        database.execute(statement)


@migrations()
def m0002_syncs_and_runs(database: Database) -> None:
    """Syncs, their runs, which are the queue as well, and their ledgers."""
    for statement in (
        # No CASCADE: what a sync uses stays until the sync itself is gone.
        """
        CREATE TABLE secret_syncs (
            uid TEXT PRIMARY KEY,
            project_uid TEXT NOT NULL REFERENCES projects,
            project TEXT NOT NULL,
            slug TEXT NOT NULL,
            description TEXT NOT NULL,
            destination TEXT NOT NULL,
            connection_uid TEXT NOT NULL REFERENCES connections,
            connection TEXT NOT NULL,
            environment_uid TEXT NOT NULL REFERENCES environments,
            environment TEXT NOT NULL,
            secret_path TEXT NOT NULL,
            recursive INTEGER NOT NULL,
            destination_config TEXT NOT NULL,
            options TEXT NOT NULL,
            is_enabled INTEGER NOT NULL,
            is_auto_sync_enabled INTEGER NOT NULL,
            target_key TEXT NOT NULL,
            initialized INTEGER NOT NULL,
            version INTEGER NOT NULL,
            create_time TEXT NOT NULL,
            update_time TEXT NOT NULL,
            UNIQUE (project_uid, slug)
        ) STRICT
        """,
        "CREATE INDEX secret_syncs_by_connection ON secret_syncs (connection_uid, uid)",
        "CREATE INDEX secret_syncs_by_source ON secret_syncs (environment_uid, secret_path)",
        "CREATE INDEX secret_syncs_by_target ON secret_syncs (target_key)",
        # AUTOINCREMENT: a seq is never used twice, so it orders runs even after deletions.
        # claimed_*: what the sync pointed to when the run was claimed. An update of the sync while
        # the run is at work must not let another run at the same target begin.
        """
        CREATE TABLE runs (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            uid TEXT NOT NULL UNIQUE,
            sync_uid TEXT NOT NULL REFERENCES secret_syncs ON DELETE CASCADE,
            sync_name TEXT NOT NULL,
            action TEXT NOT NULL,
            "trigger" TEXT NOT NULL,
            state TEXT NOT NULL,
            message TEXT NOT NULL,
            error_reason TEXT,
            attempt INTEGER NOT NULL,
            create_time TEXT NOT NULL,
            not_before TEXT NOT NULL,
            start_time TEXT,
            finish_time TEXT,
            lease_token INTEGER NOT NULL,
            lease_until TEXT,
            delete_sync INTEGER NOT NULL,
            outcome TEXT NOT NULL,
            claimed_target TEXT,
            claimed_connection TEXT
        ) STRICT
        """,
        "CREATE INDEX runs_by_sync ON runs (sync_uid, seq)",
        "CREATE INDEX runs_by_action ON runs (sync_uid, action, seq)",
        # At most one run of a sync waits; this is what refuses a second.
        "CREATE UNIQUE INDEX runs_pending ON runs (sync_uid) WHERE state = 'pending'",
        "CREATE INDEX runs_running ON runs (sync_uid) WHERE state = 'running'",
        # The rest keeps the queue's questions cheap however many runs have finished.
        "CREATE INDEX runs_open ON runs (seq) WHERE state IN ('pending', 'running')",
        "CREATE INDEX runs_due ON runs (not_before) WHERE state = 'pending'",
        "CREATE INDEX runs_leased ON runs (lease_until) WHERE state = 'running'",
        "CREATE INDEX runs_at_target ON runs (claimed_target) WHERE state = 'running'",
        "CREATE INDEX runs_at_connection ON runs (claimed_connection) WHERE state = 'running'",
        # Apart from the runs, because lists do not need it and it can be large.
        """
        CREATE TABLE run_details (
            run_uid TEXT PRIMARY KEY REFERENCES runs (uid) ON DELETE CASCADE,
            keys TEXT NOT NULL,
            http_requests TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE ledger (
            sync_uid TEXT NOT NULL REFERENCES secret_syncs ON DELETE CASCADE,
            identity TEXT NOT NULL,
            confirmed INTEGER NOT NULL,
            key TEXT NOT NULL,
            name TEXT NOT NULL,
            remote_id TEXT,
            digest TEXT NOT NULL,
            version TEXT,
            PRIMARY KEY (sync_uid, identity, confirmed DESC)
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE target_writes (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            target_key TEXT NOT NULL,
            version_before TEXT NOT NULL,
            version_after TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX target_writes_by_age ON target_writes (target_key, seq)",
        """
        CREATE TABLE target_attempts (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            target_key TEXT NOT NULL,
            version TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX target_attempts_by_age ON target_attempts (target_key, seq, version)",
        """
        CREATE INDEX target_writes_by_version
            ON target_writes (target_key, version_before, version_after)
        """,
    ):
        database.execute(statement)


@migrations()
def m0003_requests_and_keys(database: Database) -> None:
    """First results of requests with an id, and wrapped keys."""
    for statement in (
        """
        CREATE TABLE idempotency (
            method TEXT NOT NULL,
            request_id TEXT NOT NULL,
            fingerprint BLOB NOT NULL,
            response BLOB NOT NULL,
            create_time TEXT NOT NULL,
            PRIMARY KEY (method, request_id)
        ) STRICT
        """,
        "CREATE INDEX idempotency_by_age ON idempotency (create_time)",
        """
        CREATE TABLE data_keys (
            project_uid TEXT PRIMARY KEY REFERENCES projects ON DELETE CASCADE,
            wrapped BLOB NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE meta (
            name TEXT PRIMARY KEY,
            value BLOB NOT NULL
        ) STRICT
        """,
    ):
        database.execute(statement)
