"""The server's settings, and the rules that they keep."""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from secretsync.logs import LEVELS

DEFAULT_LISTEN = "127.0.0.1:8470"
MAX_PORT = 65535


HttpTimeout = Annotated[float, Field(gt=0, le=3600)]


class SettingsError(Exception):
    """A setting breaks a rule; the message names it, the rule and the fix."""


def default_data_dir() -> Path:
    """Return `$XDG_DATA_HOME/secretsync`, or `~/.local/share/secretsync`."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "secretsync"


class Settings(BaseModel):
    """The settings of `secretsync serve`.

    Attributes:
        listen: HOST:PORT to serve at; port 0 means any free one. Only loopback hosts, until there
            is authentication.
        data_dir: directory of the database; made if it does not exist.
        key_file: file of the key-encryption key; default `secretsync.key` in `data_dir`. Made at
            the first start. Keep a copy elsewhere: without it nothing can be decrypted.
        log_level: debug, info, warning or error.
        max_runs: runs at a time in all, 1 to 1000.
        max_runs_per_connection: runs at a time for one connection, 1 to 1000.
        change_interval: seconds at least between the beginnings of two runs of one sync that follow
            from changes, 0 to 3600.
        shutdown_grace: seconds that calls and runs under way may take after SIGTERM, 0 to 3600.
        retry_attempts: attempts of a run in all, 1 to 100.
        retry_base: seconds before the second attempt at most; doubles with each further one.
        retry_ceiling: seconds between attempts at most, unless the destination asks for more.
        retry_later: seconds until a sync is run again by itself after a run gave up, at most;
            doubles each time. 0 to 86400; 0: it is not.
        retry_later_ceiling: the longest that gets, in seconds.
        attempt_timeout: seconds that one attempt of a run may take.
        run_history_days: days for which an ended run is kept, 1 to 3650.
        run_history_count: runs of one sync that are kept, 1 to 100000.
        max_watchers: streams of changes at a time, 1 to 10000.
        watch_keep_alive: seconds after which a stream that has nothing to tell says so, at most
            3600.
        call_timeout: seconds that a call to a destination outside of runs may take.
        http_connect_timeout: seconds that a connection to a destination may take to be made.
        http_read_timeout: seconds for which a destination may send nothing while its answer is
            waited for or read.
        http_write_timeout: seconds for which a destination may take nothing of a request.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    listen: str = DEFAULT_LISTEN
    data_dir: Path = Field(default_factory=default_data_dir)
    key_file: Path | None = None
    log_level: str = "info"
    max_runs: Annotated[int, Field(ge=1, le=1000)] = 100
    max_runs_per_connection: Annotated[int, Field(ge=1, le=1000)] = 5
    change_interval: Annotated[float, Field(ge=0, le=3600)] = 1.0
    shutdown_grace: Annotated[float, Field(ge=0, le=3600)] = 10.0
    retry_attempts: Annotated[int, Field(ge=1, le=100)] = 5
    retry_base: Annotated[float, Field(gt=0, le=3600)] = 3.0
    retry_ceiling: Annotated[float, Field(gt=0, le=86400)] = 300.0
    retry_later: Annotated[float, Field(ge=0, le=86400)] = 300.0
    retry_later_ceiling: Annotated[float, Field(gt=0, le=604_800)] = 3600.0
    attempt_timeout: Annotated[float, Field(gt=0, le=86400)] = 900.0
    run_history_days: Annotated[int, Field(ge=1, le=3650)] = 90
    run_history_count: Annotated[int, Field(ge=1, le=100_000)] = 1000
    max_watchers: Annotated[int, Field(ge=1, le=10_000)] = 100
    watch_keep_alive: Annotated[float, Field(gt=0, le=3600)] = 30.0
    call_timeout: Annotated[float, Field(gt=0, le=3600)] = 120.0
    # Large sets take a destination tens of seconds and more before it begins to answer.
    http_connect_timeout: HttpTimeout = 10.0
    http_read_timeout: HttpTimeout = 300.0
    http_write_timeout: HttpTimeout = 120.0

    @field_validator("listen")
    @classmethod
    def _loopback_only(cls, value: str) -> str:
        host, separator, port = value.rpartition(":")
        if not separator or not re.fullmatch("[0-9]{1,5}", port) or int(port) > MAX_PORT:
            raise ValueError("must be HOST:PORT with a port of 0 to 65535, e.g. 127.0.0.1:8470")
        bare = host
        if ":" in host:
            if not (host.startswith("[") and host.endswith("]")):
                raise ValueError("must have an IPv6 address in brackets, e.g. [::1]:8470")
            bare = host[1:-1]
        if not _is_loopback(bare):
            raise ValueError(
                f"{host} is not a loopback address. Anyone who reaches the port could read every"
                " secret, since there is no authentication yet: use 127.0.0.1, [::1] or localhost"
            )
        return value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.lower() not in LEVELS:
            raise ValueError(f"must be one of {', '.join(LEVELS)}")
        return value.lower()

    @model_validator(mode="after")
    def _requests_fit_into_attempts(self) -> Self:
        # A default gives way to a shorter attempt without a word; what was asked for must not.
        late = [
            f"{name} ({getattr(self, name):g} s)"
            for name in ("http_connect_timeout", "http_read_timeout", "http_write_timeout")
            if name in self.model_fields_set and getattr(self, name) > self.attempt_timeout
        ]
        if late:
            raise ValueError(
                f"{' and '.join(late)} must not be longer than attempt_timeout"
                f" ({self.attempt_timeout:g} s), which would end the request before"
            )
        return self

    @property
    def key_path(self) -> Path:
        """The key file that counts."""
        return self.key_file or self.data_dir / "secretsync.key"


def make_settings(**values: object) -> Settings:
    """Return settings, checked.

    Raises:
        SettingsError: one or more break a rule; all are named.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        told = [
            ": ".join([*map(str, detail["loc"]), detail["msg"].removeprefix("Value error, ")])
            for detail in error.errors(include_url=False)
        ]
        raise SettingsError("; ".join(told)) from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
