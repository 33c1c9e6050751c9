"""Hands routes what the application and the gate keep for them, with its type."""

from typing import cast

from starlette.requests import Request

from secretsync_octopus_deploy.sandbox.effects import Effects
from secretsync_octopus_deploy.sandbox.faults import FaultQueue
from secretsync_octopus_deploy.sandbox.keys import Access
from secretsync_octopus_deploy.sandbox.request_log import RequestLog
from secretsync_octopus_deploy.sandbox.world import Space, World


def world_of(request: Request) -> World:
    """Return the server's state."""
    return cast("World", request.app.state.world)


def space_of(request: Request) -> Space:
    """Return the space that the path names, the default space if it names none."""
    return world_of(request).find_space(request.path_params.get("space"))


def faults_of(request: Request) -> FaultQueue:
    """Return the faults in force."""
    return cast("FaultQueue", request.app.state.faults)


def log_of(request: Request) -> RequestLog:
    """Return the log of requests."""
    return cast("RequestLog", request.app.state.log)


def access_of(request: Request) -> Access:
    """Return what the request's key allows."""
    return cast("Access", request.state.access)


def effects_on(request: Request) -> Effects:
    """Return what befalls the request."""
    return cast("Effects", request.state.effects)
