"""Drift as the API has it: the policy, and what was found."""

from secretsync.domain.drift import DEFAULT_INTERVAL, DriftPolicy
from secretsync.domain.entities import SecretSync, SyncRun
from secretsync.domain.key_states import KeyState
from secretsync.domain.problems import Violations
from secretsync.services.runs import status_message
from secretsync.services.schedules import interval_of
from secretsync.services.translate import timestamp
from secretsync.v1 import secret_sync_service_pb2 as pb

POLICIES = {
    pb.DRIFT_POLICY_UNSPECIFIED: DriftPolicy.OFF,
    pb.DRIFT_POLICY_OFF: DriftPolicy.OFF,
    pb.DRIFT_POLICY_DETECT: DriftPolicy.DETECT,
    pb.DRIFT_POLICY_REPAIR: DriftPolicy.REPAIR,
}
SHOWN_DRIFT_POLICIES = {policy: number for number, policy in POLICIES.items() if number}


_LONGEST = 1e9
"""Seconds; far more than are allowed, and few enough to reckon with."""


def drift_policy(wanted: pb.SyncOptions, violations: Violations) -> DriftPolicy:
    """Return the policy of a request, noting what is wrong with it."""
    if wanted.drift_policy not in POLICIES:
        known = ", ".join(pb.DriftPolicy.keys()[1:])
        violations.add("secret_sync.sync_options.drift_policy", f"must be one of {known}")
    return POLICIES.get(wanted.drift_policy, DriftPolicy.OFF)


def drift_interval(wanted: pb.SyncOptions) -> float:
    """Return the seconds between two looks that a request asks for."""
    if not wanted.HasField("drift_interval"):
        return DEFAULT_INTERVAL
    return min(interval_of(wanted.drift_interval).total_seconds(), _LONGEST)


def drift_message(sync: SecretSync, last_check: SyncRun | None) -> pb.Drift:
    """Return what is known of a sync's drift.

    Args:
        sync: the sync.
        last_check: its newest check.
    """
    return pb.Drift(
        drifted_key_count=sync.key_counts.get(KeyState.DRIFTED, 0),
        start_time=timestamp(sync.drift_time),
        last_check=status_message(last_check),
        next_check_time=timestamp(sync.next_check_time),
    )
