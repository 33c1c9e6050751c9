"""The root documents: `/api` and `/api/Spaces-1`."""

from starlette.requests import Request

from secretsync_octopus_deploy.sandbox.jsonio import JsonObject, JsonResponse
from secretsync_octopus_deploy.sandbox.kinds import KINDS
from secretsync_octopus_deploy.sandbox.state import world_of

SERVER_VERSION = "2023.1.9626"


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
            "InstallationId": world_of(request).installation_id,
            "IsEarlyAccessProgram": False,
            "HasLongTermSupport": True,
            "Links": links,
        }
    )


async def space_root(request: Request) -> JsonResponse:
    """`GET /api/{space}`."""
    space_id = world_of(request).find_space(request.path_params["space"]).space_id
    return JsonResponse({"Id": space_id, "Links": _space_links(space_id)})


def _space_links(space_id: str) -> JsonObject:
    """Return the link templates of a space's collections."""
    links = {
        "Variables": f"/api/{space_id}/variables{{/id}}",
        "MachineRoles": f"/api/{space_id}/machineroles/all",
    }
    for kind in KINDS.values():
        links[kind.link] = f"/api/{space_id}/{kind.collection}{{/id}}{{?{kind.link_query}}}"
    return links
