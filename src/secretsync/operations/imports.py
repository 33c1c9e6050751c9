"""Secret imports: one folder takes in the secrets of another."""

from uuid import uuid4

from secretsync.domain import names
from secretsync.domain.entities import FolderRef, SecretImport
from secretsync.domain.problems import Violations, already_exists, not_found
from secretsync.domain.resolution import cycle_problem, find_cycle
from secretsync.engine.source import source_view
from secretsync.operations import lookups
from secretsync.operations.app import App
from secretsync.operations.paging import Page, PageRequest, close_page
from secretsync.operations.secrets import queue_dependents
from secretsync.store.protocol import Transaction


def create_secret_import(
    app: App, tx: Transaction, parent: str, path: str, import_environment: str, import_path: str
) -> SecretImport:
    """Let a folder import another; the import comes last in the folder's order."""
    violations = Violations()
    names.ENVIRONMENT.check("parent", parent, violations)
    field = "secret_import.import_environment"
    names.ENVIRONMENT.check(field, import_environment, violations)
    violations.check("secret_import.path", names.path_complaint(path))
    violations.check("secret_import.import_path", names.path_complaint(import_path))
    of = names.ENVIRONMENT.parse(import_environment)
    into_project = names.ENVIRONMENT.parse(parent)
    if of and into_project and of[0] != into_project[0]:
        violations.add(field, "must be of the same project as parent")
    violations.raise_if_any()
    environment = lookups.environment(tx, "parent", parent)
    imported = lookups.environment(tx, field, import_environment)
    into = FolderRef(environment.uid, path)
    out_of = FolderRef(imported.uid, import_path)
    if not tx.secrets.folder_exists(out_of):
        raise not_found(
            import_environment,
            f"secret_import.import_path: {import_environment} has no folder {import_path}:"
            " write a secret there first",
        )
    present = tx.imports.of_folder(into)
    twin = next((each for each in present if each.imported == out_of), None)
    if twin:
        raise already_exists(twin.name)
    view = source_view(tx, environment.project_uid)
    cycle = find_cycle(view, start=out_of, target=into)
    if cycle:
        raise cycle_problem(view, cycle)
    created = SecretImport(
        uid=str(uuid4()),
        project=environment.project,
        environment_uid=environment.uid,
        environment=environment.slug,
        path=path,
        import_environment_uid=imported.uid,
        import_environment=imported.slug,
        import_path=import_path,
        position=max((each.position for each in present), default=0) + 1,
        create_time=app.clock(),
    )
    tx.imports.insert(created)
    queue_dependents(app, tx, into)
    return created


def list_secret_imports(
    tx: Transaction, parent: str, path: str, request: PageRequest
) -> Page[SecretImport]:
    """Return a page of an environment's imports, of one folder if `path` is not empty."""
    violations = Violations()
    names.ENVIRONMENT.check("parent", parent, violations)
    if path:
        violations.check("path", names.path_complaint(path))
    scope = f"imports of {parent} {path}"
    size, (after_path, after_position) = request.open(scope, ["", 0], violations)
    environment = lookups.environment(tx, "parent", parent)
    found = tx.imports.list(
        environment.uid, path or None, (str(after_path), int(after_position)), size + 1
    )
    return close_page(found, size, scope, lambda each: [each.path, each.position])


def delete_secret_import(app: App, tx: Transaction, name: str) -> None:
    """End an import."""
    project, environment, uid = lookups.parse(names.SECRET_IMPORT, "name", name)
    parent = lookups.environment(tx, "name", f"projects/{project}/environments/{environment}")
    found = tx.imports.get(parent.uid, uid)
    if found is None:
        raise not_found(name)
    # Which syncs read the folder must be asked while the folder still stands.
    queue_dependents(app, tx, found.folder)
    tx.imports.delete(found.uid)
