"""The vault: values open where they were sealed, and nowhere else."""

import base64
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretsync.adapter import SecretValue
from secretsync.crypto import (
    DecryptionError,
    EnvironmentKeyProvider,
    FileKeyProvider,
    KeyProvider,
    Vault,
    WrongKeyError,
    check_key,
    is_new_database,
)
from secretsync.domain.entities import Project
from secretsync.store.protocol import Transaction
from secretsync.store.sqlite import SqliteStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PROJECTS = [
    Project(uid=uid, slug=uid, create_time=NOW, update_time=NOW) for uid in ("p-one", "p-two")
]
CONTEXT = "secret/1/1"


def new_provider() -> KeyProvider:
    with pytest.MonkeyPatch.context() as patch:
        key = base64.b64encode(os.urandom(32)).decode()
        patch.setenv("SECRETSYNC_KEY", f"secretsync-kek-v1:{key}")
        return EnvironmentKeyProvider.open()


@pytest.fixture
def provider() -> KeyProvider:
    return new_provider()


@pytest.fixture
def vault(provider: KeyProvider) -> Vault:
    return Vault(provider)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(tmp_path / "data")
    yield opened
    await opened.close()


def insert_projects(tx: Transaction) -> None:
    for project in PROJECTS:
        tx.projects.insert(project)


async def prepare(store: SqliteStore, provider: KeyProvider) -> None:
    def work(tx: Transaction) -> None:
        check_key(tx, provider)
        insert_projects(tx)

    await store.write(work)


class MemoryKeys:
    """The keys of a transaction, for properties that need no database."""

    def __init__(self) -> None:
        self.wrapped: dict[str, bytes] = {}
        self.keys = self

    def data_key(self, project_uid: str) -> bytes | None:
        return self.wrapped.get(project_uid)

    def save_data_key(self, project_uid: str, wrapped: bytes) -> None:
        self.wrapped[project_uid] = wrapped


VAULT = Vault(new_provider())
TX: Transaction = MemoryKeys()  # type: ignore[assignment]  # the vault uses nothing but keys
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None)
@given(TEXT, TEXT, TEXT)
def test_what_was_sealed_opens(project_uid: str, context: str, value: str) -> None:
    sealed = VAULT.seal(TX, project_uid, context, SecretValue(value))
    assert VAULT.open(TX, project_uid, context, sealed).reveal() == value
    assert len(sealed) == len(value.encode()) + 29


@pytest.mark.parametrize("value", ["", "\0", "a\0b", "ü\U0001f511\n#{x}", "x" * 65536])
def test_values_that_others_trip_over(value: str) -> None:
    sealed = VAULT.seal(TX, "p", CONTEXT, SecretValue(value))
    assert VAULT.open(TX, "p", CONTEXT, sealed).reveal() == value


@settings(deadline=None)
@given(st.tuples(TEXT, TEXT), st.tuples(TEXT, TEXT))
def test_it_opens_nowhere_else(here: tuple[str, str], there: tuple[str, str]) -> None:
    sealed = VAULT.seal(TX, *here, SecretValue("value"))
    if here == there:
        assert VAULT.open(TX, *there, sealed).reveal() == "value"
    else:
        with pytest.raises(DecryptionError):
            VAULT.open(TX, *there, sealed)


@settings(deadline=None)
@given(st.data())
def test_any_change_is_noticed(data: st.DataObject) -> None:
    sealed = bytearray(VAULT.seal(TX, "p", CONTEXT, SecretValue("some value")))
    position = data.draw(st.integers(0, len(sealed) - 1))
    sealed[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DecryptionError):
        VAULT.open(TX, "p", CONTEXT, bytes(sealed))


@settings(deadline=None)
@given(st.integers(0, 38))
def test_what_was_cut_short_is_noticed(length: int) -> None:
    sealed = VAULT.seal(TX, "p", CONTEXT, SecretValue("some value"))
    with pytest.raises(DecryptionError) as told:
        VAULT.open(TX, "p", CONTEXT, sealed[:length])
    assert "some value" not in repr(told.value)


def test_the_same_value_is_never_sealed_the_same_way_twice() -> None:
    sealed = {VAULT.seal(TX, "p", CONTEXT, SecretValue("value")) for _ in range(100)}
    assert len(sealed) == 100


