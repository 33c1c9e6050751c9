"""Opens what the store holds encrypted: credentials and secret values."""

import json
from dataclasses import replace
from typing import Any

from secretsync.adapter import AdapterModel, SecretValue
from secretsync.crypto import DecryptionError, Vault
from secretsync.domain.entities import Connection, Secret
from secretsync.domain.former_places import FormerPlace
from secretsync.domain.problems import Code, Problem, Reason, Violations
from secretsync.domain.sealing import credentials_context, place_context, secret_context
from secretsync.registry import Registry
from secretsync.store.protocol import Transaction


def credentials_text(credentials: dict[str, Any]) -> SecretValue:
    """Return credentials as canonical JSON: what is encrypted, and what the hash is made of."""
    return SecretValue(json.dumps(credentials, sort_keys=True, ensure_ascii=False))


def open_credentials(
    registry: Registry, connection: Connection, opened: SecretValue
) -> AdapterModel:
    """Return the plugin's model of decrypted credentials.

    Raises:
        Problem: the installed version of the plugin does not accept them.
    """
    violations = Violations()
    model = registry.parse_credentials(
        connection.destination,
        connection.method,
        json.loads(opened.reveal()),
        "credentials",
        violations,
    )
    violations.raise_if_any()
    if model is None:
        raise Problem(Code.INTERNAL, Reason.INTERNAL, "credentials without model and violation")
    return model


def stored_credentials(
    registry: Registry, vault: Vault, tx: Transaction, connection: Connection
) -> AdapterModel:
    """Return a connection's credentials, decrypted, as the plugin's model.

    Raises:
        Problem: FAILED_PRECONDITION (AUTHENTICATION_FAILED), if they cannot be decrypted; and see
            `open_credentials`.
    """
    try:
        opened = vault.open(
            tx,
            connection.project_uid,
            credentials_context(connection),
            connection.sealed_credentials,
        )
    except DecryptionError as error:
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.AUTHENTICATION_FAILED,
            f"the credentials of {connection.name} cannot be decrypted: set them again",
        ) from error
    return open_credentials(registry, connection, opened)


def place_credentials(
    registry: Registry, vault: Vault, tx: Transaction, place: FormerPlace, connection: Connection
) -> AdapterModel:
    """Return the credentials that lead to a former place.

    They are its connection's, unless those lead elsewhere now; then it has those of before.

    Raises:
        Problem: FAILED_PRECONDITION (AUTHENTICATION_FAILED), if there are none any more; and see
            `open_credentials`.
    """
    if not place.sealed_credentials and connection.instance == place.instance:
        return stored_credentials(registry, vault, tx, connection)
    try:
        opened = vault.open(tx, place.project_uid, place_context(place), place.sealed_credentials)
    except DecryptionError as error:
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.AUTHENTICATION_FAILED,
            f"{connection.name} leads elsewhere now, and the credentials that led to"
            f" {place.instance} could not be kept: lead it back, or forget the former place",
        ) from error
    return open_credentials(registry, replace(connection, method=place.method), opened)


def open_secret(vault: Vault, tx: Transaction, project_uid: str, secret: Secret) -> SecretValue:
    """Return a secret's value.

    Raises:
        Problem: FAILED_PRECONDITION (SOURCE_UNRESOLVED), if it cannot be decrypted.
    """
    try:
        return vault.open(tx, project_uid, secret_context(secret), secret.sealed_value)
    except DecryptionError as error:
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.SOURCE_UNRESOLVED,
            f"the secret {secret.key!r} in {secret.path} cannot be decrypted: set it again."
            " Nothing was changed",
        ) from error
