"""Says what a sync or removal would do: the merge of a run, read and told without any write."""

import asyncio
from collections.abc import Mapping, Sequence

from secretsync.adapter import (
    AdapterError,
    PlannedChange,
    PlanRequest,
    PlanResult,
    RemoveRequest,
    SyncRequest,
    Unsupported,
)
from secretsync_octopus_deploy import arrival
from secretsync_octopus_deploy.client import OctopusClient
from secretsync_octopus_deploy.config import SCOPE_KINDS
from secretsync_octopus_deploy.git_variables import git_warnings
from secretsync_octopus_deploy.merge import merge_sync, plan_removal
from secretsync_octopus_deploy.obstacles import Obstacle
from secretsync_octopus_deploy.ownership import Unconfirmed
from secretsync_octopus_deploy.plan import Outcome, Plan
from secretsync_octopus_deploy.rows import scope_of_identity
from secretsync_octopus_deploy.texts import label
from secretsync_octopus_deploy.variable_set import VariableSet, check_writable

STILL_ARRIVING = (
    "A run was cut short when it was about to write, and its write may still arrive: a run that"
    " begins now waits for it, so the plan may change within seconds."
)
_LISTS = {key: list_name for key, list_name in SCOPE_KINDS.values() if key != "TenantTag"}
"""Per key of a variable's scope, the list in its set that has the names. The ids of tenant tags are
what people know them by; their names lack the tag set."""


async def plan_run(request: PlanRequest) -> PlanResult:
    """Return what the run would do now; see the hook `plan`."""
    run = request.run
    client = OctopusClient(run)
    current = await client.read_set(run.config)
    # Large sets take a second and more to work on, in which the server must answer others.
    result, plan = await asyncio.to_thread(foresee, current, run)
    warnings = list(result.warnings)
    if arrival.time_left(run, current):
        warnings.append(STILL_ARRIVING)
    if plan.is_changed and not result.refusal:
        warnings.extend(await git_warnings(client, run.config, plan.desired_names()))
    return PlanResult(
        changes=result.changes,
        warnings=tuple(warnings),
        version=result.version,
        refusal=result.refusal,
    )


def foresee(current: VariableSet, run: SyncRequest | RemoveRequest) -> tuple[PlanResult, Plan]:
    """Return what a run would do to a variable set, and the plan that it would carry out.

    Args:
        current: the variable set as it is now.
        run: what the run would be asked. Nothing in it is called that does I/O.

    Raises:
        InvalidConfig: the run would fail with it, for a reason that is about no single variable.
    """
    obstacles: list[Obstacle] = []
    if isinstance(run, SyncRequest):
        plan, obstacles = merge_sync(current, run, Unconfirmed())
    else:
        plan = plan_removal(current, run, Unconfirmed())
    return tell(plan, current, obstacles), plan


def tell(plan: Plan, current: VariableSet, obstacles: Sequence[Obstacle] = ()) -> PlanResult:
    """Return what a run is about to do to a variable set, as the hook `plan` tells it.

    Args:
        plan: what it is about to do.
        current: the variable set that the plan was made for.
        obstacles: what is in its way.
    """
    names = _scope_names(current)
    changes = [_told(outcome, names) for outcome in plan.outcomes]
    return PlanResult(
        changes=(*changes, *_in_the_way(obstacles, names)),
        warnings=plan.warnings,
        version=current.version_text,
        refusal=_refusal(plan, obstacles),
    )


def _told(outcome: Outcome, names: Mapping[tuple[str, str], str]) -> PlannedChange:
    return PlannedChange(
        key=outcome.result.key,
        name=outcome.result.name,
        kind=outcome.kind,
        reason=outcome.result.reason,
        scope=_scope_text(outcome.identity, names),
    )


def _in_the_way(
    obstacles: Sequence[Obstacle], names: Mapping[tuple[str, str], str]
) -> list[PlannedChange]:
    """Return a change for each variable in the way, with the first of its obstacles."""
    found: dict[str, PlannedChange] = {}
    for obstacle in obstacles:
        for wish, reason in obstacle.wishes:
            change = PlannedChange(
                key=wish.key,
                name=wish.name,
                kind=obstacle.kind,
                reason=reason,
                scope=_scope_text(wish.identity, names),
            )
            found.setdefault(wish.identity, change)
    return list(found.values())


def _refusal(plan: Plan, obstacles: Sequence[Obstacle]) -> str:
    if obstacles:
        return _message(obstacles[0].error)
    if plan.is_changed:
        try:
            check_writable(plan.rows)
        except Unsupported as error:
            return _message(error)
    return ""


def _message(error: AdapterError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message


def _scope_names(current: VariableSet) -> dict[tuple[str, str], str]:
    """Return what people call the ids of scopes, by key of the scope and id."""
    choices = current.scope_values or {}
    return {
        (key, choice.id): choice.name
        for key, list_name in _LISTS.items()
        for choice in choices.get(list_name, ())
    }


def _scope_text(identity: str, names: Mapping[tuple[str, str], str]) -> str:
    """Return a scope for people, e.g. `Environment: Development, Test; Role: web-server`."""
    return "; ".join(
        f"{label(key)}: {', '.join(label(names.get((key, one), one)) for one in ids)}"
        for key, ids in scope_of_identity(identity).items()
    )
