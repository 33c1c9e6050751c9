"""What a connection and a sync say about Octopus Deploy."""

import ipaddress
import re
from collections import Counter
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from secretsync.adapter import AdapterModel, SecretValue
from secretsync_octopus_deploy.rows import Scope, canonical_scope

MAX_URL_LENGTH = 255
MAX_SCOPE_ID_LENGTH = 200
MAX_SCOPE_IDS = 100

SCOPE_KINDS = {
    "environments": ("Environment", "Environments"),
    "roles": ("Role", "Roles"),
    "machines": ("Machine", "Machines"),
    "processes": ("ProcessOwner", "Processes"),
    "actions": ("Action", "Actions"),
    "channels": ("Channel", "Channels"),
}
"""Per field of `ScopeValues`: the key in a variable's scope, the list of choices in its set."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


class ApiKeyCredentials(AdapterModel):
    """Credentials of the method `api-key`.

    Attributes:
        allow_insecure_http: permits plain http to hosts other than this one. The API key and all
            secrets then cross the network in clear text.
        instance_url: the server's address, with a base path if it has one; a trailing slash or
            `/api` is removed.
        api_key: the API key of a service account.
    """

    # Stands first because the rules for the address depend on it.
    allow_insecure_http: bool = Field(
        default=False,
        description="Allow http:// to hosts other than loopback. Secrets travel unencrypted.",
    )
    instance_url: str = Field(
        description="Address of the Octopus server, e.g. https://octopus.example.com",
        max_length=MAX_URL_LENGTH,
    )
    api_key: SecretValue = Field(description="API key of a service account: API-...")

    @field_validator("instance_url")
    @classmethod
    def _check_instance_url(cls, url: str, info: ValidationInfo) -> str:
        parts = _split_url(url)
        is_exposed = parts.scheme == "http" and not _is_loopback(parts.hostname or "")
        # The flag is missing from `data` if its own value was invalid.
        if is_exposed and not info.data.get("allow_insecure_http", False):
            raise ValueError(
                "use https: over http the API key and all secrets travel unencrypted"
                " (allowInsecureHttp: true permits it all the same)"
            )
        return _normalized(parts)

    @field_validator("api_key")
    @classmethod
    def _check_api_key(cls, key: SecretValue) -> SecretValue:
        if not re.fullmatch(r"API-[A-Z0-9]+", key.reveal(), re.ASCII):
            raise ValueError('must be "API-" followed by capital letters and digits')
        return key


def _check_scope_id(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    if value != value.strip() or not value.isprintable():
        raise ValueError("must have no spaces around it and no control characters")
    return value


def _check_distinct(values: list[str]) -> list[str]:
    repeated = sorted(value for value, count in Counter(values).items() if count > 1)
    if repeated:
        raise ValueError(f"lists {', '.join(repeated)} more than once")
    return values


ScopeIds = Annotated[
    list[Annotated[str, Field(max_length=MAX_SCOPE_ID_LENGTH), AfterValidator(_check_scope_id)]],
    AfterValidator(_check_distinct),
    Field(max_length=MAX_SCOPE_IDS, json_schema_extra={"uniqueItems": True}),
]


class ScopeValues(AdapterModel):
    """What the variables of a sync are scoped to; empty lists restrict nothing.

    Attributes:
        environments: environment ids, e.g. `Environments-1`.
        roles: target tags (formerly: roles).
        machines: deployment target ids, e.g. `Machines-1`.
        processes: the project's id for its deployment process, or ids of runbooks.
        actions: ids of deployment steps.
        channels: channel ids, e.g. `Channels-1`.
    """

    environments: ScopeIds = Field(default_factory=list)
    roles: ScopeIds = Field(default_factory=list)
    machines: ScopeIds = Field(default_factory=list)
    processes: ScopeIds = Field(default_factory=list)
    actions: ScopeIds = Field(default_factory=list)
    channels: ScopeIds = Field(default_factory=list)

    def as_scope(self) -> Scope:
        """Return the scope that every variable of the sync has."""
        return canonical_scope(
            {key: getattr(self, field) for field, (key, _) in SCOPE_KINDS.items()}
        )


def _numbered_id(prefix: str) -> AfterValidator:
    # Ids stand in URL paths, and a slug or another spelling would name one set in two ways.
    def check(value: str) -> str:
        if not re.fullmatch(rf"{prefix}-[0-9]{{1,18}}", value, re.ASCII):
            raise ValueError(f'must be an id such as "{prefix}-1", not a name or slug')
        return value

    return AfterValidator(check)


class OctopusConfig(AdapterModel):
    """A sync's place in Octopus Deploy.

    Attributes:
        space_id: the space's id, e.g. `Spaces-1`.
        scope: what owns the variables; `project` is the only choice.
        project_id: the project's id, e.g. `Projects-1`.
        scope_values: what the variables are scoped to; nothing by default.
        octostache: what to do with `#{` in values. `escape` (default) writes them so that a
            deployment sees the value exactly as the source has it; `passthrough` lets Octopus
            evaluate them.
    """

    space_id: Annotated[str, _numbered_id("Spaces")] = Field(description="Space id: Spaces-1")
    scope: Literal["project"] = Field(
        default="project", description="What owns the variables: a project."
    )
    project_id: Annotated[str, _numbered_id("Projects")] = Field(
        description="Project id: Projects-1"
    )
    scope_values: ScopeValues = Field(
        default_factory=ScopeValues, description="What the variables are scoped to."
    )
    octostache: Literal["escape", "passthrough"] = Field(
        default="escape",
        description="Whether #{...} in values is literal (escape) or evaluated (passthrough).",
    )


def target_key(config: OctopusConfig, instance: str) -> str:
    """Return the name of the variable set that a configuration writes to.

    Args:
        config: names the space and the project.
        instance: `ValidateResult.instance`.
    """
    return f"{instance}/{config.space_id}/variables/variableset-{config.project_id}"


def _split_url(url: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("must be an address of plain ASCII characters without spaces")
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port != 0
    except ValueError:
        raise ValueError("is not a valid address") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("must begin with https:// (or http:// for a loopback address)")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain credentials: put the API key into apiKey")
    if not parts.hostname or not port_is_valid:
        raise ValueError("must name a host, and a port from 1 to 65535 if any")
    if "?" in url or "#" in url:
        raise ValueError("must not have a query or fragment")
    _check_host(parts.hostname)
    # Such paths name one server in many ways.
    segments = parts.path.removesuffix("/").split("/")[1:]
    if any(segment in {"", ".", ".."} for segment in segments) or "%" in parts.path:
        raise ValueError("must have a plain base path, or none")
    return parts


def _check_host(host: str) -> None:
    """Refuse hosts that can be spelled in several ways, such as 127.1 for 127.0.0.1."""
    if "%" in host or host.endswith("."):
        raise ValueError("must name a host without zone, escapes and a dot at its end")
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError("is not a valid address") from None
        return
    # Resolvers take a host for an IPv4 address if its last part is a number, decimal or hex.
    if re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2], re.IGNORECASE):
        try:
            ipaddress.IPv4Address(host)
        except ValueError:
            text = "must have an IPv4 address as four decimal numbers, or a host name"
            raise ValueError(text) from None


def _normalized(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{ipaddress.IPv6Address(host).compressed}]"
    if parts.port and parts.port != _DEFAULT_PORTS[parts.scheme]:
        host = f"{host}:{parts.port}"
    path = re.sub(r"/api$", "", parts.path.rstrip("/"), flags=re.IGNORECASE).rstrip("/")
    return f"{parts.scheme}://{host}{path}"


def _is_loopback(host: str) -> bool:
    # Not x.localhost: who answers for that is up to the resolver.
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
