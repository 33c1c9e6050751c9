"""The routes of variable sets: those of projects, of library variable sets, and those in Git."""

from starlette.requests import Request
from starlette.routing import Route

from secretsync_octopus_deploy.sandbox.errors import bad_request, missing_permission, not_found
from secretsync_octopus_deploy.sandbox.jsonio import JsonObject, JsonResponse, read_object
from secretsync_octopus_deploy.sandbox.scope_values import scope_ids, scope_values
from secretsync_octopus_deploy.sandbox.state import (
    access_of,
    effects_on,
    space_of,
    world_of,
)
from secretsync_octopus_deploy.sandbox.variable_set import VariableSet
from secretsync_octopus_deploy.sandbox.world import Space

SENSITIVE_IN_GIT = "Sensitive variables cannot be stored in a Git repository."


def variable_routes(prefix: str) -> list[Route]:
    """Return the routes of one space, whose path is `prefix`.

    A Git reference in a path is a branch (`main`) or a full name with its slashes encoded
    (`refs%2Fheads%2Fmain`). Source: Octopus REST API.
    """
    of_project = f"{prefix}/projects/{{project}}/variables"
    in_git = f"{prefix}/projects/{{project}}/{{git_ref:path}}/variables"
    by_id = f"{prefix}/variables/{{set_id}}"
    return [
        Route(of_project, _project_variables),
        Route(of_project, _put_project_variables, methods=["PUT"]),
        Route(in_git, _git_variables),
        Route(in_git, _put_git_variables, methods=["PUT"]),
        Route(by_id, _variable_set),
        Route(by_id, _put_variable_set, methods=["PUT"]),
    ]


async def _project_variables(request: Request) -> JsonResponse:
    """`GET /api/{space}/projects/{project}/variables`; in Git projects the sensitive ones."""
    space, variable_set = _set_of_project(request)
    return JsonResponse(_read_set(request, space, variable_set))


async def _put_project_variables(request: Request) -> JsonResponse:
    """`PUT /api/{space}/projects/{project}/variables`, which answers an empty object."""
    space, variable_set = _set_of_project(request)
    _check_may_edit(request, variable_set)
    _replace(request, space, variable_set, await read_object(request))
    return JsonResponse({})


async def _git_variables(request: Request) -> JsonResponse:
    """`GET /api/{space}/projects/{project}/{gitRef}/variables`: the text variables of a branch."""
    space, variable_set, path = _set_in_git(request)
    return JsonResponse(_read_set(request, space, variable_set, path=path))


async def _put_git_variables(request: Request) -> JsonResponse:
    """`PUT /api/{space}/projects/{project}/{gitRef}/variables`, which commits to the branch.

    UNVERIFIED: that it answers an empty object, and that the set's version tells a stale edit.
    """
    space, variable_set, _ = _set_in_git(request)
    _check_may_edit(request, variable_set)
    body = await read_object(request)
    rows = body.get("Variables")
    if isinstance(rows, list) and any(_is_sensitive(row) for row in rows):
        raise bad_request(SENSITIVE_IN_GIT)
    _replace(request, space, variable_set, body)
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


def _read_set(
    request: Request, space: Space, variable_set: VariableSet, *, path: str = ""
) -> JsonObject:
    """Return a variable set as the caller sees it; `path` is its own if it is not by its id."""
    hidden = effects_on(request).hidden_names
    if not path:
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


def _set_of_project(request: Request) -> tuple[Space, VariableSet]:
    """Return the variable set of the project in the path."""
    space = space_of(request)
    project = space.find("projects", request.path_params["project"])
    return space, world_of(request).sets[project["VariableSetId"]]


def _set_in_git(request: Request) -> tuple[Space, VariableSet, str]:
    """Return the variables of the branch in the path, and their path.

    Raises:
        OctopusError: 404 if the project has no such branch. UNVERIFIED: the status and text, also
            for projects that are not in Git.
    """
    space = space_of(request)
    project = space.find("projects", request.path_params["project"])
    git_ref = request.path_params["git_ref"]
    branch = git_ref.removeprefix("refs/heads/")
    found = world_of(request).git_sets.get((project["Id"], branch))
    if found is None:
        raise not_found(git_ref)
    encoded = f"refs%2Fheads%2F{branch}"
    return space, found, f"/api/{space.space_id}/projects/{project['Id']}/{encoded}/variables"


def _set_by_id(request: Request) -> tuple[Space, VariableSet]:
    """Return the variable set in the path."""
    space = space_of(request)
    return space, world_of(request).find_set(space, request.path_params["set_id"])


def _is_sensitive(row: object) -> bool:
    """Tell whether a row of a body is marked sensitive, in either way."""
    if not isinstance(row, dict):
        return False
    return row.get("Type") == "Sensitive" or bool(row.get("IsSensitive"))
