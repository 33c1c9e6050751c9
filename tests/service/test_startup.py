"""What stops the server from starting, each with a message that names the cause and the fix."""

import errno
import os
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from service_kit import Service, dump, running

from secretsync import server
from secretsync.registry import Registry, RegistryError
from secretsync.server import StartupError, running_server
from secretsync.settings import SettingsError, default_data_dir, make_settings
from secretsync.store.protocol import StorageFullError
from secretsync.store.sqlite import SqliteStore
from secretsync.v1.secret_sync_service_pb2 import ListDestinationsRequest


async def refused_start(data_dir: Path, **settings: object) -> str:
    """Start a server that must not start, and return why."""
    values: dict[str, object] = {"listen": "127.0.0.1:0", "data_dir": data_dir, **settings}
    with pytest.raises(StartupError) as caught:
        async with running_server(make_settings(**values), Registry()):
            pass
    return str(caught.value)


@asynccontextmanager
async def started(data_dir: Path, **settings: object) -> AsyncIterator[Service]:
    """Start a server, and prove that it answers."""
    async with running(data_dir, **settings) as service:
        await service.syncs.ListDestinations(ListDestinationsRequest())
        yield service


@pytest.mark.parametrize(
    "listen",
    ["0.0.0.0:0", "[::]:0", "192.0.2.1:8470", "example.com:80", ":0", "*:0", "[fe80::1]:0"],
)
def test_only_loopback_addresses_are_listened_on(listen: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make_settings(listen=listen)
    message = str(caught.value)
    assert message.startswith("listen: ")
    assert "is not a loopback address. Anyone who reaches the port could read every" in message
    assert "use 127.0.0.1, [::1] or localhost" in message


@pytest.mark.parametrize(
    "listen",
    [
        "",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:http",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:\u0663",
        "unix:/tmp/x",
        "127.0.0.1:0\n",
    ],
)
def test_what_to_listen_on_is_a_host_and_a_port(listen: str) -> None:
    with pytest.raises(SettingsError, match="listen: must be HOST:PORT with a port of 0 to 65535"):
        make_settings(listen=listen)


def test_an_ipv6_address_stands_in_brackets() -> None:
    with pytest.raises(SettingsError, match=r"listen: must have an IPv6 address in brackets"):
        make_settings(listen="::1:8470")
    assert make_settings(listen="[::1]:8470").listen == "[::1]:8470"


def test_all_settings_that_break_a_rule_are_named() -> None:
    with pytest.raises(SettingsError) as caught:
        make_settings(
            listen="x",
            log_level="loud",
            max_runs=0,
            max_runs_per_connection=1001,
            shutdown_grace=-1,
            retry_attempts=0,
            surplus=1,
        )
    message = str(caught.value)
    for name in (
        "listen",
        "log_level: must be one of debug, info, warning, error",
        "max_runs",
        "max_runs_per_connection",
        "shutdown_grace",
        "retry_attempts",
        "surplus",
    ):
        assert name in message


def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    settings = make_settings()
    assert settings.listen == "127.0.0.1:8470"
    assert settings.data_dir == tmp_path / "secretsync"
    assert settings.key_path == tmp_path / "secretsync" / "secretsync.key"
    assert make_settings(key_file=tmp_path / "key").key_path == tmp_path / "key"
    assert make_settings(log_level="DEBUG").log_level == "debug"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_data_dir() == Path.home() / ".local/share/secretsync"


async def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        message = await refused_start(tmp_path, listen=listen)
    assert message.startswith(f"cannot listen on {listen}: the port is in use")
    assert "--listen" in message
    # Nothing is held by the server that did not start.
    async with started(tmp_path):
        pass


async def test_a_port_in_use_by_another_of_these_servers(tmp_path: Path) -> None:
    async with started(tmp_path / "one") as service:
        message = await refused_start(tmp_path / "two", listen=service.server.address)
    assert "the port is in use" in message


async def test_the_port_that_was_taken_is_told(tmp_path: Path) -> None:
    async with started(tmp_path, listen="localhost:0") as service:
        host, _, port = service.server.address.rpartition(":")
        assert (host, int(port) > 0) == ("localhost", True)


async def test_a_data_directory_in_use(tmp_path: Path) -> None:
    async with started(tmp_path):
        message = await refused_start(tmp_path)
        assert message.startswith(f"the data directory {tmp_path} is in use by another server")
        assert f"process {os.getpid()}" in message
        assert "stop that one, or choose another directory" in message
    async with started(tmp_path):
        pass


async def test_a_data_directory_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    for data_dir in (path, path / "below"):
        message = await refused_start(data_dir)
        assert message.startswith(f"the data directory {data_dir} is a file")


async def test_a_database_from_a_newer_version(tmp_path: Path) -> None:
    async with started(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "secretsync.db") as database:
        names = [row[1] for row in database.execute("PRAGMA table_info(_sqlite_migrations)")]
        columns = ", ".join(name for name in names if name != "id")
        values = ", ".join(
            "'m9999_future'" if name == "name" else name for name in names if name != "id"
        )
        database.execute(
            f"INSERT INTO _sqlite_migrations ({columns}) SELECT {values} FROM _sqlite_migrations"  # noqa: S608
            " LIMIT 1"
        )
    database.close()
    before = dump(tmp_path)
    message = await refused_start(tmp_path)
    assert message.startswith("the database was written by a newer version of secretsync")
    assert "m9999_future" in message
    assert "install that version or a later one" in message
    assert dump(tmp_path) == before


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "secretsync.db").write_text("no database" * 1000)
    assert "is damaged or is not a database" in await refused_start(tmp_path)


