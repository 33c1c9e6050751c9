"""What is done about variables that were written and cannot be seen."""

from collections.abc import Sequence

from secretsync.adapter import PermissionDenied
from secretsync_octopus_deploy.config import OctopusConfig
from secretsync_octopus_deploy.draft import Draft
from secretsync_octopus_deploy.ownership import Owned
from secretsync_octopus_deploy.permissions import needed_permissions
from secretsync_octopus_deploy.texts import listed
from secretsync_octopus_deploy.variable_set import VariableSet
from secretsync_octopus_deploy.wishes import Wish


def check_hidden(
    wishes: Sequence[Wish], owned: Owned, current: VariableSet, config: OctopusConfig
) -> None:
    """Refuse to create another copy of what was created last and cannot be seen."""
    unseen = {one.identity for one in owned.hidden if one.version == str(current.version - 1)}
    names = [wish.name for wish in wishes if wish.identity in unseen]
    if names:
        raise hidden_error(names, config)


def hidden_error(names: Sequence[str], config: OctopusConfig) -> PermissionDenied:
    """Return the error for variables that were written and cannot be seen."""
    return PermissionDenied(
        "The connection's user cannot see the variables that it writes. These were created, and are"
        f" not in the list that Octopus returns: {listed(names)}.",
        hint=f"Grant {needed_permissions(config)[0]} for the sync's scope.",
    )


def warn_of_hidden(draft: Draft, names: Sequence[str]) -> None:
    """Warn of variables that are to be gone and may still be there."""
    if names:
        draft.warnings.append(
            "These variables were not deleted, because the connection's user cannot see them; they"
            f" may still be in Octopus: {listed(names)}."
        )
