"""The routes of spaces themselves, below `/api/spaces`."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from secretsync_octopus_deploy.sandbox.editing import take_over
from secretsync_octopus_deploy.sandbox.errors import bad_request, missing_permission
from secretsync_octopus_deploy.sandbox.jsonio import JsonObject, JsonResponse, read_object
from secretsync_octopus_deploy.sandbox.paging import by_name, page
from secretsync_octopus_deploy.sandbox.resources import slug_of
from secretsync_octopus_deploy.sandbox.state import access_of, effects_on, space_of, world_of
from secretsync_octopus_deploy.sandbox.world import World


def space_routes() -> list[Route]:
    """Return the routes."""
    return [
        Route("/api/spaces", _spaces),
        Route("/api/spaces", _create, methods=["POST"]),
        Route("/api/spaces/all", _all_spaces),
        Route("/api/spaces/{space}", _space),
        Route("/api/spaces/{space}", _update, methods=["PUT"]),
        Route("/api/spaces/{space}", _delete, methods=["DELETE"]),
    ]


async def _spaces(request: Request) -> JsonResponse:
    """`GET /api/spaces`, without the spaces that are hidden from the caller."""
    found = page(
        _visible_spaces(request), path="/api/spaces", query=request.query_params, item_type="Space"
    )
    return JsonResponse(found)


async def _all_spaces(request: Request) -> JsonResponse:
    """`GET /api/spaces/all`."""
    return JsonResponse(by_name(_visible_spaces(request)))


async def _space(request: Request) -> JsonResponse:
    """`GET /api/spaces/{id}`."""
    return JsonResponse(space_of(request).resource)


async def _create(request: Request) -> JsonResponse:
    """`POST /api/spaces`, which answers 201 and the new space."""
    _check_may(request, "SpaceCreate")
    body, world = await read_object(request), world_of(request)
    name = _checked_name(world, body)
    added = world.add_space(name, slug_of(name)).resource
    take_over(added, body)
    return JsonResponse(added, status_code=201)


async def _update(request: Request) -> JsonResponse:
    """`PUT /api/spaces/{id}`, which answers the space."""
    _check_may(request, "SpaceEdit")
    body, space = await read_object(request), space_of(request)
    _checked_name(world_of(request), body, own_id=space.space_id)
    take_over(space.resource, body)
    return JsonResponse(space.resource)


async def _delete(request: Request) -> Response:
    """`DELETE /api/spaces/{id}`, for which the space's task queue must have been stopped.

    UNVERIFIED: the texts of the refusals.
    """
    _check_may(request, "SpaceDelete")
    space = space_of(request).resource
    if space["IsDefault"]:
        raise bad_request("The default space cannot be deleted.")
    if not space["TaskQueueStopped"]:
        raise bad_request("Stop the space's task queue before deleting it.")
    world_of(request).remove_space(space["Id"])
    return Response()


def _checked_name(world: World, body: JsonObject, *, own_id: str = "") -> str:
    """Return the name in `body`; `own_id` is the space that may have it already."""
    name = body.get("Name")
    if not isinstance(name, str) or not name:
        raise bad_request("Please provide a name for the space.")
    others = [space.resource for key, space in world.spaces.items() if key != own_id]
    if any(other["Name"].casefold() == name.casefold() for other in others):
        raise bad_request("A space with this name already exists. Please choose a different name.")
    return name


def _check_may(request: Request, permission: str) -> None:
    """Refuse the read-only key."""
    if access_of(request) == "read-only":
        raise missing_permission(permission)


def _visible_spaces(request: Request) -> list[JsonObject]:
    """Return the spaces that the caller may know of."""
    world = world_of(request)
    hidden = effects_on(request).hidden_spaces
    return [space.resource for key, space in world.spaces.items() if key not in hidden]
