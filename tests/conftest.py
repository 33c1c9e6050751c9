"""What all tests share."""

import pytest


@pytest.fixture
def uninstrumented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that the test starts are not measured for coverage.

    For those that are interrupted: CPython 3.11 spins for ever in a traced thread if a signal comes
    while the main thread waits for a lock, since only the main thread can deal with the signal.
    """
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
