"""Which secrets a source holds, imports and sub-folders included."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from secretsync.domain.entities import FolderRef, Secret
from secretsync.domain.problems import Code, Problem, Reason

CYCLE_ENDS_TOLD = 5
"""How many folders of a long circle are named at its beginning, and as many at its end."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as stored: its own secrets, and the folders it imports in their order."""

    secrets: Sequence[Secret]
    imports: Sequence[FolderRef]


@dataclass(frozen=True, slots=True)
class SourceView:
    """How to look at the store; the functions do not change anything.

    Attributes:
        folder: loads a folder, or None if it does not exist.
        subfolders: the paths at and below a folder that hold something.
        describe: a folder's name for people, e.g. `dev:/api`.
    """

    folder: Callable[[FolderRef], Folder | None]
    subfolders: Callable[[FolderRef], Sequence[str]]
    describe: Callable[[FolderRef], str]


def resolve_source(view: SourceView, source: FolderRef, *, recursive: bool) -> dict[str, Secret]:
    """Return the secrets of a source by key.

    Args:
        view: how to look at the store.
        source: the folder.
        recursive: whether the folders below it count too.

    Raises:
        Problem: SOURCE_NOT_FOUND if the folder or an imported one does not exist; IMPORT_CYCLE;
            DUPLICATE_SECRETS if two folders of a subtree hold different secrets of one key.
    """
    paths = view.subfolders(source) if recursive else [source.path]
    if not paths:
        raise _missing(view, source, "the source folder")
    found: dict[str, tuple[Secret, str]] = {}
    for path in paths:
        for key, secret in effective_secrets(view, FolderRef(source.environment_uid, path)).items():
            other, other_path = found.setdefault(key, (secret, path))
            # One and the same secret may be reached twice, by way of imports.
            if other.uid != secret.uid:
                raise Problem(
                    Code.FAILED_PRECONDITION,
                    Reason.DUPLICATE_SECRETS,
                    f"two secrets have the key {key!r}, one in {other_path} and one in {path}:"
                    " rename or delete one of them, or narrow the secret path",
                )
    return {key: secret for key, (secret, _) in found.items()}


def effective_secrets(view: SourceView, folder: FolderRef) -> dict[str, Secret]:
    """Return what a folder holds by key: own secrets win, later imports win over earlier ones.

    Raises:
        Problem: SOURCE_NOT_FOUND or IMPORT_CYCLE, see `resolve_source`.
    """
    found: dict[str, Secret] = {}
    visited: set[FolderRef] = set()
    # Folders are entered in the order of their precedence, so the first secret of a key wins, and
    # a folder met again has nothing to add. `trail` has the folders on the way to the present one,
    # each with the imports not yet followed; a chain of imports may be longer than Python's stack.
    trail = {folder: _enter(view, folder, None, found)}
    while trail:
        present, imports = next(reversed(trail.items()))
        if not imports:
            del trail[present]
            continue
        imported = imports.pop()
        if imported in trail:
            refs = list(trail)
            raise cycle_problem(view, (*refs[refs.index(imported) :], imported))
        if imported not in visited:
            visited.add(imported)
            trail[imported] = _enter(view, imported, present, found)
    return found


def _enter(
    view: SourceView, ref: FolderRef, importer: FolderRef | None, found: dict[str, Secret]
) -> list[FolderRef]:
    """Add a folder's own secrets to those found, and return what it imports."""
    folder = view.folder(ref)
    if folder is None:
        source = "the source folder"
        what = f"the folder that {view.describe(importer)} imports" if importer else source
        raise _missing(view, ref, what)
    for secret in folder.secrets:
        found.setdefault(secret.key, secret)
    return list(folder.imports)


def find_cycle(view: SourceView, start: FolderRef, target: FolderRef) -> tuple[FolderRef, ...]:
    """Return the folders of the circle that `target` importing `start` would close, or ().

    Args:
        view: how to look at the store.
        start: the folder that is to be imported.
        target: the folder that is to import it.
    """
    importer = {start: target}
    stack = [start]
    while stack:
        ref = stack.pop()
        if ref == target:
            break
        folder = view.folder(ref)
        for imported in folder.imports if folder else ():
            if imported not in importer:
                importer[imported] = ref
                stack.append(imported)
    else:
        return ()
    circle = [target, importer[target]]
    while circle[-1] != target:
        circle.append(importer[circle[-1]])
    return tuple(reversed(circle))


def cycle_problem(view: SourceView, cycle: Sequence[FolderRef]) -> Problem:
    """Return the problem that tells of a circle of imports."""
    names = [view.describe(ref) for ref in cycle]
    if len(names) > 2 * CYCLE_ENDS_TOLD:
        left_out = len(names) - 2 * CYCLE_ENDS_TOLD
        names[CYCLE_ENDS_TOLD:-CYCLE_ENDS_TOLD] = [f"({left_out} more)"]
    told = " -> ".join(names)
    return Problem(
        Code.FAILED_PRECONDITION,
        Reason.IMPORT_CYCLE,
        f"secret imports would go in a circle: {told}. Leave out one of them",
        metadata={"cycle": told},
    )


def _missing(view: SourceView, ref: FolderRef, what: str) -> Problem:
    return Problem(
        Code.FAILED_PRECONDITION,
        Reason.SOURCE_NOT_FOUND,
        f"{what}, {view.describe(ref)}, does not exist: nothing was changed at the destination."
        " Write a secret there, point to another folder, or remove the sync's secrets on purpose",
    )
