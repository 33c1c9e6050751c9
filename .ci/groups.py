"""Prints the requirements of a dependency group; older versions of pip do not know groups."""

import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"

if __name__ == "__main__":
    groups = tomllib.loads(PYPROJECT.read_text())["dependency-groups"]
    print("\n".join(groups[sys.argv[1]]))
