"""Shows which other syncs write the same, and the warnings that saving a sync brings."""

from collections.abc import Iterator

from secretsync.cli.client import Client
from secretsync.cli.output import note, print_message, print_table, say
from secretsync.cli.words import enum_text
from secretsync.v1.secret_sync_service_pb2 import (
    OVERLAP_KIND_SCOPE,
    OVERLAP_POLICY_REFUSE,
    OVERLAP_POLICY_REFUSE_ANY,
    OVERLAP_POLICY_WARN,
    CheckDestinationResponse,
    OverlapKind,
    SecretSync,
    SyncOverlap,
)

POLICIES = {
    "warn": OVERLAP_POLICY_WARN,
    "refuse": OVERLAP_POLICY_REFUSE,
    "refuse-any": OVERLAP_POLICY_REFUSE_ANY,
}


def is_in_the_way(overlap: SyncOverlap) -> bool:
    """Tell whether runs of one of the two syncs fail because of it, now or possibly later."""
    return overlap.kind != OVERLAP_KIND_SCOPE


def show_overlaps(client: Client, answer: CheckDestinationResponse) -> None:
    """Print what CheckDestination found."""
    if client.state.json:
        print_message(answer)
        return
    if not answer.overlaps:
        say("No other secret sync writes the same.")
        return
    print_table(
        ["OVERLAP", "SECRET SYNC", "NAME AT DESTINATION", "KEY", "ITS KEY", "WRITTEN BY"],
        (row for overlap in answer.overlaps for row in _rows(overlap)),
    )
    say("")
    for overlap in answer.overlaps:
        say(overlap.message)
    hidden = answer.overlap_count - len(answer.overlaps)
    if hidden > 0:
        say(f"There are {hidden} more.")


def _rows(overlap: SyncOverlap) -> Iterator[list[str]]:
    kind = enum_text(OverlapKind.DESCRIPTOR, overlap.kind, "OVERLAP_KIND_")
    if not overlap.keys:
        yield [kind, overlap.secret_sync, "-", "-", "-", "-"]
    for key in overlap.keys:
        yield [
            kind,
            overlap.secret_sync,
            key.destination_name,
            key.key or "-",
            key.other_key or "-",
            key.owner or "-",
        ]
    hidden = overlap.key_count - len(overlap.keys)
    if hidden > 0:
        yield [kind, overlap.secret_sync, f"({hidden} more)", "-", "-", "-"]


def show_warnings(client: Client, sync: SecretSync) -> None:
    """Print the warnings that saving a sync brought; for programs they are in the answer."""
    if not client.state.json:
        for warning in sync.warnings:
            note(f"warning: {warning}")


def policy_word(number: int) -> str:
    """Return what a policy is called on the command line."""
    return next((word for word, value in POLICIES.items() if value == number), "warn")
