"""The statements of the table of runs that say more than one line can."""

from secretsync.store.sqlite.pauses import HELD

# Runs are looked at by seq, so a run that may not start yet lets the next one pass. A run is not
# in its own way: those that are RUNNING with a live lease are busy, and what may start is not. What
# is busy is looked up once, and not for each of the thousands that may wait for one connection.
CLAIM = f"""
    UPDATE runs SET
        state = 'running',
        attempt = attempt + 1,
        may_have_written = may_have_written OR state = 'running',
        lease_token = lease_token + 1,
        lease_until = :lease_until,
        start_time = :now,
        (claimed_target, claimed_connection) = (
            SELECT
                coalesce(place.target_key, sync.target_key),
                coalesce(place.connection_uid, sync.connection_uid)
            FROM secret_syncs AS sync
            LEFT JOIN former_places AS place ON place.uid = runs.place_uid
            WHERE sync.uid = runs.sync_uid
        )
    WHERE seq = (
        SELECT run.seq FROM runs AS run CROSS JOIN secret_syncs AS sync ON sync.uid = run.sync_uid
        LEFT JOIN former_places AS place ON place.uid = run.place_uid
        WHERE run.state IN ('pending', 'running') AND run.action {{kind}}
            AND CASE run.state
                WHEN 'pending' THEN run.not_before <= :now
                ELSE run.lease_until <= :now
            END
            AND (sync.is_enabled OR run.action NOT IN ('sync', 'check'))
            AND NOT run.cancel_requested
            AND (run.sync_uid, run.place_uid) NOT IN (
                SELECT sync_uid, place_uid FROM runs
                WHERE state = 'running' AND lease_until > :now
            )
            AND coalesce(place.target_key, sync.target_key) NOT IN (
                SELECT claimed_target FROM runs
                WHERE state = 'running' AND lease_until > :now AND claimed_target IS NOT NULL
            )
            AND coalesce(place.connection_uid, sync.connection_uid) NOT IN (
                SELECT claimed_connection FROM runs
                WHERE state = 'running' AND lease_until > :now AND claimed_connection IS NOT NULL
                GROUP BY claimed_connection HAVING count(*) >= :max_per_connection
            )
            AND NOT ({HELD})
        ORDER BY run.seq LIMIT 1
    )
    RETURNING *
"""  # noqa: S608  all of it is source code

# Each half stops at the first run that no pause holds.
NEXT_DUE = f"""
    SELECT min(moment) FROM (
        SELECT * FROM (
            SELECT run.not_before AS moment
            FROM runs AS run CROSS JOIN secret_syncs AS sync ON sync.uid = run.sync_uid
            LEFT JOIN former_places AS place ON place.uid = run.place_uid
            WHERE run.state = 'pending' AND NOT ({HELD})
            ORDER BY run.not_before LIMIT 1
        )
        UNION ALL
        SELECT * FROM (
            SELECT run.lease_until
            FROM runs AS run CROSS JOIN secret_syncs AS sync ON sync.uid = run.sync_uid
            LEFT JOIN former_places AS place ON place.uid = run.place_uid
            WHERE run.state = 'running' AND NOT ({HELD})
            ORDER BY run.lease_until LIMIT 1
        )
    )
"""  # noqa: S608  all of it is source code

CLAIMS = [CLAIM.format(kind=kind) for kind in ("<> 'check'", "= 'check'")]
"""Checks start only when no other run can, however many of them wait."""

# Of a check nothing is missed if anything else of its sync is open.
SUPERSEDE_CHECKS = """
    UPDATE runs SET
        state = 'failed', error_reason = :reason, finish_time = :now, lease_until = NULL,
        message = 'cut short by a restart of the server; another run of this sync takes its place'
    WHERE state IN ('pending', 'running') AND action = 'check' AND EXISTS (
        SELECT 1 FROM runs AS other
        WHERE other.sync_uid = runs.sync_uid AND other.place_uid = runs.place_uid
            AND other.action <> 'check' AND other.state IN ('pending', 'running')
    )
"""

# A run that waits, or one that began later, stands for the later wish.
SUPERSEDE = """
    UPDATE runs SET
        state = 'failed', error_reason = :reason, finish_time = :now, lease_until = NULL,
        may_have_written = 1,
        message = 'cut short by a restart of the server; a newer run of this sync takes its place'
    WHERE state = 'running' AND (
        EXISTS (
            SELECT 1 FROM runs AS other
            WHERE other.state = 'pending' AND other.sync_uid = runs.sync_uid
                AND other.place_uid = runs.place_uid
        ) OR EXISTS (
            SELECT 1 FROM runs AS other
            WHERE other.state = 'running' AND other.sync_uid = runs.sync_uid
                AND other.place_uid = runs.place_uid AND other.seq > runs.seq
        )
    )
"""

# None of a disabled sync may start again.
END_DISABLED = """
    UPDATE runs SET
        state = 'failed', error_reason = :disabled, finish_time = :now, lease_until = NULL,
        may_have_written = 1,
        message = 'cut short by a restart of the server; the sync was disabled meanwhile'
    WHERE state = 'running' AND action IN ('sync', 'check') AND EXISTS (
        SELECT 1 FROM secret_syncs AS sync WHERE sync.uid = runs.sync_uid AND NOT sync.is_enabled
    )
"""

ABANDONED = """
    SELECT run.* FROM runs AS run CROSS JOIN secret_syncs AS sync ON sync.uid = run.sync_uid
    WHERE run.state = 'running' AND run.lease_until <= :now AND run.action IN ('sync', 'check')
        AND NOT sync.is_enabled
"""

# A run that must keep to a plan, or a removal, may not answer what the one was for whose place it
# takes: what `carries_follow_up` and `still_due` say.
TAKE_OVER = """
    UPDATE runs SET follow_up = (
        SELECT CASE
            WHEN other.follow_up IS NOT NULL THEN other.follow_up
            WHEN other.approved_fingerprint <> '' AND other."trigger" = 'manual' THEN NULL
            WHEN other.action = 'sync' THEN other."trigger"
        END FROM runs AS other
        WHERE other.state = 'running' AND other.sync_uid = runs.sync_uid
            AND other.place_uid = '' AND other.action <> 'check'
        ORDER BY other.seq DESC LIMIT 1
    )
    WHERE state = 'pending' AND (approved_fingerprint <> '' OR action = 'remove')
        AND follow_up IS NULL AND EXISTS (
        SELECT 1 FROM runs AS other
        WHERE other.state = 'running' AND other.sync_uid = runs.sync_uid
            AND other.place_uid = '' AND other.action <> 'check'
    )
"""


# A lease that has ended can be renewed late, unless a run that must not be at work at the same time
# was claimed meanwhile: that one's lease ends later, or it would not have been claimed.
RENEW = """
    UPDATE runs SET lease_until = :lease_until
    WHERE uid = :uid AND lease_token = :lease_token AND state = 'running'
        AND NOT EXISTS (
            SELECT 1 FROM runs AS other
            WHERE other.state = 'running' AND other.sync_uid = runs.sync_uid
                AND other.place_uid = runs.place_uid AND other.lease_until > runs.lease_until
        )
        AND NOT EXISTS (
            SELECT 1 FROM runs AS other
            WHERE other.state = 'running' AND other.claimed_target = runs.claimed_target
                AND other.lease_until > runs.lease_until
        )
"""

# The states and triggers are looked up in sets, so that no run is fetched but those that match:
# the index has all that is asked for.
LIST = """
    SELECT * FROM runs WHERE sync_uid = :sync_uid AND seq < :before
        AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
        AND (:triggers IS NULL OR "trigger" IN (SELECT value FROM json_each(:triggers)))
        AND (:actions IS NULL OR action IN (SELECT value FROM json_each(:actions)))
        AND (:created_from IS NULL OR create_time >= :created_from)
        AND (:created_before IS NULL OR create_time < :created_before)
    ORDER BY seq DESC LIMIT :limit
"""

BRING_FORWARD = """
    UPDATE runs SET not_before = :now
    WHERE state = 'pending' AND not_before > :now
        AND (
            create_time > :after
            OR EXISTS (
                SELECT 1 FROM run_attempts WHERE run_uid = runs.uid AND finish_time > :after
            )
        )
"""

PRUNABLE = """
    SELECT run.uid FROM runs AS run
    WHERE run.sync_uid = :sync_uid AND run.state IN ('succeeded', 'failed', 'partially-succeeded')
        AND run.finish_time < :settled
        AND (
            run.finish_time < :ended_before
            OR run.seq <= (
                SELECT seq FROM runs WHERE sync_uid = :sync_uid
                ORDER BY seq DESC LIMIT 1 OFFSET :keep
            )
        )
        AND EXISTS (
            SELECT 1 FROM runs AS newer
            WHERE newer.sync_uid = :sync_uid AND newer.action = run.action AND newer.seq > run.seq
                AND newer.state <> 'pending'
        )
        AND (
            run.state <> 'succeeded' OR EXISTS (
                SELECT 1 FROM runs AS newer
                WHERE newer.sync_uid = :sync_uid AND newer.action = run.action
                    AND newer.seq > run.seq AND newer.state = 'succeeded'
            )
        )
    ORDER BY run.seq LIMIT :limit
"""
