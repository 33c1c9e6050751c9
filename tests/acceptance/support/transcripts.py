"""The console sessions of the documentation: runs them, and compares or rewrites what they print.

A session is all ```console blocks of a page, run in one shell in an empty folder. Lines that begin
with `$ ` are commands, the rest is what they print; a line `...` stands for any number of lines.
A block after the words "Save this as `NAME`:" becomes a file. Run this file with the paths of
pages to rewrite what does not match.
"""

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from acceptance_kit import ROOT, environment

SESSION_SECONDS = 240
SANDBOX, SERVER = "127.0.0.1:8066", "127.0.0.1:8470"
"""The addresses that the documentation uses; sessions run on free ports instead."""

# What every page of docs/how-to takes for granted; docs/how-to/README.md says so.
PREPARATION = f"""
export SECRETSYNC_SANDBOX_API_KEY=API-SANDBOX SECRETSYNC_PROJECT=shop
secretsync-octopus-sandbox --listen {SANDBOX} > sandbox.log 2>&1 &
secretsync serve --listen {SERVER} --data-dir data > serve.log 2>&1 &
touch sandbox.log serve.log
until grep -q listening sandbox.log && grep -q listening serve.log; do sleep 0.1; done
printf 'API-SANDBOX\\n' > api-key.txt
{{
secretsync project create shop
secretsync environment create dev
secretsync environment create prod
secretsync connection create octopus --destination octopus-deploy \
  --set instanceUrl=http://{SANDBOX} --secret-file apiKey=api-key.txt
}} > preparation.log 2>&1 || cat preparation.log
"""

_VARYING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"\b[0-9a-f]{24,64}\b"), "HEX"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+Z?|Z)?"), "TIME"),
    (re.compile(r"\((now|\d+ \w+ ago)\)"), "AGO"),
    (re.compile(r"\b\d+(\.\d+)? m?s\b"), "DURATION"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\s+"), " "),
)


@dataclass
class Command:
    """A command of a session.

    Attributes:
        text: what is typed.
        start: index of the first line of its output in the page.
        expected: the output that the page shows.
        files: files that are written before it.
    """

    text: str
    start: int
    expected: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)


def commands_of(lines: Sequence[str]) -> list[Command]:
    """Return the commands of a page's console blocks."""
    found: list[Command] = []
    files: dict[str, str] = {}
    for language, start, body in blocks(lines):
        saved = re.search(r"[Ss]ave this as `([^`]+)`", " ".join(lines[max(0, start - 4) : start]))
        if saved and language != "console":
            files[saved[1]] = "\n".join(body) + "\n"
        if language != "console":
            continue
        for number, line in enumerate(body, start):
            if line.startswith("$ "):
                found.append(Command(line[2:], number + 1, files=files))
                files = {}
            elif found[-1].text.endswith("\\") and not found[-1].expected:
                found[-1].text += f"\n{line}"
                found[-1].start = number + 1
            else:
                found[-1].expected.append(line)
    return found


def blocks(lines: Sequence[str]) -> Iterator[tuple[str, int, list[str]]]:
    """Yield the fenced blocks of a page: language, index of the first line, lines."""
    fence = 0
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if fence:
            yield lines[fence - 1][3:].strip(), fence, list(lines[fence:number])
            fence = 0
        else:
            fence = number + 1


def play(commands: Sequence[Command], *, prepared: bool) -> list[list[str]]:
    """Run a session, and return the lines that each command printed.

    Args:
        commands: its commands.
        prepared: whether the servers are running and `shop` exists when it begins.
    """
    ports = {SANDBOX: _free_address(), SERVER: _free_address()}
    mark = "----end of command----"
    script = [f"export SECRETSYNC_ADDRESS={SERVER}", PREPARATION if prepared else ""]
    for number, command in enumerate(commands):
        for name, content in command.files.items():
            script.append(f"printf %s {shlex.quote(content)} > {shlex.quote(name)}")
        if command.text.endswith("&"):
            log = f".background-{number}"
            script += [f"{command.text[:-1]} > {log} &", "for _ in {1..600}; do"]
            script += [f"[ -s {log} ] && break; sleep 0.1; done; cat {log}"]
        else:
            script.append(command.text)
        script.append(f"printf '\\n{mark}\\n'")
    text = "\n".join(script)
    for documented, actual in ports.items():
        text = text.replace(documented, actual)
    with tempfile.TemporaryDirectory(prefix="secretsync-docs-") as folder:
        output = _run(text, Path(folder))
    for documented, actual in ports.items():
        output = output.replace(actual, documented)
    printed = output.replace(folder, "/tmp").split(f"\n{mark}\n")  # noqa: S108  only shown
    assert len(printed) == len(commands) + 1, f"the session broke off: {output[-2000:]}"
    return [part.removesuffix("\n").split("\n") if part else [] for part in printed[:-1]]


def _run(script: str, folder: Path) -> str:
    tools = Path(sys.executable).parent
    work = folder / "work"
    work.mkdir()
    with (folder / "output").open("w+b") as output, (folder / "script").open("w") as file:
        file.write(script + "\nkill $(jobs -p) 2> .kill; wait\n")
        file.flush()
        shell = subprocess.Popen(
            ["bash", file.name],  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=work,
            env=environment(
                PATH=f"{tools}:/usr/bin:/bin", HOME=str(work), TZ="UTC", NO_COLOR="1", COLUMNS="80"
            ),
            start_new_session=True,
        )
        try:
            shell.wait(SESSION_SECONDS)
        finally:
            # Whatever a session that broke off has left running belongs to its process group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
        output.seek(0)
        return output.read().decode()


def _free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def matches(expected: Sequence[str], actual: Sequence[str]) -> bool:
    """Tell whether output is as shown, but for times, ids and sizes of blanks."""
    wanted = [_normal(line) for line in expected]
    found = [_normal(line) for line in actual]
    pattern = "".join(
        "(?:.*\n)*?" if line == "..." else f"{re.escape(line)}\n" for line in _trimmed(wanted)
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _trimmed(found))) is not None


def _trimmed(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines = lines[:-1]
    return lines


def _normal(line: str) -> str:
    for pattern, replacement in _VARYING:
        line = pattern.sub(replacement, line)
    return line.strip()


def is_prepared(page: Path) -> bool:
    """Tell whether a page takes running servers for granted."""
    return page.parent.name == "how-to"


def pages() -> list[Path]:
    """Return the pages that hold a session."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if "```console" in page.read_text(encoding="utf-8")]


def rewrite(page: Path) -> None:
    """Replace the outputs in a page that are not what its commands print."""
    lines = page.read_text(encoding="utf-8").split("\n")
    commands = commands_of(lines)
    printed = play(commands, prepared=is_prepared(page))
    for command, actual in reversed(list(zip(commands, printed, strict=True))):
        if not matches(command.expected, actual):
            end = command.start + len(command.expected)
            lines[command.start : end] = [line.rstrip() for line in actual]
    page.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        rewrite(Path(argument).resolve())
