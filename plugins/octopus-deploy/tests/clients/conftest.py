"""Octopus's own clients: what their tests share with others."""

import sys
from pathlib import Path

# Test folders are no packages: this lets the modules here import what the whole project shares.
sys.path.insert(0, str(Path(__file__).parents[4] / "tests" / "support"))
