"""Changes for the history of runs."""

from sqlite_utils import Database

from secretsync.store.sqlite.migrations.known import migrations


@migrations()
def m0012_attempts_and_requesters(database: Database) -> None:
    """What is kept of each attempt; who asked for a run; how often a sync was retried by then."""
    for statement in (
        """
        CREATE TABLE run_attempts (
            run_uid TEXT NOT NULL REFERENCES runs (uid) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            start_time TEXT NOT NULL,
            finish_time TEXT,
            outcome TEXT,
            error_reason TEXT,
            message TEXT NOT NULL DEFAULT '',
            requests INTEGER NOT NULL DEFAULT 0,
            request_bytes INTEGER NOT NULL DEFAULT 0,
            response_bytes INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (run_uid, number)
        ) STRICT, WITHOUT ROWID
        """,
        # Of all runs, only a few are under way.
        "CREATE INDEX run_attempts_open ON run_attempts (run_uid, number) WHERE outcome IS NULL",
        "ALTER TABLE runs ADD COLUMN http_request_count INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN request_bytes INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN response_bytes INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN requester TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE runs ADD COLUMN retries INTEGER NOT NULL DEFAULT 0",
    ):
        database.execute(statement)
