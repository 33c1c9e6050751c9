"""Generates the API's Python code from protos/, or checks that generating changes nothing."""

import argparse
import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = Path("secretsync/v1")
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def generate(target: Path) -> None:
    """Write messages, stubs and their types below `target`."""
    tools = Path(sys.executable).parent
    protos = sorted(str(path) for path in (ROOT / "protos" / PACKAGE).glob("*.proto"))
    arguments = [f"--proto_path={ROOT / 'protos'}"]
    for plugin in ("mypy", "mypy_grpc"):
        arguments += [
            f"--plugin=protoc-gen-{plugin}={tools / f'protoc-gen-{plugin}'}",
            f"--{plugin}_out=quiet:{target}",
        ]
    arguments += [f"--python_out={target}", f"--grpc_python_out={target}"]
    command = [sys.executable, "-m", "grpc_tools.protoc", *arguments, *protos]
    subprocess.run(command, check=True)


def generated_files(folder: Path) -> set[str]:
    """Return the names of the generated files in a folder."""
    return {path.name for pattern in GENERATED for path in folder.glob(pattern)}


def differences(present: Path, fresh: Path) -> list[str]:
    """Return the names of files that generating again would add, change or remove."""
    names = generated_files(present) | generated_files(fresh)
    same, _, _ = filecmp.cmpfiles(present, fresh, sorted(names), shallow=False)
    return sorted(names - set(same))


def main() -> int:
    """Generate or check; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("target", type=Path, help="the folder that holds the package")
    options = parser.parse_args()
    if not options.check:
        for name in generated_files(options.target / PACKAGE):
            (options.target / PACKAGE / name).unlink()
        generate(options.target)
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        generate(Path(temporary))
        stale = differences(options.target / PACKAGE, Path(temporary) / PACKAGE)
    if stale:
        print(f"not as `make protos` generates them: {', '.join(stale)}", file=sys.stderr)
        return 1
    print("generated code is as `make protos` generates it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
