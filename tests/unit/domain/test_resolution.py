"""Which secrets a source holds: against a model that is too simple to be wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretsync.domain.entities import FolderRef, Secret
from secretsync.domain.problems import Problem, Reason
from secretsync.domain.resolution import (
    Folder,
    SourceView,
    cycle_problem,
    effective_secrets,
    find_cycle,
    resolve_source,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class World:
    """Folders by path, all of one environment: their keys, and the paths that they import."""

    keys: Mapping[str, Sequence[str]]
    imports: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def view(self) -> SourceView:
        return SourceView(folder=self._folder, subfolders=self._subfolders, describe=self._describe)

    def _folder(self, ref: FolderRef) -> Folder | None:
        if ref.path not in self.keys:
            return None
        imports = [at(path) for path in self.imports.get(ref.path, [])]
        return Folder([secret(ref.path, key) for key in self.keys[ref.path]], imports)

    def _subfolders(self, ref: FolderRef) -> Sequence[str]:
        below = ref.path.rstrip("/") + "/"
        return sorted(path for path in self.keys if path == ref.path or path.startswith(below))

    def _describe(self, ref: FolderRef) -> str:
        return f"{ref.environment_uid}:{ref.path}"

    def resolve(self, path: str, *, recursive: bool = False) -> dict[str, str]:
        """Return the path that each key's secret comes from."""
        found = resolve_source(self.view, at(path), recursive=recursive)
        return {key: secret.path for key, secret in found.items()}


def at(path: str) -> FolderRef:
    return FolderRef("dev", path)


def secret(path: str, key: str) -> Secret:
    return Secret(
        uid=f"{path} {key}",
        environment_uid="dev",
        path=path,
        key=key,
        sealed_value=b"",
        create_time=NOW,
        update_time=NOW,
    )


def naive(world: World, path: str, trail: tuple[str, ...] = ()) -> dict[str, str]:
    """Say the rule in as few words as possible."""
    if path in trail:
        raise RecursionError
    if path not in world.keys:
        raise LookupError
    merged: dict[str, str] = {}
    for imported in world.imports.get(path, []):
        merged |= naive(world, imported, (*trail, path))
    return merged | dict.fromkeys(world.keys[path], path)


FOLDERS = ["/a", "/a/b", "/a/c", "/d", "/e"]
WORLDS = st.builds(
    World,
    keys=st.dictionaries(st.sampled_from(FOLDERS), st.lists(st.sampled_from("KLMN"), unique=True)),
    imports=st.dictionaries(
        st.sampled_from(FOLDERS), st.lists(st.sampled_from(FOLDERS), unique=True, max_size=3)
    ),
)


@given(WORLDS, st.sampled_from(FOLDERS))
@settings(max_examples=400, deadline=None)
def test_it_agrees_with_the_model(world: World, path: str) -> None:
    try:
        expected = naive(world, path)
    except (RecursionError, LookupError):
        with pytest.raises(Problem) as told:
            world.resolve(path)
        assert told.value.reason in {Reason.IMPORT_CYCLE, Reason.SOURCE_NOT_FOUND}
    else:
        assert world.resolve(path) == expected


@given(WORLDS)
@settings(max_examples=400, deadline=None)
def test_a_subtree_is_the_union_of_its_folders(world: World) -> None:
    paths = world._subfolders(at("/a"))
    try:
        folders = [naive(world, path) for path in paths]
    except (RecursionError, LookupError):
        with pytest.raises(Problem):
            world.resolve("/a", recursive=True)
        return
    sources: dict[str, set[str]] = {}
    for folder in folders:
        for key, origin in folder.items():
            sources.setdefault(key, set()).add(origin)
    if not paths or any(len(origins) > 1 for origins in sources.values()):
        reason = Reason.DUPLICATE_SECRETS if paths else Reason.SOURCE_NOT_FOUND
        with pytest.raises(Problem) as told:
            world.resolve("/a", recursive=True)
        assert told.value.reason is reason
    else:
        expected = {key: origin for folder in folders for key, origin in folder.items()}
        assert world.resolve("/a", recursive=True) == expected


@given(WORLDS, st.sampled_from(FOLDERS), st.sampled_from(FOLDERS))
@settings(max_examples=400, deadline=None)
def test_find_cycle_finds_the_circle_that_an_import_would_close(
    world: World, start: str, target: str
) -> None:
    reached, frontier = {start}, [start]
    while frontier:
        path = frontier.pop()
        for imported in world.imports.get(path, []) if path in world.keys else []:
            if imported not in reached:
                reached.add(imported)
                frontier.append(imported)
    circle = find_cycle(world.view, at(start), at(target))
    assert bool(circle) is (target in reached)
    if circle:
        assert circle[:2] == (at(target), at(start))
        assert circle[-1] == at(target)
        for importer, following in pairwise(circle[1:]):
            assert following.path in world.imports[importer.path]


class TestPrecedence:
    def test_own_secrets_win(self) -> None:
        world = World({"/a": ["K"], "/b": ["K", "L"]}, {"/a": ["/b"]})
        assert world.resolve("/a") == {"K": "/a", "L": "/b"}

    def test_later_imports_win_over_earlier_ones(self) -> None:
        world = World({"/a": [], "/b": ["K"], "/c": ["K"]}, {"/a": ["/b", "/c"]})
        assert world.resolve("/a") == {"K": "/c"}

    def test_imports_of_imports_count_and_yield_to_their_importer(self) -> None:
        world = World({"/a": [], "/b": ["K"], "/c": ["K", "L"]}, {"/a": ["/b"], "/b": ["/c"]})
        assert world.resolve("/a") == {"K": "/b", "L": "/c"}

    def test_what_a_later_import_imports_wins_over_an_earlier_import(self) -> None:
        world = World(
            {"/a": [], "/b": ["K"], "/c": [], "/d": ["K"]}, {"/a": ["/b", "/c"], "/c": ["/d"]}
        )
        assert world.resolve("/a") == {"K": "/d"}

    def test_a_diamond_is_no_circle(self) -> None:
        world = World(
            {"/a": [], "/b": ["L"], "/c": [], "/d": ["K", "L"]},
            {"/a": ["/b", "/c"], "/b": ["/d"], "/c": ["/d"]},
        )
        # /c comes last, so what it imports wins over /b's own.
        assert world.resolve("/a") == {"K": "/d", "L": "/d"}


class TestSubtrees:
    def test_duplicates_are_named_with_both_paths(self) -> None:
        world = World({"/a": ["K"], "/a/b": ["K"]})
        with pytest.raises(Problem) as told:
            world.resolve("/a", recursive=True)
        assert told.value.reason is Reason.DUPLICATE_SECRETS
        assert "'K', one in /a and one in /a/b" in told.value.message

    def test_the_same_secret_reached_twice_is_no_duplicate(self) -> None:
        world = World({"/a": [], "/a/b": [], "/d": ["K"]}, {"/a": ["/d"], "/a/b": ["/d"]})
        assert world.resolve("/a", recursive=True) == {"K": "/d"}

    def test_neighbours_with_the_same_beginning_are_outside(self) -> None:
        world = World({"/a": ["K"], "/ab": ["L"]})
        assert world.resolve("/a", recursive=True) == {"K": "/a"}


class TestWhatIsMissing:
    @pytest.mark.parametrize("recursive", [False, True])
    def test_a_missing_source_folder_is_named(self, recursive: bool) -> None:  # noqa: FBT001
        with pytest.raises(Problem) as told:
            World({}).resolve("/gone", recursive=recursive)
        assert told.value.reason is Reason.SOURCE_NOT_FOUND
        assert told.value.message.startswith("the source folder, dev:/gone, does not exist:")

    def test_a_missing_import_is_named_with_its_importer(self) -> None:
        with pytest.raises(Problem) as told:
            World({"/a": [], "/b": []}, {"/a": ["/b"], "/b": ["/gone"]}).resolve("/a")
        assert told.value.reason is Reason.SOURCE_NOT_FOUND
        assert "the folder that dev:/b imports, dev:/gone, does not exist" in told.value.message

    def test_an_empty_folder_is_not_missing(self) -> None:
        assert World({"/a": []}).resolve("/a") == {}


class TestCircles:
    def test_the_circle_is_named_without_the_way_to_it(self) -> None:
        world = World({"/a": [], "/b": [], "/c": []}, {"/a": ["/b"], "/b": ["/c"], "/c": ["/b"]})
        with pytest.raises(Problem) as told:
            world.resolve("/a")
        assert told.value.reason is Reason.IMPORT_CYCLE
        assert told.value.metadata == {"cycle": "dev:/b -> dev:/c -> dev:/b"}

    def test_a_folder_cannot_import_itself(self) -> None:
        assert find_cycle(World({"/a": []}).view, at("/a"), at("/a")) == (at("/a"), at("/a"))
        with pytest.raises(Problem, match="dev:/a -> dev:/a"):
            World({"/a": []}, {"/a": ["/a"]}).resolve("/a")

    def test_a_long_circle_is_told_in_a_few_words(self) -> None:
        refs = [at(f"/{number}") for number in range(1000)]
        problem = cycle_problem(World({}).view, [*refs, refs[0]])
        assert problem.metadata["cycle"].startswith("dev:/0 -> dev:/1 -> ")
        assert " -> (991 more) -> " in problem.metadata["cycle"]
        assert problem.metadata["cycle"].endswith("dev:/999 -> dev:/0")
        assert len(problem.message) < 400


class TestLongChains:
    chain = World(
        {f"/{number}": [f"K{number}"] for number in range(5000)},
        {f"/{number}": [f"/{number + 1}"] for number in range(4999)},
    )

    def test_they_are_resolved(self) -> None:
        found = effective_secrets(self.chain.view, at("/0"))
        assert len(found) == 5000
        assert found["K4999"].path == "/4999"

    def test_their_circles_are_found(self) -> None:
        assert len(find_cycle(self.chain.view, at("/0"), at("/4999"))) == 5001
        closed = World(self.chain.keys, {**self.chain.imports, "/4999": ["/0"]})
        with pytest.raises(Problem) as told:
            closed.resolve("/0")
        assert told.value.reason is Reason.IMPORT_CYCLE
