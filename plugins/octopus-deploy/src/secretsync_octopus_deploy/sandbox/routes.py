"""Octopus's routes below `/api`: root documents, users, spaces, and what spaces hold."""

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.routing import Route

from secretsync_octopus_deploy.sandbox import root, user_routes
from secretsync_octopus_deploy.sandbox.collection_routes import collection_routes
from secretsync_octopus_deploy.sandbox.space_routes import space_routes
from secretsync_octopus_deploy.sandbox.variable_routes import variable_routes


class _SpaceIdConvertor(StringConvertor):
    """Matches a space id in a path, so that `/api/Spaces-1/x` and `/api/x/y` stay apart."""

    regex = r"Spaces-\d+"


register_url_convertor("octopus_space_id", _SpaceIdConvertor())


def octopus_routes() -> list[Route]:
    """Return the routes, space-scoped in both forms and for the default space without any."""
    routes = [
        Route("/api", root.server_root),
        Route("/api/", root.server_root),
        *user_routes.user_routes(),
        *space_routes(),
        Route("/api/{space:octopus_space_id}", root.space_root),
    ]
    for prefix in ("/api/{space:octopus_space_id}", "/api/spaces/{space}", "/api"):
        routes += [
            Route(f"{prefix}/users/{{id}}/permissions", user_routes.permissions),
            *variable_routes(prefix),
            *collection_routes(prefix),
        ]
    return routes
