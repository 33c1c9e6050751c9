"""Projects and environments."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from secretsync.domain import names
from secretsync.domain.entities import Environment, Project
from secretsync.domain.etags import check_etag
from secretsync.domain.problems import Violations, already_exists, in_use
from secretsync.domain.texts import listed
from secretsync.operations import lookups
from secretsync.operations.app import App
from secretsync.operations.paging import Page, PageRequest, close_page
from secretsync.store.protocol import Transaction


def check_texts(field: str, values: Mapping[str, Any], violations: Violations) -> None:
    """Note what is wrong with the texts for people of a project or environment."""
    for name in ("display_name", "description"):
        if name in values:
            violations.check(f"{field}.{name}", names.text_complaint(values[name]))


def create_project(app: App, tx: Transaction, slug: str, texts: Mapping[str, Any]) -> Project:
    """Create a project with the given display name and description."""
    violations = Violations()
    violations.check("project_id", names.slug_complaint(slug))
    check_texts("project", texts, violations)
    violations.raise_if_any()
    if tx.projects.get(slug):
        raise already_exists(f"projects/{slug}")
    now = app.clock()
    project = Project(uid=str(uuid4()), slug=slug, create_time=now, update_time=now, **texts)
    tx.projects.insert(project)
    return project


def list_projects(tx: Transaction, request: PageRequest) -> Page[Project]:
    """Return a page of projects."""
    size, (after,) = request.open("projects", [""], Violations())
    found = tx.projects.list(str(after), size + 1)
    return close_page(found, size, "projects", lambda each: [each.slug])


def update_project(
    app: App,
    tx: Transaction,
    name: str,
    etag: str,
    changes: Mapping[str, Any],
    violations: Violations,
) -> Project:
    """Change a project's texts; `violations` is what is wrong with the rest of the request."""
    names.PROJECT.check("project.name", name, violations)
    check_texts("project", changes, violations)
    violations.raise_if_any()
    project = lookups.project(tx, "project.name", name)
    check_etag(project, etag)
    changed = replace(project, **changes)
    if changed == project:
        return project
    changed = replace(changed, version=project.version + 1, update_time=app.clock())
    tx.projects.update(changed)
    return changed


def delete_project(app: App, tx: Transaction, name: str, etag: str, *, force: bool) -> None:
    """Delete a project, with what it holds if `force` is set."""
    project = lookups.project(tx, "name", name)
    check_etag(project, etag)
    syncs = [each.name for each in tx.syncs.list(project.uid, "", 10)]
    if syncs:
        raise in_use(
            name,
            f"{name} has secret syncs, whose secrets at the destinations would be forgotten:"
            f" delete {', '.join(syncs)} first",
            syncs,
        )
    held = [each.name for each in tx.environments.list(project.uid, "", 10)]
    held += [each.name for each in tx.connections.list(project.uid, "", 10)]
    if held and not force:
        raise in_use(name, f"{name} holds {', '.join(held)}: delete them first, or set force", held)
    tx.projects.delete(project.uid)
    app.vault.forget(project.uid)


def create_environment(
    app: App, tx: Transaction, parent: str, slug: str, texts: Mapping[str, Any]
) -> Environment:
    """Create an environment with the given display name and description."""
    violations = Violations()
    names.PROJECT.check("parent", parent, violations)
    violations.check("environment_id", names.slug_complaint(slug))
    check_texts("environment", texts, violations)
    violations.raise_if_any()
    project = lookups.project(tx, "parent", parent)
    if tx.environments.get(project.uid, slug):
        raise already_exists(f"{parent}/environments/{slug}")
    now = app.clock()
    environment = Environment(
        uid=str(uuid4()),
        project_uid=project.uid,
        project=project.slug,
        slug=slug,
        create_time=now,
        update_time=now,
        **texts,
    )
    tx.environments.insert(environment)
    return environment


def list_environments(tx: Transaction, parent: str, request: PageRequest) -> Page[Environment]:
    """Return a page of a project's environments."""
    violations = Violations()
    names.PROJECT.check("parent", parent, violations)
    scope = f"environments of {parent}"
    size, (after,) = request.open(scope, [""], violations)
    project = lookups.project(tx, "parent", parent)
    found = tx.environments.list(project.uid, str(after), size + 1)
    return close_page(found, size, scope, lambda each: [each.slug])


def update_environment(
    app: App,
    tx: Transaction,
    name: str,
    etag: str,
    changes: Mapping[str, Any],
    violations: Violations,
) -> Environment:
    """Change an environment's texts; `violations` is what is wrong with the rest of the request."""
    names.ENVIRONMENT.check("environment.name", name, violations)
    check_texts("environment", changes, violations)
    violations.raise_if_any()
    environment = lookups.environment(tx, "environment.name", name)
    check_etag(environment, etag)
    changed = replace(environment, **changes)
    if changed == environment:
        return environment
    changed = replace(changed, version=environment.version + 1, update_time=app.clock())
    tx.environments.update(changed)
    return changed


def delete_environment(tx: Transaction, name: str, etag: str, *, force: bool) -> None:
    """Delete an environment, with its secrets if `force` is set."""
    environment = lookups.environment(tx, "name", name)
    check_etag(environment, etag)
    users = [each.name for each in tx.syncs.using_environment(environment.uid)]
    users += [each.name for each in tx.imports.from_environment(environment.uid)]
    if users:
        raise in_use(name, f"{name} is used by {listed(users)}: delete them first", users)
    if tx.secrets.any_in_environment(environment.uid) and not force:
        raise in_use(name, f"{name} holds secrets: delete them first, or set force", [name])
    tx.environments.delete(environment.uid)
