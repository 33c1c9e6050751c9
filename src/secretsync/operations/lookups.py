"""Finds resources by name within a transaction, or says that they do not exist."""

from secretsync.domain import names
from secretsync.domain.entities import Connection, Environment, Project, SecretSync
from secretsync.domain.problems import Problem, Violations, not_found
from secretsync.store.protocol import Transaction


def parse(pattern: names.Pattern, field: str, name: str) -> tuple[str, ...]:
    """Return the variable parts of a resource name.

    Raises:
        Problem: INVALID_ARGUMENT, naming the field and the right shape.
    """
    violations = Violations()
    parts = pattern.check(field, name, violations)
    violations.raise_if_any()
    return parts


def _missing(field: str, name: str) -> Problem:
    return not_found(name, f"{field}: {name} does not exist")


def project(tx: Transaction, field: str, name: str) -> Project:
    """Return a project by resource name."""
    (slug,) = parse(names.PROJECT, field, name)
    found = tx.projects.get(slug)
    if found is None:
        raise _missing(field, name)
    return found


def environment(tx: Transaction, field: str, name: str) -> Environment:
    """Return an environment by resource name."""
    project_slug, slug = parse(names.ENVIRONMENT, field, name)
    owner = tx.projects.get(project_slug)
    found = tx.environments.get(owner.uid, slug) if owner else None
    if found is None:
        raise _missing(field, name)
    return found


def connection(tx: Transaction, field: str, name: str) -> Connection:
    """Return a connection by resource name."""
    project_slug, slug = parse(names.CONNECTION, field, name)
    owner = tx.projects.get(project_slug)
    found = tx.connections.get(owner.uid, slug) if owner else None
    if found is None:
        raise _missing(field, name)
    return found


def secret_sync(tx: Transaction, field: str, name: str) -> SecretSync:
    """Return a secret sync by resource name."""
    project_slug, slug = parse(names.SECRET_SYNC, field, name)
    owner = tx.projects.get(project_slug)
    found = tx.syncs.get(owner.uid, slug) if owner else None
    if found is None:
        raise _missing(field, name)
    return found
