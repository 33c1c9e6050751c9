"""How the keys of a sync stand at its destination."""

from collections.abc import Collection

from secretsync.domain import names
from secretsync.domain.key_states import KeyState, SyncKey
from secretsync.domain.problems import Violations
from secretsync.operations import lookups
from secretsync.operations.paging import Page, PageRequest, close_page, fitting
from secretsync.store.protocol import Transaction


def list_keys(
    tx: Transaction,
    parent: str,
    request: PageRequest,
    states: Collection[KeyState],
    violations: Violations,
) -> Page[SyncKey]:
    """Return a page of a sync's keys, by name at the destination; fewer if they are large.

    Args:
        tx: the transaction.
        parent: the sync's name.
        request: what the request says of pages.
        states: only keys in one of these; empty for all.
        violations: what is wrong with the rest of the request.
    """
    only = f" only {', '.join(sorted(states))}" if states else ""
    scope = f"keys of {parent}{only}"
    names.SECRET_SYNC.check("parent", parent, violations)
    size, (after,) = request.open(scope, [""], violations)
    sync = lookups.secret_sync(tx, "parent", parent)
    found = tx.key_states.list(sync.uid, str(after), size + 1, states)
    size = fitting(found, size, lambda each: (each.name, each.key, each.reason, each.error))
    return close_page(found, size, scope, lambda each: [each.name])
