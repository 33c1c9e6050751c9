"""Starts and ends the service as a process of its own, and measures it."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from checks import DemoFailedError, ensure

READY = "secretsync listening on "
STOP_SECONDS = 20


@dataclass(frozen=True)
class Service:
    """The running service: where it listens, and its process."""

    address: str
    process: subprocess.Popen[str]

    def memory_mib(self) -> float:
        """Return the memory that it occupies (resident set), in MiB."""
        command = ["ps", "-o", "rss=", "-p", str(self.process.pid)]
        if Path("/proc/self/status").exists():
            status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
            kib = next(line.split()[1] for line in status.splitlines() if "VmRSS" in line)
        else:
            kib = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return int(kib) / 1024


def installed(command: str) -> str:
    """Return the path of a command of the environment that runs this."""
    path = Path(sys.executable).parent / command
    ensure(path.exists(), f"{command} is installed beside {sys.executable}")
    return str(path)


@contextlib.contextmanager
def running_service(data_dir: Path) -> Iterator[Service]:
    """Run the service on a free loopback port, and end it."""
    log = data_dir.with_suffix(".log")
    command = [installed("secretsync"), "serve", "--listen", "127.0.0.1:0"]
    with log.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            [*command, "--data-dir", str(data_dir)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            # A demo must not depend on a key that happens to be in the environment.
            env={name: value for name, value in os.environ.items() if name != "SECRETSYNC_KEY"},
        )
        try:
            if process.stdout is None:
                raise DemoFailedError("the service has an output")
            line = process.stdout.readline().strip()
            ensure(line.startswith(READY), f"the service starts; its log says: {log.read_text()}")
            yield Service(line.removeprefix(READY), process)
            process.terminate()
            code = process.wait(STOP_SECONDS)
            ensure(code == 0, f"the service ends cleanly when told to (it ended with {code})")
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
