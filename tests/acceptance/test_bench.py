"""The benchmarks do what they measure, and print it; what they measure is for people to judge."""

import re
import subprocess
import sys
from pathlib import Path

from acceptance_kit import environment

BENCH = Path(__file__).parents[1] / "bench"
RUNS = ("first run: all created", "nothing changed", "one value changed", "all values changed")
FIGURES = (
    "start of the service",
    "SetSecrets, with the run that it queues",
    "from there to the end of the PUT",
    "the first 50 syncs",
    "the last 50 syncs",
    "the first 500 secrets",
    "the last 500 secrets",
    "a sync",
    "the runs of a sync",
    "CheckDestination",
)


def bench(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, BENCH, *options],
        env=environment(COLUMNS="160"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def cells_of(name: str, output: str) -> list[str]:
    """Return the cells of the row that begins with a name, without the name."""
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in output.splitlines()
        if line.startswith("│")
    ]
    [found] = [row[1:] for row in rows if row[0] == name]
    return found


def test_it_measures_runs_on_a_set_of_a_given_size() -> None:
    done = bench("size", "--rows", "60", "--ours", "20")

    assert done.returncode == 0, done.stderr
    assert "60 variables, 20 of ours" in done.stdout
    for name in RUNS:
        cells = cells_of(name, done.stdout)
        assert cells[0] == ("GET" if name == "nothing changed" else "GET, PUT, GET")
        assert all(re.fullmatch(r"\d+\.\d+", cell) for cell in cells[1:4])
        before, peak = (int(re.sub(r" MiB$", "", cell)) for cell in cells[4:])
        assert 0 < before <= peak


def test_it_measures_how_soon_changes_arrive_and_what_many_syncs_cost() -> None:
    done = bench("latency", "scale", "--changes", "1", "--burst", "10", "--syncs", "100")

    assert done.returncode == 0, done.stderr
    [burst] = re.findall(r"10 changes in \d+\.\d+ s: \d+ runs", done.stdout)
    for name in ("1 changes, one at a time", burst):
        cells = cells_of(name, done.stdout)
        p50, p90, p99, most = (int(cell.removesuffix(" ms")) for cell in cells[:4])
        assert 0 <= p50 <= p90 <= p99 <= most
        assert re.fullmatch(r"\d+\.\d", cells[4])
    assert "100 syncs, 2,000 secrets" in done.stdout
    for name in FIGURES:
        small, large, ratio = cells_of(name, done.stdout)
        assert float(small.removesuffix(" ms")) > 0
        assert float(large.removesuffix(" ms")) > 0
        assert float(ratio) > 0
    assert re.search(r"^\d+ cores$", done.stdout, re.MULTILINE)


def test_it_refuses_sizes_that_make_no_sense() -> None:
    for options, words in (
        (["--rows", "10", "--ours", "20"], "--ours must be at least 1 and at most --rows"),
        (["speed", "--syncs", "100"], "there is no part speed"),
    ):
        done = bench(*options)
        assert done.returncode == 2
        assert words in done.stderr
