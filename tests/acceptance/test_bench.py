"""The benchmark does what it measures, and prints it; what it measures is for people to judge."""

import re
import subprocess
import sys
from pathlib import Path

from acceptance_kit import environment

BENCH = Path(__file__).parents[1] / "bench"
RUNS = ("first run: all created", "nothing changed", "one value changed", "all values changed")


def bench(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, BENCH, *options],
        env=environment(COLUMNS="160"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_measures_runs_on_a_set_of_a_given_size() -> None:
    done = bench("--rows", "60", "--ours", "20")

    assert done.returncode == 0, done.stderr
    assert "60 variables, 20 of ours" in done.stdout
    for name in RUNS:
        [line] = [line for line in done.stdout.splitlines() if name in line]
        cells = [cell.strip() for cell in line.strip("│").split("│")]
        wanted = "GET" if name == "nothing changed" else "GET, PUT, GET"
        assert cells[:2] == [name, wanted]
        assert all(re.fullmatch(r"\d+\.\d+", cell) for cell in cells[2:5])
        before, peak = (int(re.sub(r" MiB$", "", cell)) for cell in cells[5:])
        assert 0 < before <= peak


def test_it_refuses_sizes_that_make_no_sense() -> None:
    done = bench("--rows", "10", "--ours", "20")

    assert done.returncode == 2
    assert "--ours must be at least 1 and at most --rows" in done.stderr
