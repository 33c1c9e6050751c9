"""What a connection says about Octopus Deploy: its address, and how to authenticate there."""

import re
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from secretsync.adapter import AdapterModel, SecretValue
from secretsync_octopus_deploy.instance_url import is_loopback, normalized, split_url

MAX_URL_LENGTH = 255
MAX_PATH_LENGTH = 1000

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


class InstanceCredentials(AdapterModel):
    """What every method has in common.

    Attributes:
        allow_insecure_http: permits plain http to hosts other than this one. The credentials and
            all secrets then cross the network in clear text.
        instance_url: the server's address, with a base path if it has one; a trailing slash or
            `/api` is removed.
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

    @field_validator("instance_url")
    @classmethod
    def _check_instance_url(cls, url: str, info: ValidationInfo) -> str:
        parts = split_url(url)
        is_exposed = parts.scheme == "http" and not is_loopback(parts.hostname or "")
        # The flag is missing from `data` if its own value was invalid.
        if is_exposed and not info.data.get("allow_insecure_http", False):
            raise ValueError(
                "use https: over http the credentials and all secrets travel unencrypted"
                " (allowInsecureHttp: true permits it all the same)"
            )
        return normalized(parts)


class ApiKeyCredentials(InstanceCredentials):
    """Credentials of the method `api-key`.

    Attributes:
        api_key: the API key of a service account.
    """

    api_key: SecretValue = Field(description="API key of a service account: API-...")

    @field_validator("api_key")
    @classmethod
    def _check_api_key(cls, key: SecretValue) -> SecretValue:
        if not re.fullmatch(r"API-[A-Z0-9]+", key.reveal(), re.ASCII):
            raise ValueError('must be "API-" followed by capital letters and digits')
        return key


def _check_path(path: str | None) -> str | None:
    if path is None:
        return None
    if not path.isprintable():
        raise ValueError("must have no control characters")
    segments = path.split("/")
    if not PurePosixPath(path).is_absolute() or not segments[-1] or {".", ".."} & set(segments):
        raise ValueError(
            "must be the absolute path of a file of the secretsync server, without . and .."
        )
    return path


AbsolutePath = Annotated[str | None, Field(max_length=MAX_PATH_LENGTH), AfterValidator(_check_path)]


class OidcCredentials(InstanceCredentials):
    """Credentials of the method `oidc`: an identity token, exchanged for an access token.

    Just one of `token_file` and `token_command` says where the identity token comes from. Both
    are places of the machine that the server runs on. They and the instance count only if its
    operator allows them; see `token_source`.

    Attributes:
        service_account_id: the id of the service account, a GUID, which is the exchange's audience.
        token_file: absolute path of a file that holds the token.
        token_command: absolute path of a program that prints the token; it gets no arguments.
    """

    service_account_id: str = Field(
        description="Id of the service account, as Octopus shows it at its OpenID Connect section."
    )
    token_file: AbsolutePath = Field(
        default=None,
        description="File on the secretsync server with the identity token (or tokenCommand).",
    )
    token_command: AbsolutePath = Field(
        default=None,
        description="Program on the secretsync server that prints the token (or tokenFile).",
        validate_default=True,
    )

    @field_validator("service_account_id")
    @classmethod
    def _check_service_account_id(cls, value: str) -> str:
        if not _GUID.fullmatch(value):
            raise ValueError(
                "must be a GUID, such as c1d2e3f4-0a1b-2c3d-4e5f-60718293a4b5:"
                " Octopus shows it in the OpenID Connect section of the service account"
            )
        return value

    @field_validator("token_command")
    @classmethod
    def _check_one_source(cls, command: str | None, info: ValidationInfo) -> str | None:
        # The file is missing from `data` if its own value was invalid: that is told already.
        if "token_file" not in info.data:
            return command
        if (command is None) == (info.data["token_file"] is None):
            raise ValueError("give either tokenFile or tokenCommand, and not both")
        return command
