"""Connections: credentials are proved before they are kept, and never shown again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from secretsync.adapter import (
    AdapterModel,
    ValidateRequest,
    ValidateResult,
)
from secretsync.domain import names
from secretsync.domain.entities import Connection, Project, RunTrigger
from secretsync.domain.etags import check_etag
from secretsync.domain.problems import Code, Problem, Reason, Violations, already_exists, in_use
from secretsync.domain.sealing import credentials_context
from secretsync.domain.texts import listed
from secretsync.engine.clean_up import end_forbidden
from secretsync.engine.sealed import credentials_text, stored_credentials
from secretsync.operations import lookups
from secretsync.operations.app import App
from secretsync.operations.destinations import call_destination
from secretsync.operations.moving import keep_credentials, move, queue_sync
from secretsync.operations.paging import Page, PageRequest, close_page
from secretsync.registry import public_fields
from secretsync.store.protocol import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedCredentials:
    """Credentials that the destination has accepted, and the instance that they lead to."""

    destination: str
    method: str
    credentials: Mapping[str, Any]
    model: AdapterModel
    instance: str


async def prove_credentials(
    app: App,
    destination: str,
    method: str,
    credentials: Mapping[str, Any],
    violations: Violations,
    precondition: Callable[[Transaction], object],
) -> ProvedCredentials:
    """Check credentials against the plugin's model, then against the destination itself.

    Args:
        app: the parts to work with.
        destination: the destination's slug.
        method: the way to authenticate.
        credentials: the values, by their names on the wire.
        violations: what is wrong with the rest of the request; raised together with what is wrong
            here, before the destination is called.
        precondition: raises if the change cannot be made anyway; asked when the fields are right,
            before the destination is called.

    Raises:
        Problem: see `ConnectionService` in the API.
    """
    violations.check("connection.credentials", names.object_complaint(credentials))
    model = app.registry.parse_credentials(
        destination, method, credentials, "connection.credentials", violations
    )
    violations.raise_if_any()
    if model is None:
        raise Problem(Code.INTERNAL, Reason.INTERNAL, "credentials without model and violation")
    await app.read(precondition)
    proof = await _validate(app, destination, model)
    return ProvedCredentials(
        destination=destination,
        method=method,
        credentials=credentials,
        model=model,
        instance=proof.instance,
    )


async def prove_changes(
    app: App, name: str, etag: str, changes: Mapping[str, Any], violations: Violations
) -> ProvedCredentials | None:
    """Check the changes of a connection, and prove the credentials if they are among them.

    Args:
        app: the parts to work with.
        name: the connection's name.
        etag: the etag that it must have; empty for any.
        changes: the changed fields: description, method, credentials.
        violations: what is wrong with the rest of the request.

    Returns:
        The proved credentials; None if they do not change.

    Raises:
        Problem: see `ConnectionService.UpdateConnection` in the API.
    """
    if "description" in changes:
        violations.check("connection.description", names.text_complaint(changes["description"]))
    if not names.CONNECTION.check("connection.name", name, violations)[0]:
        violations.raise_if_any()
    present = await app.read(lambda tx: lookups.connection(tx, "connection.name", name))
    method = changes.get("method") or present.method
    if "credentials" not in changes:
        if method != present.method:
            violations.add("connection.method", "can be changed only together with credentials")
        violations.raise_if_any()
        return None
    return await prove_credentials(
        app,
        present.destination,
        method,
        changes["credentials"],
        violations,
        lambda tx: check_etag(lookups.connection(tx, "connection.name", name), etag),
    )


async def _validate(app: App, destination: str, model: AdapterModel) -> ValidateResult:
    return await call_destination(
        app,
        lambda basics: app.registry.validate(
            destination, ValidateRequest(credentials=model, **basics)
        ),
        config_field="connection.credentials",
    )


def check_new(parent: str, slug: str, description: str) -> Violations:
    """Return what is wrong with the plain fields of a new connection."""
    violations = Violations()
    names.PROJECT.check("parent", parent, violations)
    violations.check("connection_id", names.slug_complaint(slug))
    violations.check("connection.description", names.text_complaint(description))
    return violations


def find_room(tx: Transaction, parent: str, slug: str) -> Project:
    """Return the project that a new connection goes into.

    Raises:
        Problem: NOT_FOUND of the project, ALREADY_EXISTS of the connection.
    """
    project = lookups.project(tx, "parent", parent)
    if tx.connections.get(project.uid, slug):
        raise already_exists(f"{parent}/connections/{slug}")
    return project


def create_connection(
    app: App, tx: Transaction, parent: str, slug: str, description: str, proved: ProvedCredentials
) -> Connection:
    """Create a connection with proved credentials."""
    project = find_room(tx, parent, slug)
    now = app.clock()
    connection = Connection(
        uid=str(uuid4()),
        project_uid=project.uid,
        project=project.slug,
        slug=slug,
        description=description,
        destination=proved.destination,
        method=proved.method,
        instance=proved.instance,
        sealed_credentials=b"",
        public_credentials={},
        credentials_hash="",
        create_time=now,
        update_time=now,
    )
    connection = _with_credentials(app, tx, connection, proved)
    tx.connections.insert(connection)
    return connection


def _with_credentials(
    app: App, tx: Transaction, connection: Connection, proved: ProvedCredentials
) -> Connection:
    text = credentials_text(dict(proved.credentials))
    context = credentials_context(connection)
    return replace(
        connection,
        method=proved.method,
        instance=proved.instance,
        sealed_credentials=app.vault.seal(tx, connection.project_uid, context, text),
        public_credentials=public_fields(proved.model),
        credentials_hash=app.vault.digest(
            tx, connection.project_uid, "credentials", connection.uid, text.reveal()
        ),
    )


def list_connections(tx: Transaction, parent: str, request: PageRequest) -> Page[Connection]:
    """Return a page of a project's connections."""
    violations = Violations()
    names.PROJECT.check("parent", parent, violations)
    scope = f"connections of {parent}"
    size, (after,) = request.open(scope, [""], violations)
    project = lookups.project(tx, "parent", parent)
    found = tx.connections.list(project.uid, str(after), size + 1)
    return close_page(found, size, scope, lambda each: [each.slug])


