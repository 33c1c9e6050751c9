"""Plans as the API shows them."""

from collections import Counter

from secretsync.adapter import ChangeKind
from secretsync.domain.entities import RunAction
from secretsync.domain.plans import SyncPlan
from secretsync.domain.problems import Violations
from secretsync.services.translate import timestamp
from secretsync.v1 import secret_sync_service_pb2 as pb

KINDS = {
    ChangeKind.CREATE: pb.CHANGE_KIND_CREATE,
    ChangeKind.UPDATE: pb.CHANGE_KIND_UPDATE,
    ChangeKind.ADOPT: pb.CHANGE_KIND_ADOPT,
    ChangeKind.CONVERT: pb.CHANGE_KIND_CONVERT,
    ChangeKind.DELETE: pb.CHANGE_KIND_DELETE,
    ChangeKind.UNCHANGED: pb.CHANGE_KIND_UNCHANGED,
    ChangeKind.CONFLICT: pb.CHANGE_KIND_CONFLICT,
    ChangeKind.BLOCKED: pb.CHANGE_KIND_BLOCKED,
}
RUN_ACTIONS = {
    RunAction.SYNC: pb.RUN_ACTION_SYNC,
    RunAction.REMOVE: pb.RUN_ACTION_REMOVE,
    RunAction.CLEAN_UP: pb.RUN_ACTION_CLEAN_UP,
    RunAction.CHECK: pb.RUN_ACTION_CHECK,
}
ACTIONS: dict[int, RunAction] = {
    pb.RUN_ACTION_UNSPECIFIED: RunAction.SYNC,
    pb.RUN_ACTION_SYNC: RunAction.SYNC,
    pb.RUN_ACTION_REMOVE: RunAction.REMOVE,
}


def planned_action(number: int, violations: Violations) -> RunAction:
    """Return what a plan is asked for, which is a sync unless told."""
    if number not in ACTIONS:
        known = ", ".join(
            name for name, number in pb.RunAction.items() if number in ACTIONS and number
        )
        violations.add("action", f"must be one of {known}")
    return ACTIONS.get(number, RunAction.SYNC)


def plan_message(plan: SyncPlan) -> pb.SyncPlan:
    """Return a plan as the API shows it."""
    counts = Counter(each.kind for each in plan.changes)
    return pb.SyncPlan(
        secret_sync=plan.sync_name,
        action=RUN_ACTIONS[RunAction(plan.action)],
        changes=[
            pb.PlannedChange(
                key=each.key,
                destination_name=each.name,
                kind=KINDS[each.kind],
                reason=each.reason,
                scope=each.scope,
            )
            for each in plan.changes
        ],
        counts=pb.ChangeCounts(**{kind.value: counts[kind] for kind in ChangeKind}),
        warnings=plan.warnings,
        refusal=plan.refusal,
        destination_version=plan.version or "",
        fingerprint=plan.fingerprint,
        plan_time=timestamp(plan.plan_time),
    )
