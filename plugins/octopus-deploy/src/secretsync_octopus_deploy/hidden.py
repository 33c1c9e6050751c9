"""What is done about variables that were written and that the API key cannot see."""

from collections.abc import Sequence

from secretsync.adapter import PermissionDenied
from secretsync_octopus_deploy.draft import Draft
from secretsync_octopus_deploy.ownership import Owned
from secretsync_octopus_deploy.texts import listed
from secretsync_octopus_deploy.variable_set import VariableSet
from secretsync_octopus_deploy.wishes import Wish


def check_hidden(wishes: Sequence[Wish], owned: Owned, current: VariableSet) -> None:
    """Refuse to create another copy of what was created last and cannot be seen."""
    unseen = {one.identity for one in owned.hidden if one.version == str(current.version - 1)}
    names = [wish.name for wish in wishes if wish.identity in unseen]
    if names:
        raise hidden_error(names)


def hidden_error(names: Sequence[str]) -> PermissionDenied:
    """Return the error for variables that were written and cannot be seen."""
    return PermissionDenied(
        "The API key cannot see the variables that it writes. These were created, and are not in"
        f" the list that Octopus returns: {listed(names)}.",
        hint="Grant VariableView (VariableViewUnscoped without environments) for the sync's scope.",
    )


def warn_of_hidden(draft: Draft, names: Sequence[str]) -> None:
    """Warn of variables that are to be gone and may still be there."""
    if names:
        draft.warnings.append(
            "These variables were not deleted, because the API key cannot see them; they may still"
            f" be in Octopus: {listed(names)}."
        )
