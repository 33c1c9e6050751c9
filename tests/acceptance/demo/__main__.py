"""`make demo`: from .env files to Octopus Deploy variables, on this machine, in a minute."""

import signal
import sys
import tempfile
import time
from pathlib import Path

import grpc
from api import Api
from checks import DemoFailedError, ensure
from processes import running_service
from scenario import Scenario
from show import console, show_numbers

from secretsync.cli.errors import CliError
from secretsync.cli.secret_files import parse
from secretsync_octopus_deploy.sandbox.process import start_sandbox

HERE = Path(__file__).parent


def read_env(path: Path) -> dict[str, str]:
    """Return the secrets of a .env file."""
    values = parse(path.read_text(encoding="utf-8-sig"), "dotenv")
    return {key: value.reveal() for key, value in values.items()}


def wanted_secrets(own_file: str | None) -> dict[str, dict[str, str]]:
    """Return the secrets of both environments; dev's from the user's own file if there is one."""
    if own_file is None:
        return {name: read_env(HERE / f"{name}.env") for name in ("dev", "prod")}
    dev = read_env(Path(own_file))
    ensure(sum(bool(value) for value in dev.values()) > 1, f"{own_file} has two secrets or more")
    return {"dev": dev, "prod": {key: f"made up for prod: {key}" for key in dev}}


def main(own_file: str | None) -> None:
    """Run the demo; raises if anything is not exactly as it should be."""
    begun = time.monotonic()
    wanted = wanted_secrets(own_file)
    with tempfile.TemporaryDirectory(prefix="secretsync-demo-") as temporary:
        data_dir = Path(temporary) / "data"
        with start_sandbox() as octopus, running_service(data_dir) as service:
            console.print(f"Octopus sandbox at {octopus.base_url}, service at {service.address}")
            with grpc.insecure_channel(service.address) as channel:
                scenario = Scenario(Api(channel), octopus, wanted)
                scenario.run()
            memory = service.memory_mib()
    ensure(not Path(temporary).exists(), "no file is left behind")
    console.rule("7. The numbers", align="left")
    show_numbers(scenario.steps.times, scenario.runs, memory)
    console.print(f"All as it should be, in {time.monotonic() - begun:.1f} s.", style="bold green")


def failure(error: Exception) -> str:
    """Return what went wrong, for people."""
    if isinstance(error, DemoFailedError):
        return f"Expected: {error}"
    if isinstance(error, CliError):
        return error.message
    return str(error.details() if isinstance(error, grpc.RpcError) else error)


if __name__ == "__main__":
    # An exception unwinds the `with` blocks, which end the processes and delete the files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        main(sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] else None)
    except (DemoFailedError, CliError, grpc.RpcError, OSError, ValueError) as error:
        console.print(f"The demo failed. {failure(error)}", style="bold red", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