def test_half_a_surrogate_pair_is_refused_without_showing_the_value() -> None:
    for attempt in (
        lambda: VAULT.seal(TX, "p", CONTEXT, SecretValue("secret \ud800")),
        lambda: VAULT.digest(TX, "p", "hash", "secret \ud800"),
    ):
        with pytest.raises(ValueError, match="not valid unicode") as told:
            attempt()
        assert told.value.__context__ is None
        assert "secret " not in str(told.value)


@settings(deadline=None)
@given(st.lists(TEXT, max_size=3), st.lists(TEXT, max_size=3))
def test_digests_are_equal_for_equal_parts_only(one: list[str], two: list[str]) -> None:
    digest = VAULT.digest_key(TX, "p", "hash")
    assert (digest(*one) == digest(*two)) == (one == two)


def test_digests_differ_by_project_and_purpose() -> None:
    digests = [
        VAULT.digest(TX, project, purpose, "part")
        for project in ("p-one", "p-two")
        for purpose in ("ledger", "credentials")
    ]
    assert len(set(digests)) == 4
    assert {len(digest) for digest in digests} == {64}
    assert VAULT.digest(TX, "p-one", "ledger", "part") == digests[0]


async def test_another_process_with_the_same_key_reads_it(
    store: SqliteStore, provider: KeyProvider, vault: Vault
) -> None:
    await prepare(store, provider)
    value = SecretValue("value")
    sealed = await store.write(lambda tx: vault.seal(tx, "p-one", CONTEXT, value))
    digest = await store.write(lambda tx: vault.digest(tx, "p-one", "hash", "a"))
    other = Vault(provider)
    assert await store.read(lambda tx: other.open(tx, "p-one", CONTEXT, sealed)) == value
    assert await store.read(lambda tx: other.digest(tx, "p-one", "hash", "a")) == digest


async def test_a_project_without_a_data_key_has_nothing_to_open(
    store: SqliteStore, provider: KeyProvider, vault: Vault
) -> None:
    await prepare(store, provider)
    sealed = await store.write(lambda tx: vault.seal(tx, "p-one", CONTEXT, SecretValue("x")))
    with pytest.raises(DecryptionError, match=CONTEXT):
        await store.read(lambda tx: vault.open(tx, "p-two", CONTEXT, sealed))


async def test_another_key_opens_nothing(store: SqliteStore, provider: KeyProvider) -> None:
    await prepare(store, provider)
    vault = Vault(provider)
    sealed = await store.write(lambda tx: vault.seal(tx, "p-one", CONTEXT, SecretValue("x")))
    stranger = Vault(new_provider())
    with pytest.raises(WrongKeyError):
        await store.read(lambda tx: stranger.open(tx, "p-one", CONTEXT, sealed))


class DryRunError(Exception):
    """Makes a transaction roll back, as a request that only validates does."""


async def test_a_data_key_that_was_rolled_back_is_not_used_again(
    store: SqliteStore, provider: KeyProvider, vault: Vault
) -> None:
    await prepare(store, provider)
    lost: list[bytes] = []

    def dry_run(tx: Transaction) -> None:
        lost.append(vault.seal(tx, "p-one", CONTEXT, SecretValue("x")))
        lost.append(vault.seal(tx, "p-one", CONTEXT, SecretValue("y")))
        assert vault.open(tx, "p-one", CONTEXT, lost[1]).reveal() == "y"
        raise DryRunError

    with pytest.raises(DryRunError):
        await store.write(dry_run)
    sealed = await store.write(lambda tx: vault.seal(tx, "p-one", CONTEXT, SecretValue("z")))
    fresh = Vault(provider)
    opened = await store.read(lambda tx: fresh.open(tx, "p-one", CONTEXT, sealed))
    assert opened.reveal() == "z"
    with pytest.raises(DecryptionError):
        await store.read(lambda tx: vault.open(tx, "p-one", CONTEXT, lost[0]))


async def test_a_project_made_anew_gets_a_new_data_key(
    store: SqliteStore, provider: KeyProvider, vault: Vault
) -> None:
    await prepare(store, provider)
    sealed = await store.write(lambda tx: vault.seal(tx, "p-one", CONTEXT, SecretValue("x")))
    await store.write(lambda tx: tx.projects.delete("p-one"))
    vault.forget("p-one")
    vault.forget("p-one")
    await store.write(lambda tx: tx.projects.insert(PROJECTS[0]))
    await store.write(lambda tx: vault.seal(tx, "p-one", CONTEXT, SecretValue("y")))
    with pytest.raises(DecryptionError):
        await store.read(lambda tx: vault.open(tx, "p-one", CONTEXT, sealed))


