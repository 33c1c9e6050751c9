"""`make bench`: measures what users wait and pay for, each beside a yardstick of the same run.

It reports, and judges nothing but that the work was done: how fast a machine is says little of the
program. See docs/reference/benchmarks.md for what the figures mean.
"""

import argparse
import os
import sys
from pathlib import Path

# The demo's calls and processes serve here too; its folder is no package.
sys.path.insert(0, str(Path(__file__).parents[1] / "acceptance" / "demo"))

import latency
import octopus_size
import scale
from rich.console import Console

SCALE_CHANGES = 10
PARTS = ("size", "latency", "scale")


def main() -> None:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"which of {', '.join(PARTS)}; all by default")
    parser.add_argument("--rows", type=int, default=20_000, help="variables in the set, in all")
    parser.add_argument("--ours", type=int, default=2_000, help="variables that the sync writes")
    parser.add_argument("--changes", type=int, default=60, help="changes, one at a time")
    parser.add_argument("--burst", type=int, default=100, help="changes within a second")
    parser.add_argument("--syncs", type=int, default=10_000, help="syncs in the store")
    given = parser.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if not 0 < given.ours <= given.rows:
        parser.error("--ours must be at least 1 and at most --rows")
    if given.changes < 1 or given.burst < 1:
        parser.error("--changes and --burst must be at least 1")
    if given.syncs < scale.FEWEST:
        parser.error(f"--syncs must be at least {scale.FEWEST}")
    console = Console()
    parts = given.parts or PARTS
    if "size" in parts:
        octopus_size.run(console, rows=given.rows, ours=given.ours)
    if "latency" in parts:
        latency.run(console, changes=given.changes, burst=given.burst)
    if "scale" in parts:
        scale.run(console, syncs=given.syncs, changes=min(given.changes, SCALE_CHANGES))
    console.print(f"{os.cpu_count()} cores")


if __name__ == "__main__":
    main()
