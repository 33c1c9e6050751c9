"""A world with a real store, a real vault, and an embedded engine that tests start themselves."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

# Test folders are no packages: this lets all modules here import what they share.
sys.path.insert(0, str(Path(__file__).parent / "support"))

from engine_kit import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    opened = await World.open(tmp_path)
    yield opened
    await opened.close()
