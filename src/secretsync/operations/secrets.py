"""Secrets and their imports; every change queues the runs that follow from it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from secretsync.adapter import SecretValue
from secretsync.domain import names
from secretsync.domain.entities import (
    Environment,
    FolderRef,
    RunAction,
    RunTrigger,
    Secret,
    SyncRun,
)
from secretsync.domain.problems import Problem, Violations, not_found
from secretsync.domain.sealing import secret_context
from secretsync.engine.sealed import open_secret
from secretsync.engine.source import dependent_syncs
from secretsync.operations import lookups
from secretsync.operations.app import App
from secretsync.operations.paging import MAX_PAGE_BYTES, Page, PageRequest, close_page
from secretsync.store.protocol import Transaction

MAX_BATCH = 1000


@dataclass(frozen=True, slots=True)
class SecretInput:
    """A secret as somebody sets it; `comment` None leaves the comment as it is."""

    key: str
    value: SecretValue
    comment: str | None


@dataclass(frozen=True, slots=True)
class SecretOutput:
    """A secret as it is shown; `value` is None unless it was asked for."""

    secret: Secret
    value: SecretValue | None = None


@dataclass(frozen=True, slots=True)
class SetOutcome:
    """What setting secrets did."""

    secrets: Sequence[Secret]
    created: int
    updated: int
    runs: Sequence[SyncRun]


def _check_batch(field: str, keys: Sequence[str], violations: Violations) -> None:
    if not 1 <= len(keys) <= MAX_BATCH:
        violations.add(field, f"must have 1 to {MAX_BATCH} entries, has {len(keys)}")
    for key, count in Counter(keys).items():
        if count > 1:
            violations.add(field, f"must have each key once, has {key!r} {count} times")


def set_secrets(
    app: App, tx: Transaction, parent: str, path: str, inputs: Sequence[SecretInput]
) -> SetOutcome:
    """Create and change secrets of one folder."""
    violations = Violations()
    names.ENVIRONMENT.check("parent", parent, violations)
    violations.check("path", names.path_complaint(path))
    _check_batch("secrets", [each.key for each in inputs], violations)
    for index, each in enumerate(inputs):
        field = f"secrets[{index}]"
        violations.check(f"{field}.key", names.key_complaint(each.key))
        violations.check(f"{field}.value", names.value_complaint(each.value.reveal()))
        violations.check(
            f"{field}.comment", names.text_complaint(each.comment or "", names.MAX_COMMENT)
        )
    violations.raise_if_any()
    environment = lookups.environment(tx, "parent", parent)
    folder = FolderRef(environment.uid, path)
    present = tx.secrets.find(folder, [each.key for each in inputs])
    changed = [_changed(app, tx, environment, path, each, present.get(each.key)) for each in inputs]
    written = [secret for secret in changed if present.get(secret.key) is not secret]
    tx.secrets.put(written)
    created = len(inputs) - len(present)
    return SetOutcome(
        secrets=changed,
        created=created,
        updated=len(written) - created,
        runs=queue_dependents(app, tx, folder) if written else [],
    )


def _changed(
    app: App,
    tx: Transaction,
    environment: Environment,
    path: str,
    given: SecretInput,
    present: Secret | None,
) -> Secret:
    """Return the secret as it is to be; `present` itself if nothing changes."""
    now = app.clock()
    comment = given.comment
    if comment is None:
        comment = present.comment if present else ""
    if present is None:
        secret = Secret(
            uid=str(uuid4()),
            environment_uid=environment.uid,
            path=path,
            key=given.key,
            sealed_value=b"",
            comment=comment,
            create_time=now,
            update_time=now,
        )
    elif comment == present.comment and _has_value(app, tx, environment, present, given):
        return present
    else:
        secret = replace(present, version=present.version + 1, comment=comment, update_time=now)
    context = secret_context(secret)
    sealed = app.vault.seal(tx, environment.project_uid, context, given.value)
    return replace(secret, sealed_value=sealed)


def _has_value(
    app: App, tx: Transaction, environment: Environment, present: Secret, given: SecretInput
) -> bool:
    try:
        return open_secret(app.vault, tx, environment.project_uid, present) == given.value
    except Problem:
        return False  # setting it again is how a secret that cannot be decrypted is mended


def queue_dependents(app: App, tx: Transaction, folder: FolderRef) -> list[SyncRun]:
    """Queue a run of each sync that reads a changed folder and syncs automatically."""
    return [
        app.engine.enqueue(tx, sync, RunAction.SYNC, RunTrigger.SOURCE_CHANGE)
        for sync in dependent_syncs(tx, folder)
        if sync.is_enabled and sync.is_auto_sync_enabled
    ]


def get_secret(
    app: App, tx: Transaction, parent: str, path: str, key: str, *, include_value: bool
) -> SecretOutput:
    """Return one secret."""
    violations = Violations()
    names.ENVIRONMENT.check("parent", parent, violations)
    violations.check("path", names.path_complaint(path))
    violations.check("key", names.key_complaint(key))
    violations.raise_if_any()
    environment = lookups.environment(tx, "parent", parent)
    found = tx.secrets.find(FolderRef(environment.uid, path), [key]).get(key)
    if found is None:
        raise not_found(parent, f"key: {parent} has no secret {key!r} in {path}")
    return SecretOutput(
        found, open_secret(app.vault, tx, environment.project_uid, found) if include_value else None
    )


def list_secrets(
    app: App,
    tx: Transaction,
    parent: str,
    path: str,
    request: PageRequest,
    *,
    recursive: bool,
    include_values: bool,
) -> Page[SecretOutput]:
    """Return a page of a folder's secrets; fewer than asked for if they are large."""
    violations = Violations()
    names.ENVIRONMENT.check("parent", parent, violations)
    violations.check("path", names.path_complaint(path))
    scope = f"secrets of {parent} {path} {recursive}"
    size, (after_path, after_key) = request.open(scope, ["", ""], violations)
    environment = lookups.environment(tx, "parent", parent)
    folder = FolderRef(environment.uid, path)
    if not tx.secrets.folder_exists(folder):
        raise not_found(parent, f"path: {parent} has no folder {path}")
    after = (str(after_path), str(after_key))
    found = tx.secrets.list(folder, recursive=recursive, after=after, limit=size + 1)
    shown: list[SecretOutput] = []
    room = MAX_PAGE_BYTES
    for secret in found:
        value = (
            open_secret(app.vault, tx, environment.project_uid, secret) if include_values else None
        )
        room -= _size(secret, value)
        if room < 0:
            size = len(shown)
            break
        shown.append(SecretOutput(secret, value))
    # One more than shown tells that there is a next page.
    listed = [*shown, *(SecretOutput(secret) for secret in found[len(shown) :])]
    return close_page(listed, size, scope, lambda each: [each.secret.path, each.secret.key])


def _size(secret: Secret, value: SecretValue | None) -> int:
    """Return about how many bytes a secret takes in an answer."""
    texts = (secret.path, secret.key, secret.comment, value.reveal() if value else "")
    return sum(len(text.encode()) for text in texts)


def delete_secrets(
    app: App, tx: Transaction, parent: str, path: str, keys: Sequence[str], *, allow_missing: bool
) -> None:
    """Delete secrets of one folder."""
    violations = Violations()
    names.ENVIRONMENT.check("parent", parent, violations)
    violations.check("path", names.path_complaint(path))
    _check_batch("keys", keys, violations)
    violations.raise_if_any()
    environment = lookups.environment(tx, "parent", parent)
    folder = FolderRef(environment.uid, path)
    present = tx.secrets.find(folder, keys)
    missing = [key for key in keys if key not in present]
    if missing and not allow_missing:
        told = ", ".join(repr(key) for key in missing)
        raise not_found(
            parent, f"keys: {parent} has no secret {told} in {path}; nothing was deleted"
        )
    tx.secrets.delete(secret.uid for secret in present.values())
    if present:
        queue_dependents(app, tx, folder)
