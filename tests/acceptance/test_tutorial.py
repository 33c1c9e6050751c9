"""Every console session in the documentation runs, and prints what the page says it prints."""

from pathlib import Path

import pytest
from acceptance_kit import ROOT
from transcripts import commands_of, is_prepared, matches, pages, play


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_sessions_of_a_page_print_what_it_shows(page: Path) -> None:
    commands = commands_of(page.read_text(encoding="utf-8").split("\n"))
    printed = play(commands, prepared=is_prepared(page))
    different = [
        f"$ {command.text}\n" + "\n".join(actual)
        for command, actual in zip(commands, printed, strict=True)
        if not matches(command.expected, actual)
    ]
    assert not different, "\n".join(["these print something else:", *different])


def test_the_tutorial_and_the_readme_hold_sessions() -> None:
    assert {ROOT / "README.md", ROOT / "docs/tutorial/first-sync.md"} <= set(pages())
