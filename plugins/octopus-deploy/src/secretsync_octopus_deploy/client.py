"""Calls the Octopus REST API: one method for each request that the plugin makes."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from secretsync.adapter import (
    AdapterError,
    AdapterRequest,
    InvalidConfig,
    NotFound,
    SecretValue,
    Unavailable,
)
from secretsync_octopus_deploy import json_text
from secretsync_octopus_deploy.config import ApiKeyCredentials, OctopusConfig
from secretsync_octopus_deploy.errors import error_from
from secretsync_octopus_deploy.texts import printable, repeats
from secretsync_octopus_deploy.variable_set import VariableSet

MAX_SHOWN_LENGTH = 200
NOT_SHOWN = "(not shown, because it repeats the API key)"


class OctopusClient:
    """One Octopus server, as the holder of an API key sees it.

    Every method raises the errors of `secretsync.adapter`, none of which holds the key or a value.

    Args:
        request: gives the credentials, the HTTP client, the clock and the logger.
    """

    def __init__(self, request: AdapterRequest) -> None:
        credentials: ApiKeyCredentials = request.credentials
        self._base = credentials.instance_url
        self._key = credentials.api_key
        self._http = request.http
        self._clock = request.clock
        self._logger = request.logger

    @property
    def base_url(self) -> str:
        """The normalised instance URL."""
        return self._base

    def shown(self, text: object) -> str:
        """Return a text of the server as it may be shown: bounded, printable, without the key."""
        start = str(text)[:MAX_SHOWN_LENGTH]
        return NOT_SHOWN if repeats(start, [self._key]) else printable(start)

    async def get_json(self, path: str, params: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401
        """Return the parsed body of a GET.

        Args:
            path: below the instance URL, e.g. `/api/users/me`.
            params: query parameters.
        """
        text = await self._send("GET", path, params=params)
        return _parsed(text, json_text.load, path)

    async def get_root(self) -> dict[str, Any]:
        """Return `GET /api`, having made sure that it is Octopus Deploy that answers.

        Raises:
            InvalidConfig: something else answers under the instance URL.
        """
        try:
            root = json_text.load(await self._send("GET", "/api"))
        except (NotFound, ValueError):
            root = None
        if not isinstance(root, dict) or root.get("Application") != "Octopus Deploy":
            text = "must be the address of an Octopus Deploy server; something else answers there"
            raise InvalidConfig(f"{self._base} {text}.", violations={"instanceUrl": text})
        return root

    async def read_set(self, config: OctopusConfig) -> VariableSet:
        """Return the variable set of the project.

        Raises:
            NotFound: the space or the project does not exist; says which.
        """
        path = _set_path(config)
        try:
            text = await self._send("GET", path)
        except NotFound as error:
            missing = error
        else:
            parsed: VariableSet = _parsed(text, VariableSet.parse, path)
            return parsed
        raise await self._named(missing, config)

    async def write_set(
        self, config: OctopusConfig, body: str, secrets: Iterable[SecretValue]
    ) -> None:
        """Replace the variable set of the project.

        Args:
            config: names the project.
            body: the set as `VariableSet.render` gives it.
            secrets: the values in it, so that no error repeats one.
        """
        try:
            await self._send("PUT", _set_path(config), body=body, secrets=secrets)
        except NotFound as error:
            missing = error
        else:
            return
        raise await self._named(missing, config)

    async def get_project(self, config: OctopusConfig) -> dict[str, Any]:
        """Return the project that a configuration names.

        Raises:
            NotFound: the space or the project does not exist; says which.
        """
        path = f"/api/{config.space_id}/projects/{config.project_id}"
        try:
            project = await self.get_json(path)
        except NotFound as error:
            missing = error
        else:
            if isinstance(project, dict):
                return project
            raise _unreadable(path, "it is no object")
        raise await self._named(missing, config)

    async def _named(self, error: NotFound, config: OctopusConfig) -> NotFound:
        """Return the error for a missing project with the field that is to blame for it."""
        field, name = "projectId", f"project {config.project_id}"
        if config.space_id in error.message:
            field = "spaceId"
        elif config.project_id not in error.message:
            try:
                await self._send("GET", f"/api/spaces/{config.space_id}")
            except NotFound:
                field = "spaceId"
        if field == "spaceId":
            name = f"space {config.space_id}"
        return NotFound(
            f"There is no {name}, or it is hidden from this API key. {error.message}", field=field
        )

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: str | None = None,
        secrets: Iterable[SecretValue] = (),
    ) -> str:
        """Send a request and return the text of a successful answer."""
        headers = {"X-Octopus-ApiKey": self._key.reveal(), "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = await self._http.request(
                method,
                f"{self._base}{path}",
                params=params,
                headers=headers,
                content=None if body is None else body.encode(),
                follow_redirects=False,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failure = self._unreachable(error)
        else:
            self._logger.debug("%s %s: %d", method, path, response.status_code)
            if response.is_success:
                return _text_of(response, path)
            failure = error_from(response, now=self._clock(), secrets=[self._key, *secrets])
        # Raised out here so that the exception of httpx, whose request has the key among its
        # headers and the values in its body, is not its context.
        raise failure

    def _unreachable(self, error: Exception) -> AdapterError:
        host = urlsplit(self._base).netloc
        if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
            what = "no connection could be made in time"
        elif isinstance(error, httpx.TimeoutException):
            what = "it did not answer in time"
        elif isinstance(error, httpx.ConnectError):
            what = "no connection could be made (wrong host or port, or the server is down)"
        else:
            what = f"the connection failed ({type(error).__name__})"
        return Unavailable(
            f"Octopus at {host} cannot be reached: {what}.",
            hint="Check the instanceUrl of the connection, and whether the server is up.",
        )


def _set_path(config: OctopusConfig) -> str:
    return f"/api/{config.space_id}/projects/{config.project_id}/variables"


def _text_of(response: httpx.Response, path: str) -> str:
    try:
        return response.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unreadable(path, "it is not UTF-8 text") from None


def _parsed(text: str, parse: Callable[[str], Any], path: str) -> Any:  # noqa: ANN401
    """Parse the body of a successful answer; what is wrong with it is told, not what is in it."""
    if not text.strip():
        raise _unreadable(path, "it is empty")
    if text.lstrip().startswith("<"):
        raise _unreadable(path, "it is HTML, perhaps of a proxy in between")
    try:
        return parse(text)
    except json_text.JSON_ERROR:
        detail = "it is not valid JSON, perhaps cut off"
    except ValueError as error:
        detail = str(error)
    raise _unreadable(path, detail)


def _unreadable(path: str, detail: str) -> Unavailable:
    return Unavailable(f"Octopus's answer to GET {path} cannot be used: {detail}.")
