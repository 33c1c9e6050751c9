"""Secret syncs as the API shows them, and their settings as requests bring them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from secretsync.domain.entities import (
    InitialSyncBehavior,
    RunAction,
    SecretSync,
    SyncOptions,
)
from secretsync.domain.etags import etag_of
from secretsync.domain.guards import MaxDeletions
from secretsync.domain.masks import select_fields
from secretsync.domain.problems import Violations
from secretsync.operations import sync_settings
from secretsync.operations.standings import Standing
from secretsync.operations.sync_settings import SyncSettings
from secretsync.services.drift import (
    SHOWN_DRIFT_POLICIES,
    drift_interval,
    drift_message,
    drift_policy,
)
from secretsync.services.former_places import former_place_messages
from secretsync.services.overlaps import SHOWN_POLICIES, overlap_policy
from secretsync.services.pauses import pause_messages
from secretsync.services.runs import status_message
from secretsync.services.schedules import interval_message, schedule_message, schedule_of
from secretsync.services.sync_keys import key_counts_message
from secretsync.services.translate import plain, present_fields, struct, timestamp
from secretsync.v1 import secret_sync_service_pb2 as pb

BEHAVIORS = {
    pb.INITIAL_SYNC_BEHAVIOR_UNSPECIFIED: InitialSyncBehavior.OVERWRITE_DESTINATION,
    pb.INITIAL_SYNC_BEHAVIOR_OVERWRITE_DESTINATION: InitialSyncBehavior.OVERWRITE_DESTINATION,
    pb.INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_SOURCE: (
        InitialSyncBehavior.IMPORT_PRIORITIZE_SOURCE
    ),
    pb.INITIAL_SYNC_BEHAVIOR_IMPORT_PRIORITIZE_DESTINATION: (
        InitialSyncBehavior.IMPORT_PRIORITIZE_DESTINATION
    ),
}
SHOWN_BEHAVIORS = {behavior: number for number, behavior in BEHAVIORS.items() if number}


def _behavior(wanted: pb.SyncOptions, violations: Violations) -> InitialSyncBehavior:
    number = wanted.initial_sync_behavior
    if number not in BEHAVIORS:
        known = ", ".join(pb.InitialSyncBehavior.keys()[1:])
        violations.add("secret_sync.sync_options.initial_sync_behavior", f"must be one of {known}")
    return BEHAVIORS.get(number, InitialSyncBehavior.OVERWRITE_DESTINATION)


def _max_deletions(wanted: pb.MaxDeletions) -> MaxDeletions:
    return MaxDeletions(
        count=wanted.count if wanted.HasField("count") else None,
        percent=wanted.percent if wanted.HasField("percent") else None,
    )


def _values(wanted: pb.SecretSync, violations: Violations) -> dict[str, Any]:
    """Return every field that can be changed, by its path in an update mask."""
    options = wanted.sync_options
    return {
        "description": wanted.description,
        "connection": wanted.connection,
        "source.environment": wanted.source.environment,
        "source.secret_path": wanted.source.secret_path or "/",
        "source.recursive": wanted.source.recursive,
        "destination_config": plain(
            wanted.destination_config, "secret_sync.destination_config", violations
        ),
        "sync_options.initial_sync_behavior": _behavior(options, violations),
        "sync_options.key_schema": options.key_schema,
        "sync_options.disable_secret_deletion": options.disable_secret_deletion,
        "sync_options.overlap_policy": overlap_policy(options, violations),
        "sync_options.max_deletions": _max_deletions(options.max_deletions),
        "sync_options.require_approval": options.require_approval,
        "sync_options.drift_policy": drift_policy(options, violations),
        "sync_options.drift_interval": drift_interval(options),
        "is_enabled": wanted.is_enabled if wanted.HasField("is_enabled") else True,
        "is_auto_sync_enabled": (
            wanted.is_auto_sync_enabled if wanted.HasField("is_auto_sync_enabled") else True
        ),
        "schedule": schedule_of(wanted),
    }


def settings_of_request(wanted: pb.SecretSync, violations: Violations) -> SyncSettings:
    """Return the settings of a sync that is to be created, noting what is wrong with them."""
    return sync_settings.apply_changes(SyncSettings(), _values(wanted, violations))


def changes_of_request(
    wanted: pb.SecretSync, mask: Sequence[str], violations: Violations
) -> dict[str, Any]:
    """Return the fields that an update is to change, by path, noting what is wrong with them."""
    values = _values(wanted, violations)
    present = present_fields(wanted, values)
    for parent, message in (("source", wanted.source), ("sync_options", wanted.sync_options)):
        tails = [path.rpartition(".")[2] for path in values if path.startswith(f"{parent}.")]
        present |= {f"{parent}.{name}" for name in present_fields(message, tails)}
    return select_fields(mask, values, present, violations)


def sync_message(
    sync: SecretSync, standing: Standing, warnings: Sequence[str] = ()
) -> pb.SecretSync:
    """Return a sync as the API shows it.

    Args:
        sync: the sync.
        standing: how it stands.
        warnings: what deserves a look about it as it was saved.
    """
    return pb.SecretSync(
        name=sync.name,
        uid=sync.uid,
        description=sync.description,
        destination=f"destinations/{sync.destination}",
        connection=f"projects/{sync.project}/connections/{sync.connection}",
        source=pb.SecretSource(
            environment=f"projects/{sync.project}/environments/{sync.environment}",
            secret_path=sync.secret_path,
            recursive=sync.recursive,
        ),
        destination_config=struct(sync.destination_config),
        sync_options=_options_message(sync.options),
        is_enabled=sync.is_enabled,
        is_auto_sync_enabled=sync.is_auto_sync_enabled,
        schedule=schedule_message(sync.schedule),
        next_run_time=timestamp(sync.next_run_time),
        key_state_counts=key_counts_message(sync.key_counts),
        version=sync.version,
        etag=etag_of(sync),
        create_time=timestamp(sync.create_time),
        update_time=timestamp(sync.update_time),
        sync_status=status_message(standing.newest.get(RunAction.SYNC)),
        import_status=status_message(None),
        remove_status=status_message(standing.newest.get(RunAction.REMOVE)),
        condition=pb.SyncCondition.Value(f"SYNC_CONDITION_{standing.status.condition}"),
        hint=standing.status.hint,
        next_actions=standing.status.next_actions,
        drift=drift_message(sync, standing.newest.get(RunAction.CHECK)),
        pauses=pause_messages(standing.pauses),
        warnings=warnings,
        former_places=former_place_messages(sync, standing.former_places),
    )


def _options_message(options: SyncOptions) -> pb.SyncOptions:
    return pb.SyncOptions(
        initial_sync_behavior=SHOWN_BEHAVIORS[options.initial_sync_behavior],
        key_schema=options.key_schema,
        disable_secret_deletion=options.disable_secret_deletion,
        overlap_policy=SHOWN_POLICIES[options.overlap_policy],
        max_deletions=_limit_message(options.max_deletions),
        require_approval=options.require_approval,
        drift_policy=SHOWN_DRIFT_POLICIES[options.drift_policy],
        drift_interval=interval_message(timedelta(seconds=options.drift_interval)),
    )


def _limit_message(limit: MaxDeletions) -> pb.MaxDeletions | None:
    if limit.count is not None:
        return pb.MaxDeletions(count=limit.count)
    return None if limit.percent is None else pb.MaxDeletions(percent=limit.percent)
