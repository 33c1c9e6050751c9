"""The sandbox's own routes below `/sandbox/`, which no Octopus server has."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from secretsync_octopus_deploy.sandbox.errors import OctopusError, not_found
from secretsync_octopus_deploy.sandbox.faults import FaultRule
from secretsync_octopus_deploy.sandbox.jsonio import JsonObject, JsonResponse, read_object
from secretsync_octopus_deploy.sandbox.state import faults_of, log_of, world_of
from secretsync_octopus_deploy.sandbox.variable_set import VariableSet

MAX_PROJECTS = 10_000


class _Settings(BaseModel):
    """The body of `PUT /sandbox/settings`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    refuse_unknown_scope_ids: bool


class _NewProjects(BaseModel):
    """The body of `POST /sandbox/projects`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    count: Annotated[int, Field(ge=1, le=MAX_PROJECTS)]
    prefix: Annotated[str, Field(min_length=1)] = "Load"
    space: str | None = None


def control_routes() -> list[Route]:
    """Return the routes. All of them need the API key with full access."""
    path = "/sandbox/variablesets/{set_id}"
    return [
        Route(path, _inspect),
        Route(f"{path}/freeze", _freeze, methods=["POST"]),
        Route(f"{path}/freeze", _thaw, methods=["DELETE"]),
        Route("/sandbox/requests", _requests),
        Route("/sandbox/requests", _clear_requests, methods=["DELETE"]),
        Route("/sandbox/faults", _faults),
        Route("/sandbox/faults", _add_fault, methods=["POST"]),
        Route("/sandbox/faults", _clear_faults, methods=["DELETE"]),
        Route("/sandbox/settings", _change_settings, methods=["PUT"]),
        Route("/sandbox/projects", _add_projects, methods=["POST"]),
    ]


async def _inspect(request: Request) -> JsonResponse:
    """Return a variable set with the stored values of its sensitive variables."""
    variable_set = _set_of(request)
    return JsonResponse(
        {
            "Id": variable_set.set_id,
            "OwnerId": variable_set.owner_id,
            "SpaceId": variable_set.space_id,
            "Version": variable_set.version,
            "IsFrozen": variable_set.is_frozen,
            "Variables": [row.revealed() for row in variable_set.rows],
        }
    )


async def _freeze(request: Request) -> Response:
    """Make the set refuse every PUT."""
    _set_of(request).is_frozen = True
    return Response(status_code=204)


async def _thaw(request: Request) -> Response:
    """Make the set accept PUTs again."""
    _set_of(request).is_frozen = False
    return Response(status_code=204)


async def _requests(request: Request) -> JsonResponse:
    """Return the requests to the Octopus API so far, oldest first."""
    return JsonResponse(log_of(request).as_json())


async def _clear_requests(request: Request) -> Response:
    """Forget the requests so far."""
    log_of(request).clear()
    return Response(status_code=204)


async def _faults(request: Request) -> JsonResponse:
    """Return the faults that still wait for requests."""
    return JsonResponse(faults_of(request).in_force())


async def _add_fault(request: Request) -> JsonResponse:
    """Put a fault in force."""
    body = await read_object(request)
    try:
        rule = FaultRule.model_validate(body)
    except ValidationError as error:
        raise _refusal(error) from None
    faults_of(request).add(rule)
    return JsonResponse(rule.model_dump(), status_code=201)


async def _clear_faults(request: Request) -> Response:
    """Drop all faults."""
    faults_of(request).clear()
    return Response(status_code=204)


async def _change_settings(request: Request) -> JsonResponse:
    """Say what to do with scope ids that do not exist."""
    body = await read_object(request)
    try:
        settings = _Settings.model_validate(body)
    except ValidationError as error:
        raise _refusal(error) from None
    world_of(request).refuses_unknown_scope_ids = settings.refuse_unknown_scope_ids
    return JsonResponse(settings.model_dump())


async def _add_projects(request: Request) -> JsonResponse:
    """Add `count` projects called `prefix` and a number, and return them."""
    body = await read_object(request)
    try:
        wanted = _NewProjects.model_validate(body)
    except ValidationError as error:
        raise _refusal(error) from None
    world = world_of(request)
    space = world.find_space(wanted.space)
    added = [
        world.add_project(space, f"{wanted.prefix} {number:05d}")
        for number in range(1, wanted.count + 1)
    ]
    return JsonResponse(added, status_code=201)


def _set_of(request: Request) -> VariableSet:
    """Return the variable set that the path names, whatever its space."""
    world = world_of(request)
    set_id = request.path_params["set_id"]
    if set_id not in world.sets:
        raise not_found(set_id)
    return world.sets[set_id]


def _refusal(error: ValidationError) -> OctopusError:
    """Return the 400 that names each field in error and what is wrong, without the input."""
    problems: list[JsonObject] = [dict(problem) for problem in error.errors(include_input=False)]
    texts = [
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in problems
    ]
    return OctopusError(400, "The sandbox does not understand this.", errors=texts)