async def test_fingerprints_are_keyed_and_last(
    store: SqliteStore, provider: KeyProvider, vault: Vault
) -> None:
    with pytest.raises(WrongKeyError, match="no record of the key"):
        await store.read(lambda tx: vault.fingerprint(tx, b"request"))
    await prepare(store, provider)
    first = await store.read(lambda tx: vault.fingerprint(tx, b"request"))
    again = await store.read(lambda tx: Vault(provider).fingerprint(tx, b"request"))
    other = await store.read(lambda tx: vault.fingerprint(tx, b"another"))
    assert first == again
    assert len(first) == 32
    assert first != other


async def test_the_key_is_checked_at_each_start(store: SqliteStore, provider: KeyProvider) -> None:
    assert await store.read(is_new_database)
    await store.write(lambda tx: check_key(tx, provider))
    assert not await store.read(is_new_database)
    # A later start needs no write.
    await store.read(lambda tx: check_key(tx, provider))
    stranger = new_provider()
    with pytest.raises(WrongKeyError, match=stranger.key_id):
        await store.read(lambda tx: check_key(tx, stranger))


async def test_a_key_file_replaced_by_a_new_one_is_noticed(
    store: SqliteStore, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    await prepare(store, FileKeyProvider.open(path, create=True))
    path.unlink()
    replaced = FileKeyProvider.open(path, create=True)
    with pytest.raises(WrongKeyError, match="start with the key that was used before"):
        await store.write(lambda tx: check_key(tx, replaced))


async def test_data_without_a_record_of_the_key_is_not_a_new_database(
    store: SqliteStore, provider: KeyProvider
) -> None:
    await store.write(insert_projects)
    assert not await store.read(is_new_database)
    with pytest.raises(WrongKeyError, match="holds data but no record"):
        await store.write(lambda tx: check_key(tx, provider))


async def test_a_damaged_record_of_the_key_is_told(
    store: SqliteStore, provider: KeyProvider
) -> None:
    await store.write(lambda tx: check_key(tx, provider))

    def damage(tx: Transaction) -> None:
        record = tx.keys.get_meta("service-data-key") or b""
        tx.keys.set_meta("service-data-key", record[:-1] + bytes([record[-1] ^ 1]))

    await store.write(damage)
    with pytest.raises(WrongKeyError, match="record of its key is damaged"):
        await store.write(lambda tx: check_key(tx, provider))


async def test_a_wrapped_key_moved_to_another_project_is_refused(
    store: SqliteStore, provider: KeyProvider, vault: Vault
) -> None:
    await prepare(store, provider)
    sealed = await store.write(lambda tx: vault.seal(tx, "p-one", CONTEXT, SecretValue("x")))

    def move(tx: Transaction) -> None:
        tx.keys.save_data_key("p-two", tx.keys.data_key("p-one") or b"")

    await store.write(move)
    with pytest.raises(DecryptionError):
        await store.read(lambda tx: vault.open(tx, "p-two", CONTEXT, sealed))


async def test_nothing_secret_is_found_in_any_file(
    tmp_path: Path, store: SqliteStore, provider: KeyProvider, vault: Vault
) -> None:
    await prepare(store, provider)
    words = [f"correct horse battery {i}".encode() for i in range(50)]

    def work(tx: Transaction) -> None:
        for i, word in enumerate(words):
            sealed = vault.seal(tx, "p-one", f"secret/{i}/1", SecretValue(word.decode()))
            tx.keys.set_meta(f"value {i}", sealed)
        data_keys = [keys._data_key for keys in vault._cache.values()]
        words.extend(data_keys)

    await store.write(work)
    wal = tmp_path / "data" / "secretsync.db-wal"
    assert b"value 49" in wal.read_bytes()
    for path in (tmp_path / "data").iterdir():
        content = path.read_bytes()
        assert [word for word in words if word in content] == [], path
    await store.close()
    database = (tmp_path / "data" / "secretsync.db").read_bytes()
    assert b"value 49" in database
    assert [word for word in words if word in database] == []