def update_connection(
    app: App,
    tx: Transaction,
    name: str,
    etag: str,
    changes: Mapping[str, Any],
    proved: ProvedCredentials | None,
) -> Connection:
    """Change a connection's description, and its credentials if new ones were proved."""
    connection = lookups.connection(tx, "connection.name", name)
    check_etag(connection, etag)
    changed = replace(connection, description=changes.get("description", connection.description))
    if proved:
        fresh = _with_credentials(app, tx, changed, proved)
        before = (connection.credentials_hash, connection.method, connection.instance)
        if (fresh.credentials_hash, fresh.method, fresh.instance) != before:
            changed = fresh
            _retarget(app, tx, connection, changed)
    if changed == connection:
        return connection
    changed = replace(changed, version=connection.version + 1, update_time=app.clock())
    tx.connections.update(changed)
    return changed


def _retarget(app: App, tx: Transaction, before: Connection, connection: Connection) -> None:
    """Give the connection's syncs the target keys that the new credentials lead to.

    What they have put where the old ones led to is cleaned with those.
    """
    info = app.registry.get(connection.destination).info
    for sync in tx.syncs.using_connection(connection.uid):
        violations = Violations()
        config = app.registry.parse_config(
            sync.destination, sync.destination_config, "destination_config", violations
        )
        violations.raise_if_any()
        target_key = info.target_key(config, connection.instance)
        if target_key == sync.target_key:
            continue
        moved = move(app, tx, sync, before, target_key, "these credentials lead")
        tx.syncs.update(moved)
        end_forbidden(tx, moved, app.clock())
        queue_sync(app, tx, moved, RunTrigger.UPDATE)
    keep_credentials(app, tx, before, connection)


def delete_connection(tx: Transaction, name: str, etag: str) -> None:
    """Delete a connection that nothing uses."""
    connection = lookups.connection(tx, "name", name)
    check_etag(connection, etag)
    users = [each.name for each in tx.syncs.using_connection(connection.uid)]
    if users:
        raise in_use(name, f"{name} is used by {listed(users)}: delete them first", users)
    left = {place.sync_uid for place in tx.former_places.using_connection(connection.uid)}
    users = [sync.name for uid in sorted(left) if (sync := tx.syncs.by_uid(uid))]
    if users:
        message = f"{name} leads to former places of {listed(users)}, which are not clean yet"
        raise in_use(name, f"{message}: wait for that, or forget them first", users)
    tx.connections.delete(connection.uid)


async def validate_connection(app: App, name: str) -> ValidateResult:
    """Prove that a connection's stored credentials work now."""
    connection, model = await app.read(lambda tx: load_with_credentials(app, tx, name))
    return await _validate(app, connection.destination, model)


def load_with_credentials(app: App, tx: Transaction, name: str) -> tuple[Connection, AdapterModel]:
    """Return a connection by resource name, and its credentials as the plugin's model."""
    connection = lookups.connection(tx, "name", name)
    return connection, stored_credentials(app.registry, app.vault, tx, connection)
