"""Runs a sandbox as a process of its own, for tests and demonstrations."""

import contextlib
import os
import re
import secrets
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import httpx

from secretsync_octopus_deploy.sandbox.keys import KEY_HEADER
from secretsync_octopus_deploy.sandbox.main import (
    EXPIRED_KEY_VARIABLE,
    KEY_VARIABLE,
    READ_ONLY_KEY_VARIABLE,
)
from secretsync_octopus_deploy.sandbox.oidc import SERVICE_ACCOUNT_ID

READY_SECONDS = 30.0
STOP_SECONDS = 5.0
_READY = re.compile(r"Octopus sandbox listening on (http://\S+)\n")


class SandboxError(Exception):
    """The sandbox did not start, or did not understand what it was told."""


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request that the sandbox has seen; `status` is None if it was not answered.

    `answered` is when its answer had ended, in seconds since 1970. It is not compared.
    """

    method: str
    path: str
    query: str
    status: int | None
    answered: float | None = field(default=None, compare=False)


class Sandbox:
    """A running sandbox.

    Attributes:
        base_url: For example `http://127.0.0.1:40123`.
        api_key: A key with full access.
        read_only_api_key: A key that may not change anything.
        expired_api_key: A key that is not valid any more.
        service_account_id: The audience of its token exchange.
        process: The process.
    """

    service_account_id = SERVICE_ACCOUNT_ID

    def __init__(
        self, base_url: str, keys: Sequence[str], process: subprocess.Popen[bytes]
    ) -> None:
        self.base_url = base_url
        self.api_key, self.read_only_api_key, self.expired_api_key = keys
        self.process = process
        self._client = httpx.Client(
            base_url=base_url, headers={KEY_HEADER: self.api_key}, timeout=60, trust_env=False
        )

    def close(self) -> None:
        """Close the connections of this object; the process goes on."""
        self._client.close()

    def inspect(self, set_id: str) -> dict[str, Any]:
        """Return a variable set with the stored values of its sensitive variables."""
        found: dict[str, Any] = self._call("GET", f"/sandbox/variablesets/{set_id}").json()
        return found

    def variables(self, set_id: str) -> dict[str, Any]:
        """Return a variable set of the default space as a user sees it."""
        found: dict[str, Any] = self._call("GET", f"/api/Spaces-1/variables/{set_id}").json()
        return found

    def put_variables(
        self, set_id: str, rows: Sequence[Mapping[str, Any]], *, version: int | None = None
    ) -> dict[str, Any]:
        """Replace the variables of a set of the default space, as a user would.

        Args:
            set_id: For example `variableset-Projects-1`.
            rows: All rows that the set shall have.
            version: The version that the edit began with; None takes the current one.

        Returns:
            The set as the server answers it, without `ScopeValues`.

        Raises:
            SandboxError: The server refused.
        """
        if version is None:
            version = self.inspect(set_id)["Version"]
        body = {"Id": set_id, "Version": version, "Variables": list(rows)}
        answer = self._call("PUT", f"/api/Spaces-1/variables/{set_id}", body)
        put: dict[str, Any] = answer.json()
        return put

    def requests(self) -> list[LoggedRequest]:
        """Return the requests to the Octopus API since the start or the last clearing.

        The calls of `variables` and `put_variables` are among them.
        """
        return [LoggedRequest(**entry) for entry in self._call("GET", "/sandbox/requests").json()]

    def clear_requests(self) -> None:
        """Forget the requests so far."""
        self._call("DELETE", "/sandbox/requests")

    def fault(
        self,
        kind: str,
        *,
        method: str | None = None,
        path: str = "",
        skip: int = 0,
        times: int | None = 1,
        **fields: object,
    ) -> None:
        """Let requests go wrong; `sandbox/faults.py` lists the kinds and their fields.

        Args:
            kind: For example `status`, `rate_limit` or `cut_connection`.
            method: The HTTP method; None means any.
            path: A regular expression that is searched for in the request's path.
            skip: How many matching requests pass unharmed first.
            times: How many it befalls then; None means all.
            fields: The fault's own fields.
        """
        rule = {
            "method": method,
            "path": path,
            "skip": skip,
            "times": times,
            "fault": {"kind": kind, **fields},
        }
        self._call("POST", "/sandbox/faults", rule)

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults that still wait for requests."""
        waiting: list[dict[str, Any]] = self._call("GET", "/sandbox/faults").json()
        return waiting

    def limit_rate(self, limit: int, per: float, *, retry_after: bool = True) -> None:
        """Limit the requests of all keys and access tokens together, until the faults are cleared.

        Args:
            limit: How many requests may come at once.
            per: The seconds in which the limit is there again in full, refilled continuously.
            retry_after: Whether a 429 says how long to wait.
        """
        body = {"limit": limit, "per": float(per), "retry_after": retry_after}
        self._call("PUT", "/sandbox/rate-limit", body)

    def clear_faults(self) -> None:
        """Drop all faults, and lift the rate limit."""
        self._call("DELETE", "/sandbox/faults")

    def freeze(self, set_id: str) -> None:
        """Make a variable set refuse every PUT."""
        self._call("POST", f"/sandbox/variablesets/{set_id}/freeze")

    def thaw(self, set_id: str) -> None:
        """Make a variable set accept PUTs again."""
        self._call("DELETE", f"/sandbox/variablesets/{set_id}/freeze")

    def refuse_unknown_scope_ids(self, *, refuse: bool = True) -> None:
        """Say whether a PUT with scope ids that do not exist gets a 400."""
        self._call("PUT", "/sandbox/settings", {"refuse_unknown_scope_ids": refuse})

    def accept_subject_token(self, token: str, *, expires_in: int = 3600) -> None:
        """Exchange this token for access tokens from now on.

        Args:
            token: What an identity provider would have issued; it is compared, not verified.
            expires_in: The seconds for which an access token is valid, 1 to 86,400.
        """
        body = {"token": token, "expires_in": expires_in}
        self._call("POST", "/sandbox/oidc/subject-tokens", body)

    def forget_subject_tokens(self) -> None:
        """Exchange no token any more. Access tokens stay valid."""
        self._call("DELETE", "/sandbox/oidc/subject-tokens")

    def expire_tokens(self) -> None:
        """Let all access tokens expire now."""
        self._call("DELETE", "/sandbox/oidc/access-tokens")

    def configure_oidc(self, **settings: object) -> None:
        """Say how OpenID Connect is done; without arguments as at the start.

        Args:
            settings: Fields of `OidcSettings`: `enabled`, `octopus_errors`, `expires_in_as_text`
                and `endpoint_path`.
        """
        self._call("PUT", "/sandbox/oidc", settings)

    def add_projects(self, count: int, *, prefix: str = "Load") -> list[dict[str, Any]]:
        """Add projects to the default space and return them."""
        body = {"count": count, "prefix": prefix}
        added: list[dict[str, Any]] = self._call("POST", "/sandbox/projects", body).json()
        return added

    def _call(self, method: str, path: str, body: object = None) -> httpx.Response:
        """Send a request and return its answer.

        Raises:
            SandboxError: The answer is an error; the message holds its text.
        """
        answer = self._client.request(method, path, json=body)
        if answer.is_error:
            raise SandboxError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer


