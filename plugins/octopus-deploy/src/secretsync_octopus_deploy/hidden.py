"""What is done about variables that were written and cannot be seen."""

from collections.abc import Sequence

from secretsync.adapter import PermissionDenied
from secretsync_octopus_deploy.config import OctopusConfig
from secretsync_octopus_deploy.draft import Draft
from secretsync_octopus_deploy.permissions import needed_permissions
from secretsync_octopus_deploy.texts import listed


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
