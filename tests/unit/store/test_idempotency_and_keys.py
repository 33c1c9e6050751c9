"""First results of requests, and wrapped keys."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest

from secretsync.store.errors import ConstraintError
from secretsync.store.sqlite import SqliteStore
from secretsync.store.sqlite.transaction import SqliteTransaction

if TYPE_CHECKING:
    from tests.unit.store.conftest import Make

Scratch = Callable[[], AbstractContextManager[SqliteTransaction]]


def test_first_results_are_found_until_they_are_pruned(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.idempotency.save("m", "r", b"\0f", b"", make.at(0))
        tx.idempotency.save("m", "other", b"g", b"response", make.at(1))
        assert tx.idempotency.find("m", "r") == (b"\0f", b"")
        assert tx.idempotency.find("n", "r") is None
        tx.idempotency.prune(make.at(0))
        assert tx.idempotency.find("m", "r") == (b"\0f", b"")
        tx.idempotency.prune(make.at(1))
        assert tx.idempotency.find("m", "r") is None
        assert tx.idempotency.find("m", "other") == (b"g", b"response")


async def test_only_the_first_result_is_kept(store: SqliteStore, make: "Make") -> None:
    await store.write(lambda tx: tx.idempotency.save("m", "r", b"f", b"1", make.now))
    with pytest.raises(ConstraintError):
        await store.write(lambda tx: tx.idempotency.save("m", "r", b"f", b"2", make.now))


def test_keys_can_be_replaced(scratch: Scratch) -> None:
    with scratch() as tx:
        assert tx.keys.data_key("p-shop") is None
        tx.keys.save_data_key("p-shop", b"1")
        tx.keys.save_data_key("p-shop", b"2\0")
        assert tx.keys.data_key("p-shop") == b"2\0"
        assert tx.keys.get_meta("m") is None
        tx.keys.set_meta("m", b"")
        assert tx.keys.get_meta("m") == b""
        tx.keys.set_meta("m", b"2")
        assert tx.keys.get_meta("m") == b"2"
