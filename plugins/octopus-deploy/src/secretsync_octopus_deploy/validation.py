"""Proves that credentials work, and that a configuration names what is there; changes nothing."""

import re
from collections.abc import Mapping
from typing import Any

from secretsync.adapter import (
    AdapterError,
    AuthenticationFailed,
    InvalidConfig,
    NotFound,
    PermissionDenied,
    Unavailable,
    ValidateRequest,
    ValidateResult,
)
from secretsync_octopus_deploy.client import OctopusClient
from secretsync_octopus_deploy.config import OctopusConfig
from secretsync_octopus_deploy.git_variables import note_home
from secretsync_octopus_deploy.permissions import missing_permissions
from secretsync_octopus_deploy.wishes import check_scope

_IN_GIT = (
    "The project keeps its variables in Git. Sensitive ones stay in Octopus's database, and so do"
    " those that this sync writes. A run that writes warns of variables of the same name and scope"
    " in Git, on the default branch."
)
_INSTALLATION_ID = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)


async def validate_connection(request: ValidateRequest) -> ValidateResult:
    """Prove the credentials and, if the request has one, the configuration.

    Raises:
        InvalidConfig: what answers is not Octopus, or scope ids do not exist.
        AuthenticationFailed: the key is wrong, or its user is disabled.
        NotFound: the space, project or library variable set does not exist; says which.
        PermissionDenied: the user lacks a permission; names it.
    """
    client = OctopusClient(request)
    root = await client.get_root()
    user = await client.get_json("/api/users/me")
    if not isinstance(user, dict) or not user.get("Id"):
        raise Unavailable("Octopus did not tell who the connection's user is.")
    name = client.shown(user.get("Username") or user["Id"])
    if user.get("IsActive") is False:
        raise AuthenticationFailed(
            f"The connection's user, {name}, is disabled in Octopus.",
            hint="Enable the user, or use another service account.",
        )
    version = client.shown(root.get("Version", "of unknown version"))
    summary = f"Octopus Deploy {version} as {name}"
    instance = _instance_of(root, client)
    if request.config is None:
        return ValidateResult(summary=summary, instance=instance)
    config: OctopusConfig = request.config
    owner = await client.get_owner(config)
    if config.is_library:
        _check_library_set(owner, config)
    current = await client.read_set(config)
    warnings = check_scope(config, current)
    if not config.is_library and note_home(client, config, owner).in_git:
        warnings.append(_IN_GIT)
    warnings.extend(await _check_permissions(client, str(user["Id"]), config))
    owner_name = client.shown(owner.get("Name") or config.owner_id)
    return ValidateResult(
        summary=f"{summary}, {config.owner_kind} {owner_name}",
        instance=instance,
        warnings=tuple(warnings),
    )


def _instance_of(root: Mapping[str, Any], client: OctopusClient) -> str:
    """Return what identifies the server under every address that it can be reached by."""
    found = root.get("InstallationId")
    if isinstance(found, str) and _INSTALLATION_ID.fullmatch(found):
        shown = client.shown(found)
        if shown == found:
            return f"octopus/{found}"
    return client.base_url


def _check_library_set(library_set: Mapping[str, Any], config: OctopusConfig) -> None:
    """Check that the variables of a library set are where runs look for them without asking.

    Raises:
        InvalidConfig: they are elsewhere, or it is another kind of library set.
    """
    if library_set.get("ContentType") not in {None, "Variables"}:
        text = "is a script module: choose a library set that holds variables"
    elif library_set.get("VariableSetId") != config.variable_set_id:
        text = (
            f"has its variables elsewhere than in {config.variable_set_id}, where this plugin looks"
            " for them: please report it"
        )
    else:
        return
    raise InvalidConfig(
        f"The library variable set {config.owner_id} {text}.",
        violations={config.owner_field: text},
    )


async def _check_permissions(
    client: OctopusClient, user_id: str, config: OctopusConfig
) -> list[str]:
    """Return a warning if the server does not tell what the user may do."""
    path = f"/api/users/{user_id}/permissions"
    query = {"spaces": config.space_id, "includeSystem": "true"}
    failure: AdapterError | None = None
    missing: list[str] | None = None
    try:
        missing = missing_permissions(await client.get_json(path, query), config)
    except (NotFound, PermissionDenied) as error:
        failure = error
    if missing:
        raise PermissionDenied(
            f"The connection's user lacks permissions in {config.space_id} for {config.owner_id}:"
            f" {'; '.join(missing)}.",
            hint="Add them to a user role of a team that the user is in.",
        )
    if missing is None:
        reason = failure.message if failure else "its answer is incomplete"
        warning = "It could not be checked that the connection's user may edit variables"
        return [f"{warning}, because Octopus does not tell: {reason}."]
    return []
