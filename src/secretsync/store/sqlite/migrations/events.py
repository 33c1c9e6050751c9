"""Changes for watchers: every change of a sync or a run is an event.

Triggers write the events, so that none can be forgotten: they see what single statements do to many
rows, and are part of the same transaction. A change that makes a table anew must make its triggers
anew.
"""

from sqlite_utils import Database

from secretsync.store.sqlite.migrations.known import migrations

# Of a fixed width, as all times in the database.
NOW = "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"
MARK = "lower(hex(randomblob(8)))"

SYNC_EVENT = """
    CREATE TRIGGER {trigger} AFTER {change}
    BEGIN
        INSERT INTO sync_events (mark, time, kind, project, sync_uid, sync_name)
        VALUES (
            {mark}, {now}, '{kind}', {row}.project, {row}.uid,
            'projects/' || {row}.project || '/secretSyncs/' || {row}.slug
        );
    END
"""
# Each change of the settings has a version of its own. How a sync's keys stand changes with its
# runs, which are events themselves, and the rest is shown to nobody.
_SYNC_UPDATE = """
    UPDATE ON secret_syncs
    WHEN OLD.version <> NEW.version OR OLD.next_run_time IS NOT NEW.next_run_time
"""
_RUN_EVENT = """
    CREATE TRIGGER {trigger} AFTER {change}
    BEGIN
        INSERT INTO sync_events (
            mark, time, kind, project, sync_uid, sync_name, run_uid, action, "trigger", state,
            message, error_reason, attempt, create_time, not_before, start_time, finish_time,
            cancel_requested
        )
        SELECT
            {mark}, {now}, 'run-changed', project, NEW.sync_uid, NEW.sync_name, NEW.uid, NEW.action,
            NEW."trigger", NEW.state, NEW.message, NEW.error_reason, NEW.attempt, NEW.create_time,
            NEW.not_before, NEW.start_time, NEW.finish_time, NEW.cancel_requested
        FROM secret_syncs WHERE uid = NEW.sync_uid;
    END
"""
# What is written again as it was, and what watchers are not shown, such as leases, is no event.
_RUN_UPDATE = """
    UPDATE OF
        state, message, error_reason, attempt, not_before, start_time, finish_time, cancel_requested
    ON runs WHEN
        (OLD.state, OLD.message, OLD.attempt, OLD.not_before, OLD.cancel_requested)
            <> (NEW.state, NEW.message, NEW.attempt, NEW.not_before, NEW.cancel_requested)
        OR OLD.error_reason IS NOT NEW.error_reason
        OR OLD.start_time IS NOT NEW.start_time
        OR OLD.finish_time IS NOT NEW.finish_time
"""


# A pause holds a sync, all syncs of a connection, or all: each of these is shown as paused.
_PAUSE_EVENT = """
    CREATE TRIGGER {trigger} AFTER {change} ON pauses WHEN {condition}
    BEGIN
        INSERT INTO sync_events (mark, time, kind, project, sync_uid, sync_name)
        SELECT
            {mark}, {now}, 'sync-updated', project, uid,
            'projects/' || project || '/secretSyncs/' || slug
        FROM secret_syncs {where};
    END
"""


@migrations()
def m0008_events(database: Database) -> None:
    """What happened to syncs and runs, in order, for those who watch."""
    for statement in (
        # AUTOINCREMENT: a seq is never used twice. No reference: events outlive what they tell of.
        """
        CREATE TABLE sync_events (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            mark TEXT NOT NULL,
            time TEXT NOT NULL,
            kind TEXT NOT NULL,
            project TEXT NOT NULL,
            sync_uid TEXT,
            sync_name TEXT,
            run_uid TEXT,
            action TEXT,
            "trigger" TEXT,
            state TEXT,
            message TEXT,
            error_reason TEXT,
            attempt INTEGER,
            create_time TEXT,
            not_before TEXT,
            start_time TEXT,
            finish_time TEXT,
            cancel_requested INTEGER
        ) STRICT
        """,
        "CREATE INDEX sync_events_by_sync ON sync_events (sync_name, seq)",
        "CREATE INDEX sync_events_by_project ON sync_events (project, seq)",
        *(
            SYNC_EVENT.format(
                trigger=trigger, change=change, kind=kind, row=row, mark=MARK, now=NOW
            )
            for trigger, change, kind, row in (
                ("secret_syncs_created", "INSERT ON secret_syncs", "sync-created", "NEW"),
                ("secret_syncs_updated", _SYNC_UPDATE, "sync-updated", "NEW"),
                ("secret_syncs_deleted", "DELETE ON secret_syncs", "sync-deleted", "OLD"),
            )
        ),
        *(
            _RUN_EVENT.format(trigger=trigger, change=change, mark=MARK, now=NOW)
            for trigger, change in (
                ("runs_queued", "INSERT ON runs"),
                ("runs_changed", _RUN_UPDATE),
            )
        ),
        *(
            _PAUSE_EVENT.format(
                trigger=f"pauses_{change}_{scope}".lower(),
                change=change,
                condition=condition.format(row=row),
                where=where.format(row=row),
                mark=MARK,
                now=NOW,
            )
            for change, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD"))
            for scope, condition, where in (
                ("sync", "{row}.sync_uid IS NOT NULL", "WHERE uid = {row}.sync_uid"),
                (
                    "connection",
                    "{row}.connection_uid IS NOT NULL",
                    "WHERE connection_uid = {row}.connection_uid ORDER BY uid",
                ),
                (
                    "all",
                    "{row}.sync_uid IS NULL AND {row}.connection_uid IS NULL",
                    "ORDER BY project_uid, slug",
                ),
            )
        ),
        f"""
        CREATE TRIGGER projects_deleted AFTER DELETE ON projects
        BEGIN
            INSERT INTO sync_events (mark, time, kind, project)
            VALUES ({MARK}, {NOW}, 'project-deleted', OLD.slug);
        END
        """,  # noqa: S608  only names from this module
    ):
        database.execute(statement)
