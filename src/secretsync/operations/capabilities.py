"""Checks that a destination can do what is asked of it."""

from secretsync.adapter import Capability
from secretsync.domain.drift import DriftPolicy
from secretsync.domain.entities import InitialSyncBehavior, SyncOptions
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.operations.app import App


def check_options(
    app: App, destination: str, options: SyncOptions, before: SyncOptions | None = None
) -> None:
    """Check that a destination can do what the options of a sync ask for.

    Args:
        app: the parts to work with.
        destination: its name.
        options: the options.
        before: those that the sync had at the same place; what they ask for, too, is not checked
            again. Default: there are none.

    Raises:
        Problem: FAILED_PRECONDITION (UNSUPPORTED).
    """
    behavior, policy = options.initial_sync_behavior, options.drift_policy
    if behavior is not InitialSyncBehavior.OVERWRITE_DESTINATION and not (
        before and before.initial_sync_behavior is behavior
    ):
        raise import_unsupported(app, destination)
    if options.require_approval:
        told = "so nothing can be approved: leave sync_options.require_approval unset"
        check_plans(app, destination, told)
    if policy is not DriftPolicy.OFF and not (before and before.drift_policy is policy):
        check_plans(app, destination, "without which drift cannot be seen: leave drift_policy OFF")


def import_unsupported(app: App, destination: str) -> Problem:
    """Return the problem of asking a destination for an import that it does not have."""
    title = app.registry.get(destination).info.title
    return Problem(
        Code.FAILED_PRECONDITION,
        Reason.UNSUPPORTED,
        f"{title} does not support importing secrets: set initial_sync_behavior to"
        " OVERWRITE_DESTINATION",
        metadata={"destination": destination},
    )


def check_plans(app: App, destination: str, consequence: str = "") -> None:
    """Check that a destination makes plans.

    Args:
        app: the parts to work with.
        destination: its name.
        consequence: what it means if it does not, for people.

    Raises:
        Problem: FAILED_PRECONDITION (UNSUPPORTED).
    """
    info = app.registry.get(destination).info
    if Capability.PLAN not in info.capabilities:
        told = f"{info.title} does not support plans"
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.UNSUPPORTED,
            f"{told}, {consequence}" if consequence else told,
            metadata={"destination": info.name},
        )
