"""The root documents and the account documents: `/api`, `/api/Spaces-1`, `/api/users/me`."""

from starlette.requests import Request

from secretsync_octopus_deploy.sandbox.errors import not_found
from secretsync_octopus_deploy.sandbox.jsonio import JsonObject, JsonResponse
from secretsync_octopus_deploy.sandbox.state import access_of, world_of
from secretsync_octopus_deploy.sandbox.world import ITEM_TYPES

SERVER_VERSION = "2023.1.9626"
USER_ID = "Users-1"
# Fixed, because clients only require that there is one.
INSTALLATION_ID = "5a4db0c5-0000-4000-8000-000000000001"

_LINK_NAMES = {
    "projects": "Projects",
    "environments": "Environments",
    "machines": "Machines",
    "channels": "Channels",
    "runbooks": "Runbooks",
    "deploymentprocesses": "DeploymentProcesses",
    "runbookProcesses": "RunbookProcesses",
    "libraryvariablesets": "LibraryVariables",
    "tagsets": "TagSets",
}
_VIEW = (
    "ProjectView",
    "EnvironmentView",
    "MachineView",
    "ProcessView",
    "RunbookView",
    "VariableView",
    "VariableViewUnscoped",
    "LibraryVariableSetView",
)
_EDIT = ("VariableEdit", "VariableEditUnscoped", "LibraryVariableSetEdit")


async def server_root(request: Request) -> JsonResponse:
    """`GET /api`, which needs no key."""
    default = world_of(request).find_space(None).space_id
    links = {
        "Self": "/api",
        "CurrentUser": "/api/users/me",
        "Users": "/api/users{/id}{?skip,take,ids,filter}",
        "Spaces": "/api/spaces{/id}{?skip,ids,take,partialName}",
        "SpaceHome": "/api/{spaceId}",
        **_space_links(default),
    }
    return JsonResponse(
        {
            "Application": "Octopus Deploy",
            "Version": SERVER_VERSION,
            "ApiVersion": "3.0.0",
            "InstallationId": INSTALLATION_ID,
            "IsEarlyAccessProgram": False,
            "HasLongTermSupport": True,
            "Links": links,
        }
    )


async def space_root(request: Request) -> JsonResponse:
    """`GET /api/{space}`."""
    space_id = world_of(request).find_space(request.path_params["space"]).space_id
    return JsonResponse({"Id": space_id, "Links": _space_links(space_id)})


async def current_user(_request: Request) -> JsonResponse:
    """`GET /api/users/me`; every key belongs to the same service account."""
    return JsonResponse(_user())


async def user(request: Request) -> JsonResponse:
    """`GET /api/users/{id}`."""
    _check_user(request)
    return JsonResponse(_user())


async def user_permissions(request: Request) -> JsonResponse:
    """`GET /api/users/{id}/permissions`, for one space or for all.

    UNVERIFIED: that a read-only key sees its own narrower permissions here, not its user's.
    """
    _check_user(request)
    world = world_of(request)
    space_ids = list(world.spaces)
    if "space" in request.path_params:
        space_ids = [world.find_space(request.path_params["space"]).space_id]
    granted = _VIEW if access_of(request) == "read-only" else (*_VIEW, *_EDIT)
    unrestricted = [
        {
            "RestrictedToProjectIds": [],
            "RestrictedToEnvironmentIds": [],
            "RestrictedToTenantIds": [],
            "RestrictedToProjectGroupIds": [],
            "SpaceId": space_id,
        }
        for space_id in space_ids
    ]
    return JsonResponse(
        {
            "Id": USER_ID,
            "SpacePermissions": dict.fromkeys(granted, unrestricted),
            "SystemPermissions": [],
            "Teams": [],
            "IsPermissionsComplete": True,
            "IsTeamsComplete": True,
            "Links": {"Self": f"/api/users/{USER_ID}/permissions"},
        }
    )


def _space_links(space_id: str) -> JsonObject:
    """Return the link templates of a space's collections."""
    links = {
        "Variables": f"/api/{space_id}/variables{{/id}}",
        "MachineRoles": f"/api/{space_id}/machineroles/all",
    }
    for collection in ITEM_TYPES:
        query = "skip,take,ids,partialName"
        if collection == "libraryvariablesets":
            query = "skip,contentType,take,ids,partialName"
        links[_LINK_NAMES[collection]] = f"/api/{space_id}/{collection}{{/id}}{{?{query}}}"
    return links


def _user() -> JsonObject:
    """Return the service account."""
    return {
        "Id": USER_ID,
        "Username": "svc",
        "DisplayName": "svc",
        "IsActive": True,
        "IsService": True,
        "EmailAddress": None,
        "IsRequestor": True,
        "Identities": [],
        "Links": {"Self": f"/api/users/{USER_ID}"},
    }


def _check_user(request: Request) -> None:
    """Refuse the id of any other user."""
    if request.path_params["id"] != USER_ID:
        raise not_found(request.path_params["id"])
