"""Calls the Octopus REST API: one method for each request that the plugin makes."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from secretsync.adapter import (
    AdapterError,
    AdapterRequest,
    AuthenticationFailed,
    Conflict,
    InvalidConfig,
    NotFound,
    PermissionDenied,
    SecretValue,
    Unavailable,
)
from secretsync_octopus_deploy import json_text
from secretsync_octopus_deploy.authentication import authentication_of
from secretsync_octopus_deploy.config import OctopusConfig
from secretsync_octopus_deploy.errors import error_from
from secretsync_octopus_deploy.http_calls import call
from secretsync_octopus_deploy.permissions import needed_permissions
from secretsync_octopus_deploy.texts import printable, repeats
from secretsync_octopus_deploy.variable_set import VariableSet

MAX_SHOWN_LENGTH = 200
NOT_SHOWN = "(not shown, because it repeats a credential)"


class UncertainWriteError(Exception):
    """A write was answered with an error that does not say that it has not taken place.

    Attributes:
        failure: what the answer came to.
    """

    def __init__(self, failure: AdapterError) -> None:
        super().__init__()
        self.failure = failure


class OctopusClient:
    """One Octopus server, as the holder of the credentials sees it.

    Every method raises the errors of `secretsync.adapter`, none of which holds a credential or a
    value.

    Args:
        request: gives the credentials, the HTTP client, the clock and the logger.
    """

    def __init__(self, request: AdapterRequest) -> None:
        self._base: str = request.credentials.instance_url
        self._request = request
        self._authentication = authentication_of(request)
        self._sent: list[SecretValue] = []
        self._was_renewed = False

    @property
    def base_url(self) -> str:
        """The normalised instance URL."""
        return self._base

    def shown(self, text: object) -> str:
        """Return a text of the server as it may be shown: bounded, printable, no credential."""
        start = str(text)[:MAX_SHOWN_LENGTH]
        return NOT_SHOWN if repeats(start, self._withheld()) else printable(start)

    async def get_json(self, path: str, params: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401
        """Return the parsed body of a GET.

        Args:
            path: below the instance URL, e.g. `/api/users/me`.
            params: query parameters.
        """
        text = await self._send("GET", path, params=params)
        return await asyncio.to_thread(_parsed, text, json_text.load, path)

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
        """Return the variable set of the project or library variable set.

        Raises:
            NotFound: the space or the owner of the variables does not exist; says which.
        """
        path = _set_path(config)
        parsed: VariableSet = await asyncio.to_thread(
            _parsed, await self._send_for(config, "GET", path), VariableSet.parse, path
        )
        return parsed

    async def write_set(
        self, config: OctopusConfig, body: str, secrets: Iterable[SecretValue]
    ) -> None:
        """Replace the variable set of the project or library variable set.

        Args:
            config: names the owner of the variables.
            body: the set as `VariableSet.render` gives it.
            secrets: the values in it, so that no error repeats one, now or later.

        Raises:
            UncertainWriteError: the server failed, and may have written the set before.
            Conflict: the access token was not accepted; there is another one now.
            Unavailable: there was no answer.
        """
        self._sent.extend(secrets)
        await self._send_for(config, "PUT", _set_path(config), body=body)

    async def read_git_set(self, config: OctopusConfig, branch: str) -> VariableSet:
        """Return the variables that a project keeps in Git: all but the sensitive ones.

        Args:
            config: names the project.
            branch: e.g. `main` or `refs/heads/main`.
        """
        branch_path = f"{_owner_path(config)}/{quote(branch, safe='')}/variables"
        text = await self._send("GET", branch_path)
        parsed: VariableSet = await asyncio.to_thread(_parsed, text, VariableSet.parse, branch_path)
        return parsed

    async def get_owner(self, config: OctopusConfig) -> dict[str, Any]:
        """Return the project or library variable set that a configuration names.

        Raises:
            NotFound: the space or the owner of the variables does not exist; says which.
        """
        path = _owner_path(config)
        owner = _parsed(await self._send_for(config, "GET", path), json_text.load, path)
        if not isinstance(owner, dict):
            raise _unreadable(path, "it is no object")
        return owner

    async def prepare(self) -> None:
        """Get ready to send at once: with OpenID Connect, a new access token may have to be got."""
        await self._authentication.headers()

    async def _send_for(
        self,
        config: OctopusConfig,
        method: str,
        path: str,
        *,
        body: str | None = None,
    ) -> str:
        """Send a request about what a configuration names, and let errors speak of that."""
        try:
            return await self._send(method, path, body=body)
        except (NotFound, PermissionDenied) as error:
            refusal: AdapterError = error
        if isinstance(refusal, NotFound):
            refusal = await self._named(refusal, config)
        elif config.is_library:
            needed = " and ".join(needed_permissions(config))
            hint = f"Give the connection's user {needed} in {config.space_id}."
            refusal = PermissionDenied(refusal.message, hint=hint)
        raise refusal

    async def _named(self, error: NotFound, config: OctopusConfig) -> NotFound:
        """Return the error for what is missing, with the field that is to blame for it."""
        field, name = config.owner_field, f"{config.owner_kind} {config.owner_id}"
        if _names(error.message, config.space_id):
            field = "spaceId"
        elif not _names(error.message, config.owner_id):
            try:
                await self._send("GET", f"/api/spaces/{config.space_id}")
            except NotFound:
                field = "spaceId"
            except AdapterError:
                # Then it stays untold which of the two it is; that one is missing is what counts.
                name = f"{name} in {config.space_id}"
        if field == "spaceId":
            name = f"space {config.space_id}"
        return NotFound(
            f"There is no {name}, or it is hidden from the connection's user. {error.message}",
            field=field,
        )

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> str:
        """Send a request and return the text of a successful answer.

        One that was not accepted for its access token was certainly not executed: it is sent once
        more with another token.
        """
        response = await self._call(method, path, params, body)
        failure = await self._failure(response)
        if isinstance(failure, AuthenticationFailed) and not self._was_renewed:
            self._was_renewed = self._authentication.renews()
            if self._was_renewed and method == "PUT":
                # The exchange takes its time, and a write must follow its announcement at once.
                raise Conflict("The access token was not accepted; there is another one now.")
            if self._was_renewed:
                response = await self._call(method, path, params, body)
                failure = await self._failure(response)
        if isinstance(failure, AuthenticationFailed):
            raise self._authentication.explained(failure)
        if failure is not None and method == "PUT" and _may_have_written(response.status_code):
            raise UncertainWriteError(failure)
        if failure is not None:
            raise failure
        return _text_of(response, path)

    async def _call(
        self, method: str, path: str, params: Mapping[str, str] | None, body: str | None
    ) -> httpx.Response:
        headers = await self._authentication.headers()
        url = f"{self._base}{path}"
        return await call(self._request, method, url, headers=headers, params=params, body=body)

    async def _failure(self, response: httpx.Response) -> AdapterError | None:
        if response.is_success:
            return None
        # The message is compared with each value: thousands of long ones take seconds.
        return await asyncio.to_thread(
            error_from, response, now=self._request.clock(), secrets=self._withheld()
        )

    def _withheld(self) -> list[SecretValue]:
        """Return what no text may repeat: all that was ever sent."""
        return [*self._authentication.secrets(), *self._sent]


def _may_have_written(status: int) -> bool:
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT


def _names(text: str, one: str) -> bool:
    """Tell whether a text has an id, and not as a part of a longer one."""
    return re.search(rf"(?<![\w-]){re.escape(one)}(?![\w-])", text) is not None


def _owner_path(config: OctopusConfig) -> str:
    collection = "libraryvariablesets" if config.is_library else "projects"
    return f"/api/{config.space_id}/{collection}/{config.owner_id}"


def _set_path(config: OctopusConfig) -> str:
    # A library variable set has no path of its own for its variables.
    if config.is_library:
        return f"/api/{config.space_id}/variables/{config.variable_set_id}"
    return f"{_owner_path(config)}/variables"


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
    return Unavailable(f"Octopus's answer for {path} cannot be used: {detail}.")
