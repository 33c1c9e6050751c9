"""Builds the wheels, installs them into an empty environment, and tests these there."""

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"


def run(*command: str | Path) -> None:
    """Run a command at the top of the project; raise if it fails."""
    subprocess.run([str(part) for part in command], check=True, cwd=ROOT)


def main() -> None:
    """Build, install, test."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    with tempfile.TemporaryDirectory(prefix="secretsync-wheels-") as temporary:
        dist, environment = Path(temporary) / "dist", Path(temporary) / "environment"
        for project in (ROOT, ROOT / "plugins" / "octopus-deploy"):
            run(sys.executable, "-m", "build", "--wheel", "--outdir", dist, project)
        core, plugin = (
            next(dist.glob(f"{name}-*.whl")) for name in ("secretsync", "secretsync_octopus_deploy")
        )
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        run(
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--constraint",
            CONSTRAINTS,
            core,
            f"{plugin}[sandbox]",
            *groups["test"],
        )
        # From the wheels and not from src/: an installed package lies in the environment.
        where = "import secretsync, sys; sys.exit(sys.prefix not in secretsync.__file__)"
        run(python, "-I", "-c", where)
        side_by_side = ("--numprocesses", "logical", "--maxprocesses", "4", "--dist", "worksteal")
        run(python, "-m", "pytest", *side_by_side, "tests/acceptance")


if __name__ == "__main__":
    main()
