"""What is kept of an attempt, however much a destination has to say."""

from secretsync.adapter import RunResult
from secretsync.engine.report import MAX_TEXT, MAX_WARNINGS, RunReport, shortened


def test_texts_are_cut_off() -> None:
    assert shortened("x" * MAX_TEXT) == "x" * MAX_TEXT
    assert shortened("x" * (MAX_TEXT + 1)) == "x" * MAX_TEXT + "..."


def test_warnings_are_bounded_in_length_and_number() -> None:
    short = [f"warning {number}" for number in range(MAX_WARNINGS + 4)]
    result = RunResult(keys=(), ledger=(), warnings=("y" * 10_000, *short))

    kept = RunReport(result=result).outcome().warnings

    assert kept[0] == "y" * MAX_TEXT + "..."
    assert kept[1:MAX_WARNINGS] == tuple(short[: MAX_WARNINGS - 1])
    assert kept[MAX_WARNINGS:] == ("There are 5 more warnings.",)
