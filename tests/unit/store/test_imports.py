"""Secret imports: in order, and found from both sides."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest

from secretsync.domain.entities import FolderRef
from secretsync.store.errors import ConstraintError
from secretsync.store.sqlite import SqliteStore
from secretsync.store.sqlite.transaction import SqliteTransaction

if TYPE_CHECKING:
    from tests.unit.store.conftest import Make

Scratch = Callable[[], AbstractContextManager[SqliteTransaction]]


def test_imports_are_listed_by_path_and_position(scratch: Scratch, make: "Make") -> None:
    imports = [
        make.secret_import("r1", path="/", position=1),
        make.secret_import("r2", path="/", position=3),
        make.secret_import("a1", path="/a", position=1),
        make.secret_import("a2", path="/a", position=2),
        make.secret_import("b1", path="/b", position=0),
    ]
    with scratch() as tx:
        for each in reversed(imports):
            tx.imports.insert(each)
        listing = tx.imports.list
        assert listing("e-dev", None, ("", 0), 9) == imports
        assert listing("e-dev", None, ("/", 1), 2) == imports[1:3]
        assert listing("e-dev", None, ("/b", 0), 9) == []
        assert listing("e-dev", "/a", ("", 0), 9) == imports[2:4]
        assert listing("e-dev", "/a", ("/a", 1), 9) == imports[3:4]
        assert listing("e-dev", "/a", ("/", 3), 1) == imports[2:3]
        assert listing("e-dev", "/a", ("/b", 0), 9) == []
        assert listing("e-dev", "/b", ("", 0), 9) == imports[4:]
        assert listing("e-prod", None, ("", 0), 9) == []
        assert tx.imports.of_folder(FolderRef("e-dev", "/a")) == imports[2:4]
        assert tx.imports.get("e-dev", "a2") == imports[3]
        assert tx.imports.get("e-prod", "a2") is None
        tx.imports.delete("a2")
        assert tx.imports.of_folder(FolderRef("e-dev", "/a")) == imports[2:3]


def test_importers_are_found_from_what_they_import(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        for uid, path, imported in [("1", "/b", "/x"), ("2", "/a", "/x"), ("3", "/a", "/x/y")]:
            tx.imports.insert(
                make.secret_import(uid, path=path, import_path=imported, position=int(uid))
            )
        tx.imports.insert(make.secret_import("4", path="/a", import_path="/x", position=9))
        assert tx.imports.importers_of(FolderRef("e-prod", "/x")) == [
            FolderRef("e-dev", "/a"),
            FolderRef("e-dev", "/b"),
        ]
        assert tx.imports.importers_of(FolderRef("e-prod", "/x/y")) == [FolderRef("e-dev", "/a")]
        assert tx.imports.importers_of(FolderRef("e-prod", "/")) == []
        assert tx.imports.importers_of(FolderRef("e-dev", "/x")) == []


def test_imports_that_other_environments_make(scratch: Scratch, make: "Make") -> None:
    other = make.secret_import("other")
    own = make.secret_import("own", environment_uid="e-prod", environment="prod", path="/a")
    with scratch() as tx:
        tx.imports.insert(other)
        tx.imports.insert(own)
        assert tx.imports.from_environment("e-prod") == [other]
        assert tx.imports.from_environment("e-dev") == []


async def test_a_position_is_given_once(store: SqliteStore, make: "Make") -> None:
    await store.write(make.world)
    await store.write(lambda tx: tx.imports.insert(make.secret_import("1")))
    with pytest.raises(ConstraintError):
        await store.write(lambda tx: tx.imports.insert(make.secret_import("2")))
