"""`make bench`: measures what users wait and pay for, each beside a yardstick of the same run.

It reports, and judges nothing but that the work was done: how fast a machine is says little of the
program. See docs/reference/benchmarks.md for what the figures mean.
"""

import argparse
import sys
from pathlib import Path

# The demo's calls and processes serve here too; its folder is no package.
sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance" / "demo"))

import octopus_size
from rich.console import Console


def main() -> None:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="variables in the set, in all")
    parser.add_argument("--ours", type=int, default=2_000, help="variables that the sync writes")
    sizes = parser.parse_args()
    if not 0 < sizes.ours <= sizes.rows:
        parser.error("--ours must be at least 1 and at most --rows")
    octopus_size.run(Console(), rows=sizes.rows, ours=sizes.ours)


if __name__ == "__main__":
    main()
