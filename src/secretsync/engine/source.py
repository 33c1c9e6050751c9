"""Lets the rules of resolution look at the store."""

from secretsync.domain.entities import FolderRef, SecretSync
from secretsync.domain.resolution import Folder, SourceView
from secretsync.store.protocol import Transaction

ALL = 1_000_000


def source_view(tx: Transaction, project_uid: str) -> SourceView:
    """Return a view of a project's folders, for use within the transaction."""
    slugs = {e.uid: e.slug for e in tx.environments.list(project_uid, after="", limit=ALL)}

    def folder(ref: FolderRef) -> Folder | None:
        if ref.environment_uid not in slugs or not tx.secrets.folder_exists(ref):
            return None
        imports = [each.imported for each in tx.imports.of_folder(ref)]
        return Folder(tx.secrets.in_folder(ref), imports)

    def describe(ref: FolderRef) -> str:
        return f"{slugs.get(ref.environment_uid, 'a deleted environment')}:{ref.path}"

    def subfolders(ref: FolderRef) -> list[str]:
        below = list(tx.secrets.folders(ref))
        # The root exists even while nothing is in it.
        return below or ([ref.path] if folder(ref) else [])

    return SourceView(folder=folder, subfolders=subfolders, describe=describe)


def dependent_syncs(tx: Transaction, changed: FolderRef) -> list[SecretSync]:
    """Return the syncs whose source holds a folder, directly or by way of imports."""
    reached = {changed}
    frontier = [changed]
    while frontier:
        for importer in tx.imports.importers_of(frontier.pop()):
            if importer not in reached:
                reached.add(importer)
                frontier.append(importer)
    return list(tx.syncs.reading(reached))
