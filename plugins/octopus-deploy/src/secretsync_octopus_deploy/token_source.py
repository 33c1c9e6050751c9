"""Gets the identity token that is exchanged at Octopus: from a file, or from a program's output.

Whoever may create connections chooses the path and the server that the token is sent to. That must
let nobody read any file, run any program, or get hold of a token. So all three count only if the
operator of this server allows them, with the environment variables named here. None allows anything
by default.
"""

import asyncio
import contextlib
import os
import signal
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from secretsync.adapter import InvalidConfig, SecretValue, Unavailable
from secretsync_octopus_deploy.credentials import OidcCredentials
from secretsync_octopus_deploy.instance_url import normalized, split_url

DIRECTORIES_VARIABLE = "SECRETSYNC_OCTOPUS_TOKEN_DIRECTORIES"
"""Directories, separated by `os.pathsep`: files anywhere below them may be read."""
COMMANDS_VARIABLE = "SECRETSYNC_OCTOPUS_TOKEN_COMMANDS"
"""Absolute paths of programs, separated by `os.pathsep`: these may be run."""
INSTANCES_VARIABLE = "SECRETSYNC_OCTOPUS_TOKEN_INSTANCES"
"""Instance URLs, separated by commas: tokens may be sent to these."""

MAX_BYTES = 64 * 1024
COMMAND_SECONDS = 30.0

_READ_ATTEMPTS = 3


class _SourceError(Exception):
    """What is wrong with a file or an output: a text that goes on from the name of its field."""


async def identity_token_text(credentials: OidcCredentials) -> SecretValue:
    """Return what the file or the program holds, without the white space around it.

    Raises:
        InvalidConfig: it is not allowed, cannot be read or run, or is larger than `MAX_BYTES`; or
            the instance is not allowed.
        Unavailable: the program failed, or took longer than `COMMAND_SECONDS`.
    """
    if credentials.instance_url not in _allowed_instances():
        raise _invalid(
            "instanceUrl",
            "is not one of the Octopus servers that the operator of the secretsync server allows"
            f" tokens to be sent to ({INSTANCES_VARIABLE})",
        )
    if credentials.token_file is not None:
        return await _from_file(credentials.token_file)
    return await _from_command(credentials.token_command or "")


async def _from_file(path: str) -> SecretValue:
    try:
        content = await asyncio.to_thread(_read_allowed, path)
    except _SourceError as error:
        complaint = str(error)
    else:
        return _text_of(content, "tokenFile")
    raise _invalid("tokenFile", complaint)


def _read_allowed(path: str) -> bytes:
    """Read a file if it is allowed; nothing is told of files that are not, not even if they exist.

    The rule is kept by what the path leads to, so that no link leads out of the directories.
    """
    directories = [Path(os.path.realpath(each)) for each in _listed(DIRECTORIES_VARIABLE)]
    for _ in range(_READ_ATTEMPTS):
        target = Path(os.path.realpath(path))
        if not any(directory in target.parents for directory in directories):
            raise _SourceError(
                "is not in a directory that the operator of the secretsync server allows for"
                f" tokens ({DIRECTORIES_VARIABLE})"
            )
        try:
            return _read(target)
        except FileNotFoundError:
            # Kubernetes renews a token by pointing a link elsewhere and deleting the old file.
            continue
        except OSError as error:
            raise _SourceError(f"cannot be read: {error.strerror}") from None
    raise _SourceError("does not exist; write the token there")


def _read(target: Path) -> bytes:
    # A pipe or a device must neither block nor be read.
    descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _SourceError("is no regular file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)


async def _from_command(path: str) -> SecretValue:
    # Compared as it is written: what a link leads to may do something else under another name.
    if path not in _listed(COMMANDS_VARIABLE):
        raise _invalid(
            "tokenCommand",
            "is not one of the programs that the operator of the secretsync server allows for"
            f" tokens ({COMMANDS_VARIABLE})",
        )
    try:
        output = await _output_of(path)
    except OSError as error:
        complaint = f"cannot be started: {error.strerror}"
    else:
        return _text_of(output, "tokenCommand")
    raise _invalid("tokenCommand", complaint)


async def _output_of(path: str) -> bytes:
    """Return what a program prints, cut off behind the limit, when it has ended well.

    Raises:
        OSError: it cannot be started.
        Unavailable: it failed or took too long.
    """
    # A pipe of our own can be closed although somebody still holds its other end.
    read_end, write_end = os.pipe()
    with open(read_end, "rb", buffering=0) as pipe:  # noqa: ASYNC230, PTH123  opens no path
        try:
            process = await asyncio.create_subprocess_exec(
                path,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                # What programs say of their failures may repeat their secrets.
                stderr=asyncio.subprocess.DEVNULL,
                env=_environment(os.environ),
                start_new_session=True,
            )
        finally:
            os.close(write_end)
        output, code = b"", None
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COMMAND_SECONDS):
                    output = await _read_bounded(pipe)
                    # One that prints too much waits for somebody to read the rest.
                    if len(output) <= MAX_BYTES:
                        code = await process.wait()
        finally:
            if code is None:
                await _end(process)
    if code == 0 or len(output) > MAX_BYTES:
        return output
    if code is None:
        raise _failed(f"it did not end within {COMMAND_SECONDS:g} seconds")
    raise _failed(f"it ended with exit code {code}")


async def _read_bounded(pipe: BinaryIO) -> bytes:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        return await reader.readexactly(MAX_BYTES + 1)
    except asyncio.IncompleteReadError as ended:
        return ended.partial
    finally:
        transport.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a program with all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _failed(what: str) -> Unavailable:
    return Unavailable(
        f"The program of tokenCommand gave no token: {what}.",
        hint="Run it by hand as the user of the secretsync server to see what it says.",
    )


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the server's environment without its own settings, one of which is its key."""
    return {name: value for name, value in variables.items() if not name.startswith("SECRETSYNC_")}


def _listed(variable: str) -> list[str]:
    # A relative path would depend on where the server was started.
    parts = os.environ.get(variable, "").split(os.pathsep)
    return [part for part in parts if Path(part).is_absolute()]


def _allowed_instances() -> set[str]:
    found = set()
    for each in os.environ.get(INSTANCES_VARIABLE, "").split(","):
        # What is no address allows nothing.
        with contextlib.suppress(ValueError):
            found.add(normalized(split_url(each.strip())))
    return found


def _text_of(content: bytes, field: str) -> SecretValue:
    if len(content) > MAX_BYTES:
        raise _invalid(field, f"gives more than {MAX_BYTES} bytes; a token is smaller")
    try:
        text = content.decode("ascii").strip()
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise _invalid(field, "gives no token: it is no ASCII text")
    if not text:
        raise _invalid(field, "gives no token: it is empty")
    return SecretValue(text)


def _invalid(field: str, complaint: str) -> InvalidConfig:
    return InvalidConfig(f"{field} {complaint}.", violations={field: complaint})
