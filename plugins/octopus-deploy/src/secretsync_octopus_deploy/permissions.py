"""Reads from a user's permissions whether a sync may read and write its variables."""

from collections.abc import Mapping, Sequence
from typing import Any

from secretsync_octopus_deploy.config import OctopusConfig

_UNRESTRICTED = {
    "RestrictedToProjectIds": {"projects-all", "projects-unrelated"},
    "RestrictedToEnvironmentIds": {"environments-all", "environments-unrelated"},
}
"""Ids that stand for no restriction, besides an empty list."""


def missing_permissions(found: object, config: OctopusConfig) -> list[str] | None:
    """Return the permissions that a sync needs and the user lacks.

    The shape is that of Octopus's official clients (`UserPermissionSetResource`): per permission
    the places that it is granted for. Variables that are scoped to no environment need the
    permissions whose names end in `Unscoped`.

    Args:
        found: the parsed answer to `GET /api/users/{id}/permissions`.
        config: names the space, the project and the environments.

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
    environments = config.scope_values.environments
    if not environments:
        needed = ("VariableViewUnscoped", "VariableEditUnscoped")
        return [name for name in needed if not _reaches(grants, name, config, None)]
    missing = []
    for name in ("VariableView", "VariableEdit"):
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
        and _includes(place, "RestrictedToProjectIds", config.project_id)
        and (environment is None or _includes(place, "RestrictedToEnvironmentIds", environment))
        for place in places
    )


def _includes(place: Mapping[str, Any], restriction: str, wanted: str) -> bool:
    ids: Sequence[str] = place.get(restriction) or []
    return not ids or wanted in ids or any(one in _UNRESTRICTED[restriction] for one in ids)
