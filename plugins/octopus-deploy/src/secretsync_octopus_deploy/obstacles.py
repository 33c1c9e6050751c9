"""What keeps a sync from writing anything, told for each variable that it is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secretsync.adapter import AdapterError, ChangeKind, InvalidConfig, SyncRequest
from secretsync_octopus_deploy.hidden import hidden_error
from secretsync_octopus_deploy.ownership import Owned
from secretsync_octopus_deploy.rows import SENSITIVE, TEXT, Row
from secretsync_octopus_deploy.texts import printable
from secretsync_octopus_deploy.variable_set import VariableSet
from secretsync_octopus_deploy.wishes import Wish

UNSEEN = "it was created and cannot be seen, so that another one would be created beside it"

_TYPED = "a variable of type {} has this name and scope, which cannot hold a secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Something that keeps a sync from writing.

    Attributes:
        error: what a run fails with.
        kind: what a plan calls the variables that it is about.
        wishes: these variables, each with why it is in the way.
    """

    error: AdapterError
    kind: ChangeKind
    wishes: tuple[tuple[Wish, str], ...]


def find_obstacles(
    wishes: Sequence[Wish],
    owned: Owned,
    current: VariableSet,
    rows: Mapping[str, Sequence[Row]],
    request: SyncRequest,
) -> list[Obstacle]:
    """Return what is in the way of a sync, what a run fails with first.

    Args:
        wishes: what the set is to hold.
        owned: what of it is this sync's.
        current: the set as it is now.
        rows: its rows by identity.
        request: tells what other syncs own.
    """
    found = (
        _claimed(wishes, request),
        _unseen(wishes, owned, current, request),
        _of_other_types(wishes, rows),
    )
    return [obstacle for obstacle in found if obstacle is not None]


def _claimed(wishes: Sequence[Wish], request: SyncRequest) -> Obstacle | None:
    others = request.claimed_by_others
    claimed = [wish for wish in wishes if wish.identity in others]
    if not claimed:
        return None
    named = ", ".join(f"{wish.name} ({others[wish.identity]})" for wish in claimed)
    return Obstacle(
        error=InvalidConfig(
            f"Other secret syncs own these variables of the same {request.config.owner_kind}, with"
            f" the same scope: {named}. Nothing was changed.",
            violations={"scopeValues": "another sync writes the same names with this scope"},
            hint="Give this sync another scope or a key schema of its own.",
        ),
        kind=ChangeKind.CONFLICT,
        wishes=tuple((wish, f"{others[wish.identity]} owns it") for wish in claimed),
    )


def _unseen(
    wishes: Sequence[Wish], owned: Owned, current: VariableSet, request: SyncRequest
) -> Obstacle | None:
    """Refuse to create another copy of what was created last and cannot be seen."""
    last = {one.identity for one in owned.hidden if one.version == str(current.version - 1)}
    unseen = [wish for wish in wishes if wish.identity in last]
    if not unseen:
        return None
    return Obstacle(
        error=hidden_error([wish.name for wish in unseen], request.config),
        kind=ChangeKind.BLOCKED,
        wishes=tuple((wish, UNSEEN) for wish in unseen),
    )


def _of_other_types(wishes: Sequence[Wish], rows: Mapping[str, Sequence[Row]]) -> Obstacle | None:
    refused = [
        (wish, row)
        for wish in wishes
        for row in rows.get(wish.identity, [])
        if row.type not in {SENSITIVE, TEXT}
    ]
    if not refused:
        return None
    named = ", ".join(f"{row.label} (type {printable(row.type)})" for _, row in refused)
    return Obstacle(
        error=InvalidConfig(
            "Variables of the same name and scope exist whose type cannot hold a secret:"
            f" {named}. Nothing was changed.",
            violations={"scopeValues": "names of this sync are taken by variables of other types"},
            hint="Rename the secret, change the key schema or scope, or delete that variable.",
        ),
        kind=ChangeKind.BLOCKED,
        wishes=tuple((wish, _TYPED.format(printable(row.type))) for wish, row in refused),
    )
