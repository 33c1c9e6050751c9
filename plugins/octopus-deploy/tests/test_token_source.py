"""Where identity tokens come from: only what the operator allows, and never more than a token."""

# A file of a few bytes blocks nobody, and what stands in for a function takes its arguments.
# ruff: noqa: ANN401, ASYNC240

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from octopus_kit import NOW
from tokens import SIGNATURE, part_of, program, token_of

from secretsync.adapter import AdapterError, AuthenticationFailed, InvalidConfig, Unavailable
from secretsync_octopus_deploy import token_source
from secretsync_octopus_deploy.credentials import OidcCredentials
from secretsync_octopus_deploy.identity_token import LEEWAY, identity_token
from secretsync_octopus_deploy.token_source import (
    COMMANDS_VARIABLE,
    DIRECTORIES_VARIABLE,
    INSTANCES_VARIABLE,
)

ACCOUNT = "c1d2e3f4-0a1b-2c3d-4e5f-60718293a4b5"
TOKEN = token_of(sub="svc")
NOT_ALLOWED = "is not in a directory that the operator of the secretsync server allows"


@pytest.fixture(autouse=True)
def _instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INSTANCES_VARIABLE, "https://octopus.example.com")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is allowed."""
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    monkeypatch.setenv(DIRECTORIES_VARIABLE, f"/nonexistent{os.pathsep}{allowed}")
    return allowed


@pytest.fixture
def allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one program that is allowed."""
    path = tmp_path / "get-token"
    monkeypatch.setenv(COMMANDS_VARIABLE, f"/nonexistent{os.pathsep}{path}")
    return path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The process groups of the programs that were started."""
    pids: list[int] = []
    start = asyncio.create_subprocess_exec

    async def note(*args: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*args, **options)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", note)
    return pids


async def token_from(**source: object) -> str:
    fields = {
        "instanceUrl": "https://octopus.example.com",
        "serviceAccountId": ACCOUNT,
        **{name: str(path) for name, path in source.items()},
    }
    return (await identity_token(OidcCredentials.model_validate(fields), NOW)).reveal()


async def refused(**source: object) -> InvalidConfig:
    with pytest.raises(InvalidConfig) as caught:
        await token_from(**source)
    assert caught.value.violations.keys() == source.keys()
    return caught.value


async def none_left(groups: list[int]) -> None:
    """Wait until nothing of a program that was started runs any more."""

    def runs(process: psutil.Process) -> bool:
        try:
            group = os.getpgid(process.pid)
            return group in groups and process.status() != psutil.STATUS_ZOMBIE
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False

    assert groups
    async with asyncio.timeout(10):
        while any(runs(one) for one in psutil.process_iter()):  # noqa: ASYNC110  tells nobody
            await asyncio.sleep(0.01)


async def written(path: Path) -> str:
    """Wait until a program has written a line to a file, and return it."""
    async with asyncio.timeout(30):
        while not path.exists() or not path.read_text().endswith("\n"):  # noqa: ASYNC110  likewise
            await asyncio.sleep(0.01)
    return path.read_text()


async def test_a_file_in_an_allowed_directory(directory: Path) -> None:
    path = directory / "deep" / "token"
    path.parent.mkdir()
    path.write_text(f"\n {TOKEN}\r\n")

    assert await token_from(tokenFile=path) == TOKEN


async def test_nothing_is_allowed_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DIRECTORIES_VARIABLE, raising=False)
    monkeypatch.delenv(COMMANDS_VARIABLE, raising=False)
    path = program(tmp_path / "token", f"touch {tmp_path}/ran; echo {TOKEN}")

    assert NOT_ALLOWED in (await refused(tokenFile=path)).message
    assert "is not one of the programs" in (await refused(tokenCommand=path)).message
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("allowed", "is_allowed"),
    [
        ("", False),
        ("octopus.example.com", False),
        ("https://octopus.example.com:8443", False),
        ("http://octopus.example.com", False),
        ("https://octopus.example.com/base", False),
        ("https://octopus.example.com https://a.example.com", False),
        ("https://a.example.com, https://Octopus.Example.com:443/api/,x", True),
    ],
)
async def test_tokens_go_to_allowed_instances_only(
    directory: Path, monkeypatch: pytest.MonkeyPatch, allowed: str, *, is_allowed: bool
) -> None:
    (directory / "token").write_text(TOKEN)
    monkeypatch.setenv(INSTANCES_VARIABLE, allowed)

    if is_allowed:
        assert await token_from(tokenFile=directory / "token") == TOKEN
        return
    with pytest.raises(InvalidConfig, match="allows tokens to be sent to") as caught:
        await token_from(tokenFile=directory / "token")
    assert caught.value.violations.keys() == {"instanceUrl"}


async def test_of_files_elsewhere_nothing_is_told(directory: Path) -> None:
    outside = directory.parent / "outside"
    outside.write_text(TOKEN)
    (directory / "link").symlink_to(outside)
    messages = {
        (await refused(tokenFile=path)).message
        for path in (
            outside,
            directory.parent / "missing",
            directory / "link",
            f"{directory}-beside",
            directory,
        )
    }

    assert len(messages) == 1
    assert NOT_ALLOWED in messages.pop()


async def test_links_within_the_directory_are_followed(directory: Path) -> None:
    version = directory / "..2026_01_01"
    version.mkdir()
    (version / "token").write_text(TOKEN)
    (directory / "..data").symlink_to(version.name)
    (directory / "token").symlink_to("..data/token")

    assert await token_from(tokenFile=directory / "token") == TOKEN


async def test_an_allowed_directory_may_be_a_link(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "token").write_text(TOKEN)
    (directory.parent / "link").symlink_to(directory)
    monkeypatch.setenv(DIRECTORIES_VARIABLE, str(directory.parent / "link"))

    assert await token_from(tokenFile=directory / "token") == TOKEN
    assert await token_from(tokenFile=directory.parent / "link" / "token") == TOKEN


async def test_relative_directories_do_not_count(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "token").write_text(TOKEN)
    monkeypatch.chdir(directory)
    monkeypatch.setenv(DIRECTORIES_VARIABLE, f".{os.pathsep}{os.pathsep}")

    assert NOT_ALLOWED in (await refused(tokenFile=directory / "token")).message


async def test_a_file_that_is_renewed_in_the_meantime(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = directory / "token"
    path.symlink_to(directory / "new")
    (directory / "new").write_text(TOKEN)
    stale = [Path(directory / "old")]
    read = token_source._read
    # The link is resolved, then led elsewhere, and then the file is opened.
    monkeypatch.setattr(
        token_source, "_read", lambda target: read(stale.pop() if stale else target)
    )

    assert await token_from(tokenFile=path) == TOKEN


async def test_files_that_are_no_use(directory: Path) -> None:
    (directory / "empty").write_text(" \n")
    (directory / "binary").write_bytes(b"\xff\xfe")
    (directory / "large").write_text("x" * (token_source.MAX_BYTES + 1))
    (directory / "full").write_text("x" * token_source.MAX_BYTES)
    (directory / "loop").symlink_to("loop")
    os.mkfifo(directory / "pipe")
    (directory / "dir").mkdir()
    said = {
        path: (await refused(tokenFile=directory / path)).message
        for path in ("missing", "empty", "binary", "large", "full", "loop", "pipe", "dir")
    }

    assert said == {
        "missing": "tokenFile does not exist; write the token there.",
        "empty": "tokenFile gives no token: it is empty.",
        "binary": "tokenFile gives no token: it is no ASCII text.",
        "large": "tokenFile gives more than 65536 bytes; a token is smaller.",
        "full": "tokenFile gives no signed JSON Web Token: three parts in Base64url with dots"
        " between.",
        "loop": "tokenFile cannot be read: Too many levels of symbolic links.",
        "pipe": "tokenFile is no regular file.",
        "dir": "tokenFile is no regular file.",
    }


@pytest.mark.parametrize(
    "text",
    [
        "hunter2-hunter2",
        f"{TOKEN}.{SIGNATURE}",
        TOKEN.replace(".", "..", 1),
        TOKEN.removesuffix(SIGNATURE),
        f"{TOKEN}\n{TOKEN}",
        f"Bearer {TOKEN}",
        f"{part_of([])}.{part_of({})}.{SIGNATURE}",
        f"{part_of({})}.{part_of('text')}.{SIGNATURE}",
        f"{part_of({})}.e30x.{SIGNATURE}",
        f"{part_of({})}.A.{SIGNATURE}",
    ],
)
async def test_texts_that_are_no_signed_token(directory: Path, text: str) -> None:
    (directory / "token").write_text(text)

    error = await refused(tokenFile=directory / "token")

    assert "gives no signed JSON Web Token" in error.message
    assert error.__context__ is None
    assert not any(part in str(error.violations) for part in text.split(".") if part)


@pytest.mark.parametrize("field", ["tokenFile", "tokenCommand"])
async def test_a_token_that_has_expired(directory: Path, allow: Path, field: str) -> None:
    text = token_of(exp=int((NOW - LEEWAY).timestamp()) - 1)
    (directory / "token").write_text(text)
    source = directory / "token" if field == "tokenFile" else program(allow, f"echo {text}")

    with pytest.raises(AuthenticationFailed) as caught:
        await token_from(**{field: source})

    assert caught.value.message == f"The token of {field} expired at 2026-01-01T11:54:59Z."
    assert "renews it" in str(caught.value.hint)


@pytest.mark.parametrize(
    "expiry",
    [NOW.timestamp(), NOW.timestamp() - LEEWAY.total_seconds(), None, "never", True, 1e300, 1e400],
)
async def test_a_token_that_may_still_be_valid_is_for_octopus_to_judge(
    directory: Path, expiry: object
) -> None:
    text = token_of(exp=expiry)
    (directory / "token").write_text(text)

    assert await token_from(tokenFile=directory / "token") == text


async def test_the_output_of_an_allowed_program(
    allow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRETSYNC_KEY", "hunter2")
    monkeypatch.setenv("ISSUER", "present")
    report = allow.parent / "report"
    program(allow, f"env > {report}; wc -c > {report}-stdin; echo hunter2 >&2; echo {TOKEN}")

    assert await token_from(tokenCommand=allow) == TOKEN
    assert "hunter2" not in report.read_text()
    assert "SECRETSYNC_" not in report.read_text()
    assert "ISSUER=present" in report.read_text()
    assert (allow.parent / "report-stdin").read_text().strip() == "0"


async def test_a_program_is_allowed_as_it_is_written(allow: Path) -> None:
    program(allow, f"echo {TOKEN}")
    link = allow.parent / "link"
    link.symlink_to(allow)

    assert "is not one of the programs" in (await refused(tokenCommand=link)).message


async def test_programs_that_cannot_be_started(allow: Path) -> None:
    error = await refused(tokenCommand=allow)
    assert error.message == "tokenCommand cannot be started: No such file or directory."
    program(allow, "").chmod(0o600)
    error = await refused(tokenCommand=allow)
    assert error.message == "tokenCommand cannot be started: Permission denied."
    assert error.__context__ is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo hunter2; echo hunter2 >&2; exit 7", "it ended with exit code 7"),
        ("kill -KILL $$", "it ended with exit code -9"),
    ],
)
async def test_a_program_that_fails(allow: Path, body: str, said: str) -> None:
    program(allow, body)

    with pytest.raises(Unavailable, match=said) as caught:
        await token_from(tokenCommand=allow)

    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    "body",
    ["sleep 60", "sleep 60 & echo x", "exec >&-; sleep 60"],
    ids=["silent", "child holds the output", "closed output"],
)
async def test_a_program_that_does_not_end_is_ended(
    allow: Path, started: list[int], monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(token_source, "COMMAND_SECONDS", 0.2)
    program(allow, body)

    with pytest.raises(Unavailable, match=r"it did not end within 0\.2 seconds"):
        await token_from(tokenCommand=allow)

    await none_left(started)


async def test_a_program_that_prints_too_much_is_ended(allow: Path, started: list[int]) -> None:
    program(allow, "exec cat /dev/zero")

    error = await refused(tokenCommand=allow)

    assert "gives more than 65536 bytes" in error.message
    await none_left(started)


async def test_what_escapes_the_end_of_its_program_is_not_waited_for(
    allow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_source, "COMMAND_SECONDS", 0.2)
    pids = allow.parent / "pids"
    program(allow, f"setsid sh -c 'echo $$ > {pids}; exec sleep 60' & exit 0")

    with pytest.raises(Unavailable, match="it did not end"):
        await token_from(tokenCommand=allow)

    os.kill(int(await written(pids)), signal.SIGKILL)


async def test_a_program_ends_with_the_run_that_started_it(allow: Path, started: list[int]) -> None:
    mark = allow.parent / "mark"
    program(allow, f"echo runs > {mark}; sleep 60")
    task = asyncio.create_task(token_from(tokenCommand=allow))
    await written(mark)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await none_left(started)


async def test_no_complaint_holds_what_was_read(directory: Path, allow: Path) -> None:
    secret = "hunter2" * 20
    (directory / "token").write_text(secret)
    program(allow, f"echo {secret}")
    for source in ({"tokenFile": directory / "token"}, {"tokenCommand": allow}):
        with pytest.raises(AdapterError) as caught:
            await token_from(**source)
        shown = f"{caught.value!r} {caught.value.hint} {caught.value.__cause__!r}"
        assert "hunter2" not in shown
