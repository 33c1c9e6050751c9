"""What a sync or removal would do, as a call that changes nothing."""

from secretsync.domain import names
from secretsync.domain.entities import RunAction
from secretsync.domain.plans import SyncPlan, fingerprint_complaint, moved_since
from secretsync.domain.problems import Violations
from secretsync.engine.gate import outdated
from secretsync.engine.plans import Planning
from secretsync.operations import lookups
from secretsync.operations.app import App
from secretsync.operations.capabilities import check_plans
from secretsync.operations.destinations import call_destination
from secretsync.store.protocol import Transaction


async def plan_secret_sync(
    app: App, name: str, action: RunAction, violations: Violations
) -> SyncPlan:
    """Return what a run would do if it began now; nothing is queued, written or remembered.

    Args:
        app: the parts to work with.
        name: the sync's resource name.
        action: what the run would be for.
        violations: what is wrong with the rest of the request.

    Raises:
        Problem: see `SecretSyncService.PlanSecretSync` in the API.
    """
    names.SECRET_SYNC.check("name", name, violations)
    violations.raise_if_any()
    planning = await app.read(lambda tx: _begin(app, tx, name, action))
    return await call_destination(app, planning.make, config_field="destination_config")


async def check_approved(
    app: App, name: str, action: RunAction, fingerprint: str, violations: Violations
) -> None:
    """Make sure that an approved plan is what a run would do now.

    The run itself makes sure of it again, when it knows what it is about to write.

    Args:
        app: the parts to work with.
        name: the sync's resource name.
        action: what the plan must be for.
        fingerprint: the approved plan's.
        violations: what is wrong with the rest of the request.

    Raises:
        Problem: see `SecretSyncService.SyncSecrets` in the API.
    """
    violations.check("fingerprint", fingerprint_complaint(fingerprint))
    present = await plan_secret_sync(app, name, action, violations)
    moved = moved_since(fingerprint, present.fingerprint)
    if moved:
        raise outdated(name, moved)


def _begin(app: App, tx: Transaction, name: str, action: RunAction) -> Planning:
    sync = lookups.secret_sync(tx, "name", name)
    check_plans(app, sync.destination)
    return Planning(app.registry, app.vault, tx, sync, action, app.clock())