async def test_a_missing_key(tmp_path: Path) -> None:
    async with started(tmp_path) as service:
        await service.add_project()
    key = tmp_path / "secretsync.key"
    text = key.read_text()
    key.unlink()
    before = dump(tmp_path)
    message = await refused_start(tmp_path)
    assert message.startswith(f"the key file {key} is missing: restore it from your backup")
    assert not key.exists()
    assert dump(tmp_path) == before
    key.write_text(text)
    key.chmod(0o600)
    async with started(tmp_path):
        pass


async def test_a_wrong_key(tmp_path: Path) -> None:
    async with started(tmp_path / "one"), started(tmp_path / "two"):
        pass
    before = dump(tmp_path / "one")
    wrong = tmp_path / "two" / "secretsync.key"
    message = await refused_start(tmp_path / "one", key_file=wrong)
    assert "start with the key that was used before" in message
    assert f"key file {wrong}" in message
    assert str(tmp_path / "one" / "secretsync.db") in message
    assert dump(tmp_path / "one") == before


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [
        ("nonsense", 0o600, "is malformed: it must hold one line of"),
        ("", 0o600, "is malformed: it must hold one line of"),
        (None, 0o644, "can be read or written by others (mode 0644): run `chmod 600"),
    ],
)
async def test_a_key_file_that_cannot_be_used(
    tmp_path: Path, text: str | None, mode: int, told: str
) -> None:
    async with started(tmp_path):
        pass
    key = tmp_path / "secretsync.key"
    if text is not None:
        key.write_text(text)
    key.chmod(mode)
    assert told in await refused_start(tmp_path)


async def test_the_key_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(tmp_path):
        pass
    key = tmp_path / "secretsync.key"
    text = key.read_text()
    key.unlink()
    monkeypatch.setenv("SECRETSYNC_KEY", text)
    async with started(tmp_path):
        assert not key.exists()
    monkeypatch.setenv("SECRETSYNC_KEY", "nonsense")
    message = await refused_start(tmp_path)
    assert message.startswith("the environment variable SECRETSYNC_KEY is malformed")
    assert "nonsense" not in message
    monkeypatch.setenv("SECRETSYNC_KEY", text[:-9] + "AAAAAAA=\n")
    message = await refused_start(tmp_path)
    assert "variable SECRETSYNC_KEY, database" in message
    assert text[20:40] not in message


async def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    async with started(tmp_path / "new") as service:
        await service.add_project()
        modes = {
            path.name: path.stat().st_mode & 0o777
            for path in [tmp_path / "new", *(tmp_path / "new").iterdir()]
        }
    assert modes.pop("new") == 0o700
    assert len(modes) >= 3
    assert set(modes.values()) == {0o600}


async def test_two_plugins_that_claim_one_destination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def claimed() -> Registry:
        raise RegistryError("two plugins claim the destination 'x': a 1 and b 1. Uninstall one")

    monkeypatch.setattr(Registry, "from_entry_points", claimed)
    with pytest.raises(StartupError, match="two plugins claim the destination 'x': a 1 and b 1"):
        async with running_server(make_settings(listen="127.0.0.1:0", data_dir=tmp_path)):
            pass


async def test_a_disk_that_is_full_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageFullError(os.strerror(errno.ENOSPC))

    for owner, name in ((SqliteStore, "open"), (server, "check_key")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, full)
            assert "No space left on device" in await refused_start(tmp_path)
    async with started(tmp_path):
        pass


async def test_what_was_kept_is_there_after_a_restart(tmp_path: Path) -> None:
    async with started(tmp_path) as service:
        await service.add_project()
        await service.put({"K": "kept \U0001f511"})
    async with started(tmp_path) as service:
        assert await service.values() == {"/K": "kept \U0001f511"}
