"""Reads from a user's permissions whether a sync may read and write its variables."""

from collections.abc import Mapping, Sequence
from typing import Any

from secretsync_octopus_deploy.config import OctopusConfig

_UNRESTRICTED = {
    "RestrictedToProjectIds": {"projects-all", "projects-unrelated"},
    "RestrictedToEnvironmentIds": {"environments-all", "environments-unrelated"},
}
"""Ids that stand for no restriction, besides an empty list."""


def needed_permissions(config: OctopusConfig) -> tuple[str, str]:
    """Return the permissions to see and to change the variables of a sync.

    Variables of a library variable set have permissions of their own; of a project's, those that
    are scoped to no environment need the permissions whose names end in `Unscoped`
    (C# client, `Permission`).
    """
    if config.is_library:
        return "LibraryVariableSetView", "LibraryVariableSetEdit"
    if config.scope_values.environments:
        return "VariableView", "VariableEdit"
    return "VariableViewUnscoped", "VariableEditUnscoped"


def missing_permissions(found: object, config: OctopusConfig) -> list[str] | None:
    """Return the permissions that a sync needs and the user lacks.

    The shape is that of Octopus's official clients (`UserPermissionSetResource`): per permission
    the places that it is granted for.

    Args:
        found: the parsed answer to `GET /api/users/{id}/permissions`.
        config: names the space, the project or library variable set, and the environments.

    Returns:
        Names of permissions, with the environments they are missing for; None if it cannot be
        told, because the answer has another shape or says of itself that it is incomplete.
    """
    if not isinstance(found, dict) or not isinstance(found.get("SpacePermissions"), dict):
        return None
    if found.get("IsPermissionsComplete") is False:
        return None
    system = found.get("SystemPermissions")
    if isinstance(system, list) and "AdministerSystem" in system:
        return []
    grants = found["SpacePermissions"]
    needed = needed_permissions(config)
    environments = config.scope_values.environments
    if not environments:
        return [name for name in needed if not _reaches(grants, name, config, None)]
    missing = []
    for name in needed:
        without = [one for one in environments if not _reaches(grants, name, config, one)]
        if without:
            missing.append(f"{name} for {', '.join(without)}")
    return missing


def _reaches(
    grants: Mapping[str, Any], permission: str, config: OctopusConfig, environment: str | None
) -> bool:
    places = grants.get(permission)
    return isinstance(places, list) and any(
        isinstance(place, dict)
        and place.get("SpaceId") in {None, "", config.space_id}
        and (config.is_library or _includes(place, "RestrictedToProjectIds", config.owner_id))
        and (environment is None or _includes(place, "RestrictedToEnvironmentIds", environment))
        for place in places
    )


def _includes(place: Mapping[str, Any], restriction: str, wanted: str) -> bool:
    ids: Sequence[str] = place.get(restriction) or []
    return not ids or wanted in ids or any(one in _UNRESTRICTED[restriction] for one in ids)
