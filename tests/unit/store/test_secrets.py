"""Secrets and folders: subtrees are ranges of paths, compared by code point."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretsync.domain.entities import FolderRef, Secret
from secretsync.store.errors import ConstraintError
from secretsync.store.sqlite import SqliteStore
from secretsync.store.sqlite.paths import ancestors
from secretsync.store.sqlite.transaction import SqliteTransaction

if TYPE_CHECKING:
    from tests.unit.store.conftest import Make

Scratch = Callable[[], AbstractContextManager[SqliteTransaction]]

# What paths are made of here sorts on both sides of `/`, differs in case, and would mean something
# to LIKE and GLOB.
SEGMENTS = st.sampled_from(["a", "A", "a-b", "a.b", "a0", "b", "%", "_", "*", "ü", "\U0001f511"])
PATHS = st.lists(SEGMENTS, max_size=3).map(lambda segments: "/" + "/".join(segments))
KEYS = st.sampled_from(["A", "B", "_", "a", "ü", "\U0001f511"])


def contains(folder: str, path: str) -> bool:
    """Tell by segments whether a path is at or below a folder."""
    inner, outer = path.strip("/").split("/"), folder.strip("/").split("/")
    return folder == "/" or inner[: len(outer)] == outer


@settings(deadline=None)
@given(
    st.sets(st.tuples(PATHS, KEYS), max_size=20),
    st.sets(PATHS, max_size=3),
    PATHS,
    st.tuples(PATHS | st.just(""), KEYS | st.just("")),
    st.integers(1, 5),
)
def test_a_subtree_is_what_its_segments_say(
    scratch: Scratch,
    make: "Make",
    stored: set[tuple[str, str]],
    importing: set[str],
    folder: str,
    after: tuple[str, str],
    limit: int,
) -> None:
    here = FolderRef("e-dev", folder)
    below = sorted(each for each in stored if contains(folder, each[0]))
    own = [each for each in below if each[0] == folder]
    held = {path for path, _ in stored} | importing
    with scratch() as tx:
        tx.secrets.put(make.secret(key, path) for path, key in stored)
        tx.secrets.put([make.secret("ELSEWHERE", folder, environment_uid="e-prod", uid="s")])
        for path in importing:
            tx.imports.insert(make.secret_import(f"i-{path}", path=path))

        everything = tx.secrets.list(here, recursive=True, after=("", ""), limit=99)
        assert pairs(everything) == below
        page = tx.secrets.list(here, recursive=True, after=after, limit=limit)
        assert pairs(page) == [each for each in below if each > after][:limit]
        page = tx.secrets.list(here, recursive=False, after=after, limit=limit)
        assert pairs(page) == [each for each in own if each > after][:limit]
        assert pairs(tx.secrets.in_folder(here)) == own
        assert tx.secrets.folders(here) == sorted(path for path in held if contains(folder, path))
        assert tx.secrets.folder_exists(here) == (
            folder == "/" or any(contains(folder, path) for path in held)
        )
        assert tx.secrets.any_in_environment("e-dev") == bool(stored)


def pairs(secrets: Iterable[Secret]) -> list[tuple[str, str]]:
    return [(secret.path, secret.key) for secret in secrets]


@settings(deadline=None)
@given(PATHS)
def test_ancestors_are_all_that_contain_a_path(path: str) -> None:
    found = ancestors(path)
    assert all(contains(folder, path) for folder in found)
    assert len(found) == len([segment for segment in path.split("/") if segment])
    assert path not in found


def test_keys_are_found_by_exact_name(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        stored = [make.secret("A"), make.secret("a"), make.secret("B", "/x"), make.secret("Ü")]
        tx.secrets.put(stored)
        found = tx.secrets.find(FolderRef("e-dev", "/"), ["A", "B", "Ü", "C", "A"])
        assert found == {"A": stored[0], "Ü": stored[3]}
        assert tx.secrets.find(FolderRef("e-prod", "/"), ["A"]) == {}
        assert tx.secrets.find(FolderRef("e-dev", "/"), []) == {}


def test_any_number_of_keys_can_be_looked_for(scratch: Scratch, make: "Make") -> None:
    keys = [f"KEY_{i}" for i in range(40_000)]
    with scratch() as tx:
        tx.secrets.put([make.secret(keys[0]), make.secret(keys[-1])])
        found = tx.secrets.find(FolderRef("e-dev", "/"), keys)
    assert set(found) == {keys[0], keys[-1]}


def test_put_replaces_by_uid(scratch: Scratch, make: "Make") -> None:
    changed = make.secret("A", sealed_value=b"\0new", comment="why\0\n", version=2)
    with scratch() as tx:
        tx.secrets.put([make.secret("A"), make.secret("B")])
        tx.secrets.put([changed, make.secret("C")])
        found = tx.secrets.in_folder(FolderRef("e-dev", "/"))
        assert found == [changed, make.secret("B"), make.secret("C")]
        tx.secrets.delete([changed.uid, make.secret("C").uid, "unknown"])
        assert tx.secrets.in_folder(FolderRef("e-dev", "/")) == [make.secret("B")]


async def test_a_batch_is_stored_in_whole_or_not_at_all(store: SqliteStore, make: "Make") -> None:
    await store.write(make.world)
    batch = [make.secret("A"), make.secret("B"), make.secret("A", uid="another")]
    with pytest.raises(ConstraintError):
        await store.write(lambda tx: tx.secrets.put(batch))
    assert not await store.read(lambda tx: tx.secrets.any_in_environment("e-dev"))
