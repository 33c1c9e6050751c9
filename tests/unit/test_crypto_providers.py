"""Key providers: where the key-encryption key comes from, and what they refuse."""

import base64
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretsync.crypto import (
    DecryptionError,
    EnvironmentKeyProvider,
    FileKeyProvider,
    KeyFileError,
    KeyVariableError,
    WrongKeyError,
)

GOOD = "secretsync-kek-v1:" + base64.b64encode(bytes(range(32))).decode()
DATA_KEY = os.urandom(32)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(GOOD + "\n")
    return path


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def test_a_new_key_file_is_private_and_one_line_and_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    provider = FileKeyProvider.open(path, create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    [line] = path.read_text().splitlines()
    assert line.startswith("secretsync-kek-v1:")
    assert names_in(tmp_path) == ["key"]

    again = FileKeyProvider.open(path, create=True)
    assert path.read_text() == line + "\n"
    assert again.key_id == provider.key_id
    assert again.unwrap(provider.wrap(DATA_KEY, b"context"), b"context") == DATA_KEY


def test_each_new_key_differs(tmp_path: Path) -> None:
    one = FileKeyProvider.open(tmp_path / "one", create=True)
    two = FileKeyProvider.open(tmp_path / "two", create=True)
    assert one.key_id != two.key_id


def test_the_key_of_a_process_that_was_faster_is_kept(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It appears between the look whether it is there and its creation.
    monkeypatch.setattr(Path, "exists", lambda _: False)
    FileKeyProvider.open(key_file, create=True)
    assert key_file.read_text() == GOOD + "\n"
    assert names_in(key_file.parent) == ["key"]


def test_a_missing_file_is_named_with_what_to_restore(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"key is missing: restore it from your backup") as told:
        FileKeyProvider.open(tmp_path / "key", create=False)
    assert str(tmp_path / "key") in str(told.value)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666])
def test_a_file_open_to_others_is_refused_with_the_command_to_run(
    key_file: Path, mode: int
) -> None:
    key_file.chmod(mode)
    with pytest.raises(KeyFileError, match=f"mode {mode:04o}.*chmod 600 {key_file}"):
        FileKeyProvider.open(key_file, create=False)


def test_a_file_that_only_its_owner_can_read_will_do(key_file: Path) -> None:
    key_file.chmod(0o400)
    assert FileKeyProvider.open(key_file, create=False).key_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        GOOD.removeprefix("secretsync-kek-v1:"),
        GOOD.replace("v1", "v2"),
        GOOD[:-4],
        GOOD[:-4] + "!!!!",
        GOOD + "\n" + GOOD,
        "secretsync-kek-v1:" + base64.b64encode(bytes(16)).decode(),
        "secretsync-kek-v1:" + base64.b64encode(bytes(2000)).decode(),
        "\udcff",
    ],
)
def test_malformed_keys_are_refused_without_showing_them(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    key_file.write_bytes(os.fsencode(text))
    with pytest.raises(KeyFileError, match="malformed") as told:
        FileKeyProvider.open(key_file, create=False)
    assert str(key_file) in str(told.value)
    monkeypatch.setenv("SECRETSYNC_KEY", text)
    with pytest.raises(KeyVariableError, match="SECRETSYNC_KEY is malformed") as told_too:
        EnvironmentKeyProvider.open()
    shown = str(told.value) + str(told_too.value)
    assert base64.b64encode(bytes(range(32))).decode()[:12] not in shown


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key"
    path.mkdir() if kind == "directory" else os.mkfifo(path, 0o600)
    with pytest.raises(KeyFileError, match="not a regular file"):
        FileKeyProvider.open(path, create=False)


def test_a_path_that_cannot_be_is_told(tmp_path: Path, key_file: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be created"):
        FileKeyProvider.open(tmp_path / "missing" / "key", create=True)
    with pytest.raises(KeyFileError, match="cannot be read: Not a directory"):
        FileKeyProvider.open(key_file / "key", create=False)


def test_the_variable_holds_the_same_text_as_the_file(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", key_file.read_text())
    from_variable = EnvironmentKeyProvider.open("MY_KEY")
    from_file = FileKeyProvider.open(key_file, create=False)
    assert from_variable.key_id == from_file.key_id
    assert from_variable.unwrap(from_file.wrap(DATA_KEY, b""), b"") == DATA_KEY


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRETSYNC_KEY", raising=False)
    with pytest.raises(KeyVariableError, match="SECRETSYNC_KEY is not set"):
        EnvironmentKeyProvider.open()


def test_the_key_id_tells_nothing_of_the_key(key_file: Path) -> None:
    provider = FileKeyProvider.open(key_file, create=False)
    assert bytes.fromhex(provider.key_id) not in bytes(range(32))
    assert GOOD[18:30] not in repr(provider) + str(vars(provider))


def test_another_key_is_told_by_its_id(tmp_path: Path) -> None:
    one = FileKeyProvider.open(tmp_path / "one", create=True)
    two = FileKeyProvider.open(tmp_path / "two", create=True)
    with pytest.raises(WrongKeyError, match=f"{one.key_id}.*at hand is {two.key_id}"):
        two.unwrap(one.wrap(DATA_KEY, b""), b"")


def test_a_wrapped_key_is_bound_to_its_context(key_file: Path) -> None:
    provider = FileKeyProvider.open(key_file, create=False)
    with pytest.raises(DecryptionError):
        provider.unwrap(provider.wrap(DATA_KEY, b"project a"), b"project b")


def test_a_key_is_never_wrapped_the_same_way_twice(key_file: Path) -> None:
    provider = FileKeyProvider.open(key_file, create=False)
    assert provider.wrap(DATA_KEY, b"") != provider.wrap(DATA_KEY, b"")


@settings(deadline=None)
@given(st.data())
def test_any_change_of_a_wrapped_key_is_noticed(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRETSYNC_KEY", GOOD)
        provider = EnvironmentKeyProvider.open()
    wrapped = bytearray(provider.wrap(DATA_KEY, b"context"))
    position = data.draw(st.integers(0, len(wrapped) - 1))
    wrapped[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises((DecryptionError, WrongKeyError)):
        provider.unwrap(bytes(wrapped), b"context")


@settings(deadline=None)
@given(st.integers(0, 77))
def test_a_wrapped_key_that_was_cut_short_is_noticed(length: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRETSYNC_KEY", GOOD)
        provider = EnvironmentKeyProvider.open()
    wrapped = provider.wrap(DATA_KEY, b"context")
    assert len(wrapped) == 78
    with pytest.raises((DecryptionError, WrongKeyError)):
        provider.unwrap(wrapped[:length], b"context")
