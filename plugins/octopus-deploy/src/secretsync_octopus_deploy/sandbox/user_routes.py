"""The routes of users: the one who asks, others that tests add, and permissions."""

from starlette.requests import Request
from starlette.routing import Route

from secretsync_octopus_deploy.sandbox.errors import bad_request, missing_permission, not_found
from secretsync_octopus_deploy.sandbox.jsonio import JsonResponse, read_object
from secretsync_octopus_deploy.sandbox.state import access_of, world_of
from secretsync_octopus_deploy.sandbox.world import REQUESTOR_ID

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


def user_routes() -> list[Route]:
    """Return the routes that name no space."""
    return [
        Route("/api/users", _create, methods=["POST"]),
        Route("/api/users/me", _current_user),
        Route("/api/users/{id}", _user),
        Route("/api/users/{id}/permissions", permissions),
    ]


async def _current_user(request: Request) -> JsonResponse:
    """`GET /api/users/me`; every key belongs to the same service account."""
    return JsonResponse(world_of(request).users[REQUESTOR_ID])


async def _user(request: Request) -> JsonResponse:
    """`GET /api/users/{id}`."""
    found = world_of(request).users.get(request.path_params["id"])
    if found is None:
        raise not_found(request.path_params["id"])
    return JsonResponse(found)


async def _create(request: Request) -> JsonResponse:
    """`POST /api/users`, which answers 201 and the new user; the password is not kept."""
    if access_of(request) == "read-only":
        raise missing_permission("UserInvite")
    body = await read_object(request)
    username, display_name = body.get("Username"), body.get("DisplayName") or ""
    if not isinstance(username, str) or not username or not isinstance(display_name, str):
        raise bad_request("Please provide a username.")
    world = world_of(request)
    if any(user["Username"].casefold() == username.casefold() for user in world.users.values()):
        raise bad_request("A user with this username already exists.")
    return JsonResponse(world.add_user(username, display_name), status_code=201)


async def permissions(request: Request) -> JsonResponse:
    """`GET /api/users/{id}/permissions`, for one space or for all, of the one who asks.

    UNVERIFIED: that a read-only key sees its own narrower permissions here, not its user's.
    """
    if request.path_params["id"] != REQUESTOR_ID:
        raise not_found(request.path_params["id"])
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
            "Id": REQUESTOR_ID,
            "SpacePermissions": dict.fromkeys(granted, unrestricted),
            "SystemPermissions": [],
            "Teams": [],
            "IsPermissionsComplete": True,
            "IsTeamsComplete": True,
            "Links": {"Self": f"/api/users/{REQUESTOR_ID}/permissions"},
        }
    )