@contextlib.contextmanager
def start_sandbox(*, seed: str = "default") -> Iterator[Sandbox]:
    """Run a sandbox on a free loopback port for the length of a `with` block.

    Its keys are random and travel in environment variables, not in arguments.

    Args:
        seed: What it holds at first: `default` or `empty`.

    Raises:
        SandboxError: It was not ready within `READY_SECONDS`.
    """
    keys = [f"API-{secrets.token_hex(12).upper()}" for _ in range(3)]
    variables = (KEY_VARIABLE, READ_ONLY_KEY_VARIABLE, EXPIRED_KEY_VARIABLE)
    command = [sys.executable, "-m", "secretsync_octopus_deploy.sandbox.main", "--seed", seed]
    with tempfile.TemporaryFile() as stderr, _pipe() as (reader, writer):
        process = subprocess.Popen(  # noqa: S603 # our own module
            command,
            env={**os.environ, **dict(zip(variables, keys, strict=True))},
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=stderr,
        )
        # Ours must go, or the end of the process would not end what is read.
        writer.close()
        try:
            sandbox = Sandbox(_wait_until_ready(reader, stderr), keys, process)
            with contextlib.closing(sandbox):
                yield sandbox
        finally:
            _stop(process)


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Open a pipe, unbuffered, for the length of a `with` block."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", 0) as reader, os.fdopen(write_end, "wb", 0) as writer:
        yield reader, writer


def _wait_until_ready(stdout: IO[bytes], stderr: IO[bytes]) -> str:
    """Return the base URL from the process's ready line."""
    deadline = time.monotonic() + READY_SECONDS
    output = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while not output.endswith(b"\n"):
            left = deadline - time.monotonic()
            piece = b""
            if left > 0 and selector.select(left):
                piece = stdout.read(4096)
            if not piece:
                break
            output += piece
    ready = _READY.fullmatch(output.decode(errors="replace"))
    if ready is None:
        stderr.seek(0)
        reason = stderr.read().decode(errors="replace").strip()
        raise SandboxError(f"the sandbox did not start: {reason or 'no ready line'}")
    return ready[1]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process, by force if it does not go."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
