"""Turns a connection's decrypted credentials into the plugin's model."""

import json
from typing import Any

from secretsync.adapter import AdapterModel, SecretValue
from secretsync.domain.entities import Connection
from secretsync.domain.problems import Code, Problem, Reason, Violations
from secretsync.registry import Registry


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
