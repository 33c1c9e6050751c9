"""Shows a plan as a diff: what would become of each key, counts and warnings."""

from secretsync.cli.client import Client
from secretsync.cli.output import print_message, print_table, say
from secretsync.cli.words import enum_text
from secretsync.v1.secret_sync_service_pb2 import (
    CHANGE_KIND_BLOCKED,
    CHANGE_KIND_CONFLICT,
    CHANGE_KIND_CREATE,
    CHANGE_KIND_DELETE,
    CHANGE_KIND_UNCHANGED,
    ChangeKind,
    SyncPlan,
)

_SIGNS = {
    CHANGE_KIND_CREATE: "+",
    CHANGE_KIND_DELETE: "-",
    CHANGE_KIND_UNCHANGED: "=",
    CHANGE_KIND_CONFLICT: "!",
    CHANGE_KIND_BLOCKED: "!",
}
_WORDS = (
    ("create", "to create"),
    ("update", "to update"),
    ("adopt", "to adopt"),
    ("convert", "to convert"),
    ("delete", "to delete"),
    ("unchanged", "unchanged"),
    ("conflict", "in conflict"),
    ("blocked", "blocked"),
)
_CHANGES = ("create", "update", "adopt", "convert", "delete")


def has_changes(plan: SyncPlan) -> bool:
    """Tell whether a run would change anything at the destination."""
    return any(getattr(plan.counts, name) for name in _CHANGES)


def show_plan(client: Client, plan: SyncPlan, *, show_all: bool) -> None:
    """Print a plan.

    Args:
        client: says whether output is for programs.
        plan: the plan.
        show_all: list unchanged keys one by one instead of counting them.
    """
    if client.state.json:
        print_message(plan)
        return
    print_plan(plan, show_all=show_all)


def print_plan(plan: SyncPlan, *, show_all: bool) -> None:
    """Print a plan for people; see `show_plan`."""
    shown = [each for each in plan.changes if show_all or each.kind != CHANGE_KIND_UNCHANGED]
    if shown:
        print_table(
            ["CHANGE", "NAME AT DESTINATION", "SCOPE", "KEY", "REASON"],
            (
                [
                    f"{_SIGNS.get(each.kind, '~')} "
                    + enum_text(ChangeKind.DESCRIPTOR, each.kind, "CHANGE_KIND_"),
                    each.destination_name,
                    each.scope or "-",
                    each.key or "-",
                    each.reason,
                ]
                for each in shown
            ),
        )
        say("")
    if not has_changes(plan) and not plan.refusal:
        say("Nothing to do.")
    hint = " (--all lists the unchanged)" if len(shown) < len(plan.changes) else ""
    say(f"Plan: {_counts_text(plan)}{hint}")
    for warning in plan.warnings:
        say(f"warning: {warning}")
    if has_changes(plan) and plan.fingerprint:
        say(f"Fingerprint: {plan.fingerprint}")


def _counts_text(plan: SyncPlan) -> str:
    """Return how many keys there are of each kind: `2 to create, 198 unchanged`."""
    parts = ((getattr(plan.counts, name), words) for name, words in _WORDS)
    return ", ".join(f"{count} {words}" for count, words in parts if count) or "no keys"
