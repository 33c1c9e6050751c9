"""What all tests share."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# How long a machine takes is no verdict.
settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that no worker is left with one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture
def interruptible(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Processes that the test starts can be interrupted, wherever the tests run.

    They inherit it if Ctrl-C is ignored, as in what a shell runs in the background. And they are
    not measured for coverage: CPython 3.11 spins for ever in a traced thread if a signal comes
    while the main thread waits for a lock, since only the main thread can deal with the signal.
    """
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
