"""Octopus's routes below `/api`: spaces, the collections of a space, and variable sets."""

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.routing import Route

from secretsync_octopus_deploy.sandbox import root
from secretsync_octopus_deploy.sandbox.errors import missing_permission, not_found
from secretsync_octopus_deploy.sandbox.jsonio import JsonObject, JsonResponse, read_object
from secretsync_octopus_deploy.sandbox.paging import by_name, page
from secretsync_octopus_deploy.sandbox.state import access_of, effects_on, world_of
from secretsync_octopus_deploy.sandbox.variable_set import VariableSet
from secretsync_octopus_deploy.sandbox.world import (
    ITEM_TYPES,
    Space,
    scope_ids,
    scope_values,
)


class _SpaceIdConvertor(StringConvertor):
    """Matches a space id in a path, so that `/api/Spaces-1/x` and `/api/x/y` stay apart."""

    regex = r"Spaces-\d+"


register_url_convertor("octopus_space_id", _SpaceIdConvertor())


def octopus_routes() -> list[Route]:
    """Return the routes, space-scoped in both forms and for the default space without any."""
    routes = [
        Route("/api", root.server_root),
        Route("/api/", root.server_root),
        Route("/api/users/me", root.current_user),
        Route("/api/users/{id}", root.user),
        Route("/api/users/{id}/permissions", root.user_permissions),
        Route("/api/spaces", _spaces),
        Route("/api/spaces/all", _all_spaces),
        Route("/api/spaces/{space}", _space),
        Route("/api/{space:octopus_space_id}", root.space_root),
    ]
    for prefix in ("/api/{space:octopus_space_id}", "/api/spaces/{space}", "/api"):
        routes += [
            Route(f"{prefix}/users/{{id}}/permissions", root.user_permissions),
            Route(f"{prefix}/projects/{{project}}/variables", _project_variables),
            Route(
                f"{prefix}/projects/{{project}}/variables",
                _put_project_variables,
                methods=["PUT"],
            ),
            Route(f"{prefix}/projects/{{project}}/deploymentprocesses", _project_process),
            Route(f"{prefix}/projects/{{project}}/{{collection}}", _project_collection),
            Route(f"{prefix}/variables/{{set_id}}", _variable_set),
            Route(f"{prefix}/variables/{{set_id}}", _put_variable_set, methods=["PUT"]),
            Route(f"{prefix}/machineroles/all", _machine_roles),
            Route(f"{prefix}/{{collection}}/all", _all_items),
            Route(f"{prefix}/{{collection}}/{{id}}", _item),
            Route(f"{prefix}/{{collection}}", _items),
        ]
    return routes


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
    return JsonResponse(_find_space(request).resource)


async def _items(request: Request) -> JsonResponse:
    """`GET /api/{space}/{collection}`: one page."""
    space = _find_space(request)
    collection = _collection(request)
    content_type = ""
    if collection == "libraryvariablesets":
        content_type = request.query_params.get("contentType", "")
    found = page(
        space.collections[collection].values(),
        path=f"/api/{space.space_id}/{collection}",
        query=request.query_params,
        item_type=ITEM_TYPES[collection],
        content_type=content_type,
    )
    return JsonResponse(found)


async def _all_items(request: Request) -> JsonResponse:
    """`GET /api/{space}/{collection}/all`: a bare array."""
    space = _find_space(request)
    return JsonResponse(by_name(space.collections[_collection(request)].values()))


async def _item(request: Request) -> JsonResponse:
    """`GET /api/{space}/{collection}/{id}`."""
    space = _find_space(request)
    return JsonResponse(space.find(_collection(request), request.path_params["id"]))


async def _machine_roles(request: Request) -> JsonResponse:
    """`GET /api/{space}/machineroles/all`: a bare array of texts."""
    return JsonResponse(_find_space(request).roles())


async def _project_process(request: Request) -> JsonResponse:
    """`GET /api/{space}/projects/{project}/deploymentprocesses`: the one process."""
    space = _find_space(request)
    project = space.find("projects", request.path_params["project"])
    return JsonResponse(space.find("deploymentprocesses", project["DeploymentProcessId"]))


