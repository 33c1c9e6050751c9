"""Overlaps of secret syncs as the API shows them, and policies as requests bring them."""

from collections.abc import Sequence

from secretsync.domain import names
from secretsync.domain.entities import OverlapPolicy
from secretsync.domain.overlaps import Overlap, OverlapKind, told
from secretsync.domain.problems import Violations
from secretsync.v1 import secret_sync_service_pb2 as pb

MAX_OVERLAPS = 100
MAX_KEYS = 20

KINDS = {
    OverlapKind.COLLISION: pb.OVERLAP_KIND_COLLISION,
    OverlapKind.POSSIBLE: pb.OVERLAP_KIND_POSSIBLE,
    OverlapKind.SCOPE: pb.OVERLAP_KIND_SCOPE,
}
SHOWN_POLICIES = {
    OverlapPolicy.WARN: pb.OVERLAP_POLICY_WARN,
    OverlapPolicy.REFUSE: pb.OVERLAP_POLICY_REFUSE,
    OverlapPolicy.REFUSE_ANY: pb.OVERLAP_POLICY_REFUSE_ANY,
}
POLICIES: dict[int, OverlapPolicy] = {
    pb.OVERLAP_POLICY_UNSPECIFIED: OverlapPolicy.WARN,
    **{number: policy for policy, number in SHOWN_POLICIES.items()},
}


def overlap_policy(wanted: pb.SyncOptions, violations: Violations) -> OverlapPolicy:
    """Return the policy that a request asks for, noting one that does not exist."""
    if wanted.overlap_policy not in POLICIES:
        known = ", ".join(pb.OverlapPolicy.keys()[1:])
        violations.add("secret_sync.sync_options.overlap_policy", f"must be one of {known}")
    return POLICIES.get(wanted.overlap_policy, OverlapPolicy.WARN)


def check_choice(request: pb.CheckDestinationRequest, violations: Violations) -> None:
    """Note if a request names neither a sync nor settings, or both."""
    has_settings = bool(request.parent) or request.HasField("secret_sync")
    if request.name and has_settings:
        violations.add("name", "must not be set together with parent and secret_sync")
    if not request.name and not has_settings:
        violations.add(
            "name",
            f"is required: write {names.SECRET_SYNC.shape}, or else set parent and secret_sync",
        )


def check_message(overlaps: Sequence[Overlap]) -> pb.CheckDestinationResponse:
    """Return overlaps as the API shows them, the first of them if they are many."""
    return pb.CheckDestinationResponse(
        overlaps=[_overlap_message(each) for each in overlaps[:MAX_OVERLAPS]],
        overlap_count=len(overlaps),
    )


def _overlap_message(overlap: Overlap) -> pb.SyncOverlap:
    return pb.SyncOverlap(
        secret_sync=overlap.other,
        kind=KINDS[overlap.kind],
        keys=[
            pb.OverlapKey(
                destination_name=each.name,
                key=each.key,
                other_key=each.other_key,
                owner=each.owner,
            )
            for each in overlap.keys[:MAX_KEYS]
        ],
        key_count=len(overlap.keys),
        scope=overlap.scope,
        is_enabled=overlap.other_is_enabled,
        message=f"{told(overlap)}.",
    )
