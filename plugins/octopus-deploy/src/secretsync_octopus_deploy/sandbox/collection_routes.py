"""The routes of the collections of a space: pages, single resources, and their changes."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from secretsync_octopus_deploy.sandbox import editing
from secretsync_octopus_deploy.sandbox.errors import OctopusError, missing_permission, not_found
from secretsync_octopus_deploy.sandbox.jsonio import JsonObject, JsonResponse, read_object
from secretsync_octopus_deploy.sandbox.kinds import KINDS, Action, Kind
from secretsync_octopus_deploy.sandbox.paging import by_name, page
from secretsync_octopus_deploy.sandbox.state import access_of, space_of, world_of


def collection_routes(prefix: str) -> list[Route]:
    """Return the routes of one space, whose path is `prefix`."""
    project = f"{prefix}/projects/{{project}}"
    collection, item = f"{prefix}/{{collection}}", f"{prefix}/{{collection}}/{{id}}"
    return [
        Route(f"{project}/deploymentprocesses", _project_process),
        Route(f"{project}/summary", _project_summary),
        Route(f"{project}/channels/{{channel}}/releases", _channel_releases),
        Route(f"{project}/{{collection}}", _project_collection),
        Route(f"{prefix}/projectgroups/{{id}}/projects", _projects_of_group),
        Route(f"{prefix}/lifecycles/{{id}}/projects", _projects_of_lifecycle),
        Route(f"{prefix}/machineroles/all", _machine_roles),
        Route(f"{collection}/all", _all_items),
        Route(item, _item),
        Route(item, _update, methods=["PUT"]),
        Route(item, _delete, methods=["DELETE"]),
        Route(collection, _items),
        Route(collection, _create, methods=["POST"]),
    ]


async def _items(request: Request) -> JsonResponse:
    """`GET /api/{space}/{collection}`: one page."""
    kind = _kind(request)
    items = list(space_of(request).collections[kind.collection].values())
    content_type = ""
    if kind.collection == "libraryvariablesets":
        content_type = request.query_params.get("contentType", "")
    return _page(request, items, kind.collection, kind.collection, content_type=content_type)


async def _all_items(request: Request) -> JsonResponse:
    """`GET /api/{space}/{collection}/all`: a bare array."""
    space = space_of(request)
    return JsonResponse(by_name(space.collections[_kind(request).collection].values()))


async def _item(request: Request) -> JsonResponse:
    """`GET /api/{space}/{collection}/{id}`."""
    space = space_of(request)
    return JsonResponse(space.find(_kind(request).collection, request.path_params["id"]))


async def _create(request: Request) -> JsonResponse:
    """`POST /api/{space}/{collection}`, which answers 201 and the new resource."""
    space, kind = space_of(request), _editable_kind(request, "Create")
    added = editing.create(world_of(request), space, kind.collection, await read_object(request))
    return JsonResponse(added, status_code=201)


async def _update(request: Request) -> JsonResponse:
    """`PUT /api/{space}/{collection}/{id}`, which answers the resource."""
    space, kind = space_of(request), _editable_kind(request, "Edit")
    body = await read_object(request)
    return JsonResponse(editing.update(space, kind.collection, request.path_params["id"], body))


async def _delete(request: Request) -> Response:
    """`DELETE /api/{space}/{collection}/{id}`, which answers 200 without a body.

    The official Go client takes any other success for a failure.
    """
    space, kind = space_of(request), _editable_kind(request, "Delete")
    editing.delete(world_of(request), space, kind.collection, request.path_params["id"])
    return Response()


async def _machine_roles(request: Request) -> JsonResponse:
    """`GET /api/{space}/machineroles/all`: a bare array of texts."""
    return JsonResponse(space_of(request).roles())


async def _project_process(request: Request) -> JsonResponse:
    """`GET /api/{space}/projects/{project}/deploymentprocesses`: the one process."""
    space = space_of(request)
    project = space.find("projects", request.path_params["project"])
    return JsonResponse(space.find("deploymentprocesses", project["DeploymentProcessId"]))


async def _project_summary(request: Request) -> JsonResponse:
    """`GET /api/{space}/projects/{project}/summary`."""
    space = space_of(request)
    project = space.find("projects", request.path_params["project"])
    process = space.find("deploymentprocesses", project["DeploymentProcessId"])
    return JsonResponse(
        {
            "HasDeploymentProcess": bool(process["Steps"]),
            "HasRunbooks": bool(space.of_project("runbooks", project["Id"])),
        }
    )


async def _project_collection(request: Request) -> JsonResponse:
    """`GET /api/{space}/projects/{project}/channels`, `/releases` and `/runbooks`: one page."""
    space = space_of(request)
    project = space.find("projects", request.path_params["project"])
    collection = request.path_params["collection"]
    if collection not in {"channels", "releases", "runbooks"}:
        raise not_found(request.url.path)
    items = space.of_project(collection, project["Id"])
    return _page(request, items, collection, f"projects/{project['Id']}/{collection}")


async def _channel_releases(request: Request) -> JsonResponse:
    """`GET /api/{space}/projects/{project}/channels/{channel}/releases`: one page."""
    space = space_of(request)
    project = space.find("projects", request.path_params["project"])
    channel = space.find("channels", request.path_params["channel"])
    path = f"projects/{project['Id']}/channels/{channel['Id']}/releases"
    releases = space.of_project("releases", project["Id"])
    found = [release for release in releases if release["ChannelId"] == channel["Id"]]
    return _page(request, found, "releases", path)


async def _projects_of_group(request: Request) -> JsonResponse:
    """`GET /api/{space}/projectgroups/{id}/projects`: one page."""
    group = space_of(request).find("projectgroups", request.path_params["id"])
    projects = _projects_with(request, "ProjectGroupId", group["Id"])
    return _page(request, projects, "projects", f"projectgroups/{group['Id']}/projects")


async def _projects_of_lifecycle(request: Request) -> JsonResponse:
    """`GET /api/{space}/lifecycles/{id}/projects`: a bare array."""
    lifecycle = space_of(request).find("lifecycles", request.path_params["id"])
    return JsonResponse(by_name(_projects_with(request, "LifecycleId", lifecycle["Id"])))


def _projects_with(request: Request, key: str, identifier: str) -> list[JsonObject]:
    """Return the projects whose field `key` is `identifier`."""
    projects = space_of(request).collections["projects"].values()
    return [project for project in projects if project[key] == identifier]


def _page(
    request: Request,
    items: list[JsonObject],
    collection: str,
    path: str,
    *,
    content_type: str = "",
) -> JsonResponse:
    """Return the page of `items` that the query asks for; `path` is theirs within the space."""
    found = page(
        items,
        path=f"/api/{space_of(request).space_id}/{path}",
        query=request.query_params,
        item_type=KINDS[collection].item_type,
        content_type=content_type,
    )
    return JsonResponse(found)


def _kind(request: Request) -> Kind:
    """Return the kind of resource that the path names.

    Raises:
        OctopusError: 404 if there is no such collection.
    """
    kind = KINDS.get(request.path_params["collection"])
    if kind is None:
        raise not_found(request.url.path)
    return kind


def _editable_kind(request: Request, action: Action) -> Kind:
    """Return the kind that the path names, if the caller may do `action` with it.

    Raises:
        OctopusError: 404 if there is no such collection, 405 if the sandbox does not let it be
            changed, 403 for the read-only key.
    """
    kind = _kind(request)
    if not kind.permission:
        raise OctopusError(405, f"{request.method} is not supported here.")
    if access_of(request) == "read-only":
        raise missing_permission(kind.permission_to(action))
    return kind