async def _project_collection(request: Request) -> JsonResponse:
    """`GET /api/{space}/projects/{project}/channels` and `/runbooks`: one page."""
    space = _find_space(request)
    project = space.find("projects", request.path_params["project"])
    collection = request.path_params["collection"]
    if collection not in {"channels", "runbooks"}:
        raise not_found(request.url.path)
    found = page(
        space.of_project(collection, project["Id"]),
        path=f"/api/{space.space_id}/projects/{project['Id']}/{collection}",
        query=request.query_params,
        item_type=ITEM_TYPES[collection],
    )
    return JsonResponse(found)


async def _project_variables(request: Request) -> JsonResponse:
    """`GET /api/{space}/projects/{project}/variables`."""
    space, variable_set = _set_of_project(request)
    return JsonResponse(_read_set(request, space, variable_set))


async def _put_project_variables(request: Request) -> JsonResponse:
    """`PUT /api/{space}/projects/{project}/variables`, which answers an empty object."""
    space, variable_set = _set_of_project(request)
    _check_may_edit(request, variable_set)
    _replace(request, space, variable_set, await read_object(request))
    return JsonResponse({})


async def _variable_set(request: Request) -> JsonResponse:
    """`GET /api/{space}/variables/{set}`."""
    space, variable_set = _set_by_id(request)
    return JsonResponse(_read_set(request, space, variable_set))


async def _put_variable_set(request: Request) -> JsonResponse:
    """`PUT /api/{space}/variables/{set}`, which answers the set.

    Its `ScopeValues` are null: the official Go client reads again because servers do that.
    """
    space, variable_set = _set_by_id(request)
    _check_may_edit(request, variable_set)
    _replace(request, space, variable_set, await read_object(request))
    return JsonResponse({**_read_set(request, space, variable_set), "ScopeValues": None})


def _check_may_edit(request: Request, variable_set: VariableSet) -> None:
    """Refuse the read-only key, before anything of the body is looked at."""
    if access_of(request) == "read-only":
        wanted = "LibraryVariableSetEdit" if variable_set.is_library else "VariableEdit"
        raise missing_permission(wanted)


def _replace(request: Request, space: Space, variable_set: VariableSet, body: JsonObject) -> None:
    """Apply a PUT in one go: nothing is awaited between its checks and its end."""
    for name, value in effects_on(request).foreign_edits:
        variable_set.edit_as_somebody_else(name, value)
    world = world_of(request)
    known = scope_ids(space, variable_set) if world.refuses_unknown_scope_ids else None
    variable_set.replace(body, hidden_names=effects_on(request).hidden_names, known_scope_ids=known)


def _read_set(request: Request, space: Space, variable_set: VariableSet) -> JsonObject:
    """Return a variable set as the caller sees it."""
    hidden = effects_on(request).hidden_names
    path = f"/api/{space.space_id}/variables/{variable_set.set_id}"
    if not variable_set.is_library:
        path = f"/api/{space.space_id}/projects/{variable_set.owner_id}/variables"
    return {
        "Id": variable_set.set_id,
        "OwnerId": variable_set.owner_id,
        "SpaceId": space.space_id,
        "Version": variable_set.version,
        "Variables": [row.shown for row in variable_set.rows if row.shown["Name"] not in hidden],
        "ScopeValues": scope_values(space, variable_set),
        "Links": {"Self": path},
    }


def _find_space(request: Request) -> Space:
    """Return the space that the path names, the default space if it names none."""
    world = world_of(request)
    return world.find_space(request.path_params.get("space"))


def _visible_spaces(request: Request) -> list[JsonObject]:
    """Return the spaces that the caller may know of."""
    world = world_of(request)
    hidden = effects_on(request).hidden_spaces
    return [space.resource for key, space in world.spaces.items() if key not in hidden]


def _collection(request: Request) -> str:
    """Return the collection that the path names.

    Raises:
        OctopusError: 404 if there is no such collection.
    """
    collection = str(request.path_params["collection"])
    if collection not in ITEM_TYPES:
        raise not_found(request.url.path)
    return collection


def _set_of_project(request: Request) -> tuple[Space, VariableSet]:
    """Return the variable set of the project in the path."""
    space = _find_space(request)
    project = space.find("projects", request.path_params["project"])
    world = world_of(request)
    return space, world.sets[project["VariableSetId"]]


def _set_by_id(request: Request) -> tuple[Space, VariableSet]:
    """Return the variable set in the path."""
    space = _find_space(request)
    world = world_of(request)
    return space, world.find_set(space, request.path_params["set_id"])
