"""Puts the sandbox together as one ASGI application."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from secretsync_octopus_deploy.sandbox.control import control_routes
from secretsync_octopus_deploy.sandbox.effects import error_response
from secretsync_octopus_deploy.sandbox.errors import OctopusError, not_found
from secretsync_octopus_deploy.sandbox.faults import FaultQueue
from secretsync_octopus_deploy.sandbox.gate import Gate
from secretsync_octopus_deploy.sandbox.keys import ApiKeys
from secretsync_octopus_deploy.sandbox.oidc import oidc_routes
from secretsync_octopus_deploy.sandbox.request_log import RequestLog
from secretsync_octopus_deploy.sandbox.routes import octopus_routes
from secretsync_octopus_deploy.sandbox.seed import build_world


def create_app(keys: ApiKeys, *, seed: str = "default") -> Starlette:
    """Return a sandbox with a state of its own.

    Args:
        keys: The API keys that it accepts.
        seed: What it holds at first: `default` or `empty`.
    """
    faults, log = FaultQueue(), RequestLog()
    app = Starlette(
        routes=[*octopus_routes(), *oidc_routes(), *control_routes()],
        middleware=[Middleware(Gate, keys=keys, faults=faults, log=log)],
        exception_handlers={404: _no_route, 405: _no_method},
    )
    # "/x" and "/x/" are different resources to Octopus; a redirect would hide a wrong link.
    app.router.redirect_slashes = False
    app.state.world = build_world(seed)
    app.state.faults = faults
    app.state.log = log
    return app


async def _no_route(request: Request, _error: Exception) -> Response:
    """Answer a path that there is no route for."""
    return error_response(not_found(request.url.path))


async def _no_method(request: Request, error: Exception) -> Response:
    """Answer a method that the path's route does not have, and say which it has."""
    answer = error_response(OctopusError(405, f"{request.method} is not supported here."))
    answer.headers.update(getattr(error, "headers", None) or {})
    return answer
