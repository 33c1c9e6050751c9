"""Every page of the documentation: links lead somewhere, commands exist, no machine is named."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from secretsync.cli.main import cli
from secretsync_octopus_deploy.sandbox.main import main as sandbox

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "plugins/octopus-deploy/README.md",
        *DOCS.rglob("*.md"),
    ]
)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def slug_of(heading: str) -> str:
    """Return the anchor that a heading gets."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", without_code(text_of(page)), re.MULTILINE)
    return {slug_of(heading) for heading in headings}


@every_page
def test_all_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", without_code(text_of(page)))
    for link in links:
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_reached_from_the_index() -> None:
    seen: set[Path] = set()
    waiting = [DOCS / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)", text_of(page))
        waiting += [(page.parent / link).resolve() for link in links if not link.startswith("http")]
    assert set(DOCS.rglob("*.md")) <= seen


@every_page
def test_no_page_names_a_machine_or_a_registry(page: Path) -> None:
    forbidden = r"/(work|root|home/\w+)/|pypi\.org/simple|registry\.npmjs|https?://[^/\s]*index"
    assert not re.search(forbidden, text_of(page))


def command_named(*names: str) -> click.Command:
    command: click.Command = cli
    for name in names:
        assert isinstance(command, click.Group), names
        context = click.Context(command, **command.context_settings)
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {' '.join(names)}"
        command = found
    return command


def command_lines(page: Path) -> Iterator[list[str]]:
    """Yield the words of each call of a command in the code blocks of a page."""
    for language, body in re.findall(
        r"^```(\w+)\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL
    ):
        if language not in {"sh", "console"}:
            continue
        joined = re.sub(r"\\\n", " ", body)
        for line in joined.splitlines():
            is_shown = language == "sh" or line.startswith("$ ")
            for call in re.findall(r"\bsecretsync(?:-octopus-sandbox)? [^|;&>]+", line):
                before = line.partition(call)[0].removeprefix("$ ").strip()
                if is_shown and (not before or before.endswith(("|", "&&", "sudo -u secretsync"))):
                    yield shlex.split(call, comments=True)


@every_page
def test_commands_in_code_blocks_exist(page: Path) -> None:
    for words in command_lines(page):
        program, *rest = words
        command: click.Command = cli if program == "secretsync" else sandbox
        known = {name for param in cli.params for name in param.opts}
        path: list[str] = []
        while rest and isinstance(command, click.Group):
            word = rest.pop(0)
            if word in {"--project", "--address", "--timeout"}:
                rest.pop(0)
            elif not word.startswith("-"):
                path.append(word)
                command = command_named(*path)
        context = click.Context(command, **command.context_settings)
        for param in command.get_params(context):
            known |= {*param.opts, *param.secondary_opts}
        used = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert used <= known | {"-"}, f"{' '.join(words)}: {used - known}"
