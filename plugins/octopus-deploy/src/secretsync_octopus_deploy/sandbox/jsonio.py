"""Reads request bodies and writes answers as JSON, the way an Octopus server does."""

import json
from typing import Any, NoReturn

from starlette.requests import Request
from starlette.responses import Response

from secretsync_octopus_deploy.sandbox.errors import bad_request

JsonObject = dict[str, Any]


class JsonResponse(Response):
    """A JSON answer, `application/json; charset=utf-8`."""

    media_type = "application/json; charset=utf-8"

    def render(self, content: object) -> bytes:
        """Encode `content` as UTF-8 JSON.

        A lone surrogate, which JSON can smuggle in as an escape, has no UTF-8 form and becomes `?`.
        """
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", errors="replace")


async def read_object(request: Request) -> JsonObject:
    """Return the request's body as a JSON object.

    Raises:
        OctopusError: 400 if the body is not JSON or not an object. The message never quotes it,
            because a body may hold secrets.
    """
    raw = await request.body()
    try:
        body = json.loads(raw, parse_constant=_refuse_constant)
    except ValueError:
        raise bad_request("The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise bad_request("The request body must be a JSON object.")
    return body


def _refuse_constant(_name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError
