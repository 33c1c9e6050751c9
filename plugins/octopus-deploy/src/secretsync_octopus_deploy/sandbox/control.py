"""The sandbox's own routes below `/sandbox/`, which no Octopus server has, and those of OIDC."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from secretsync_octopus_deploy.sandbox.errors import OctopusError, not_found
from secretsync_octopus_deploy.sandbox.faults import FaultRule
from secretsync_octopus_deploy.sandbox.jsonio import JsonObject, JsonResponse, read_object
from secretsync_octopus_deploy.sandbox.oidc import (
    OidcSettings,
    SubjectToken,
    oidc_of,
)
from secretsync_octopus_deploy.sandbox.rate_limit import RateLimit, limiter_of
from secretsync_octopus_deploy.sandbox.state import faults_of, log_of, world_of
from secretsync_octopus_deploy.sandbox.variable_set import VariableSet

MAX_PROJECTS = 10_000

Order = TypeVar("Order", bound=BaseModel)


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
    """Return the routes; they need the API key with full access."""
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
        Route("/sandbox/rate-limit", _limit_rate, methods=["PUT"]),
        Route("/sandbox/settings", _change_settings, methods=["PUT"]),
        Route("/sandbox/projects", _add_projects, methods=["POST"]),
        Route("/sandbox/oidc", _change_oidc, methods=["PUT"]),
        Route("/sandbox/oidc/subject-tokens", _accept_subject_token, methods=["POST"]),
        Route("/sandbox/oidc/subject-tokens", _forget_subject_tokens, methods=["DELETE"]),
        Route("/sandbox/oidc/access-tokens", _expire_tokens, methods=["DELETE"]),
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
    rule = await _order(request, FaultRule)
    faults_of(request).add(rule)
    return JsonResponse(rule.model_dump(), status_code=201)


async def _clear_faults(request: Request) -> Response:
    """Drop all faults, and lift the rate limit."""
    faults_of(request).clear()
    limiter_of(request).set(None)
    return Response(status_code=204)


async def _limit_rate(request: Request) -> JsonResponse:
    """Put a rate limit in force in place of any other, with a full bucket."""
    policy = await _order(request, RateLimit)
    limiter_of(request).set(policy)
    return JsonResponse(policy.model_dump())


async def _change_settings(request: Request) -> JsonResponse:
    """Say what to do with scope ids that do not exist."""
    settings = await _order(request, _Settings)
    world_of(request).refuses_unknown_scope_ids = settings.refuse_unknown_scope_ids
    return JsonResponse(settings.model_dump())


async def _add_projects(request: Request) -> JsonResponse:
    """Add `count` projects called `prefix` and a number, and return them."""
    wanted = await _order(request, _NewProjects)
    world = world_of(request)
    space = world.find_space(wanted.space)
    added = [
        world.add_project(space, f"{wanted.prefix} {number:05d}")
        for number in range(1, wanted.count + 1)
    ]
    return JsonResponse(added, status_code=201)


async def _change_oidc(request: Request) -> JsonResponse:
    """Say how OpenID Connect is done; what is left out gets its default."""
    settings = await _order(request, OidcSettings)
    oidc_of(request).settings = settings
    return JsonResponse(settings.model_dump())


async def _accept_subject_token(request: Request) -> Response:
    """Accept a subject token from now on."""
    subject = await _order(request, SubjectToken)
    oidc_of(request).accept(subject)
    return Response(status_code=204)


async def _forget_subject_tokens(request: Request) -> Response:
    """Accept no subject token any more."""
    oidc_of(request).forget_subject_tokens()
    return Response(status_code=204)


async def _expire_tokens(request: Request) -> Response:
    """Let all access tokens expire."""
    oidc_of(request).expire_tokens()
    return Response(status_code=204)


def _set_of(request: Request) -> VariableSet:
    """Return the variable set that the path names, whatever its space."""
    world = world_of(request)
    set_id = request.path_params["set_id"]
    if set_id not in world.sets:
        raise not_found(set_id)
    return world.sets[set_id]


async def _order(request: Request, model: type[Order]) -> Order:
    """Return the request's body as `model`.

    Raises:
        OctopusError: 400 if it is not one.
    """
    body = await read_object(request)
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise _refusal(error) from None


def _refusal(error: ValidationError) -> OctopusError:
    """Return the 400 that names each field in error and what is wrong, without the input."""
    problems: list[JsonObject] = [dict(problem) for problem in error.errors(include_input=False)]
    texts = [
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in problems
    ]
    return OctopusError(400, "The sandbox does not understand this.", errors=texts)
