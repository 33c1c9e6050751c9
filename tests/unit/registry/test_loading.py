"""Plugins are found by entry point, and a bad one stops nothing but its own destination."""

import sys
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from secretsync.adapter import (
    API_VERSION,
    AdapterModel,
    Capability,
    DestinationInfo,
    RunResult,
    ValidateResult,
    hookimpl,
)
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.registry import FailedDestination, LoadedDestination, Registry, RegistryError


class Config(AdapterModel):
    place: str


def info(name: str = "vault", **changes: Any) -> DestinationInfo:  # noqa: ANN401
    made = DestinationInfo(
        name=name,
        title=name.title(),
        description="A destination for tests.",
        config_model=Config,
        credential_models={},
        target_key=lambda config, _: str(config.place),
    )
    return replace(made, **changes)


class Plugin:
    """Implements what every destination must."""

    def __init__(self, described: object) -> None:
        self.described = described

    @hookimpl
    def destination(self) -> object:
        return self.described

    @hookimpl
    async def validate(self, request: object) -> ValidateResult:
        del request
        return ValidateResult(summary="fine", instance="memory")

    @hookimpl
    async def sync(self, request: object) -> RunResult:
        del request
        return RunResult(keys=(), ledger=())

    @hookimpl
    async def remove(self, request: object) -> RunResult:
        del request
        return RunResult(keys=(), ledger=())


class WithoutHooks:
    """Implements nothing but the description."""

    @hookimpl
    def destination(self) -> DestinationInfo:
        return info()


class WithDiscover(Plugin):
    """Has the optional hook too."""

    @hookimpl
    async def discover(self, request: object) -> None:
        del request


class WithUnknownHook(Plugin):
    """Implements a hook that this version does not have."""

    @hookimpl
    def teleport(self) -> None: ...


class WithUnknownArgument(Plugin):
    """Implements a hook with an argument that it does not have; sorts after an unknown hook."""

    @hookimpl
    def a_teleport(self) -> None: ...

    @hookimpl
    async def sync(self, wish: object) -> RunResult:
        del wish
        return RunResult(keys=(), ledger=())


@dataclass(frozen=True)
class FakePoint:
    """An entry point that loads what a test says, or raises it."""

    name: str
    loads: object
    value: str = "package.module"
    dist: Any = None

    def load(self) -> object:
        if isinstance(self.loads, BaseException):
            raise self.loads
        return self.loads


def registry_of(*points: FakePoint) -> Registry:
    return Registry.from_entry_points(points)  # type: ignore[arg-type]


def distribution(name: str, version: str = "1.0") -> SimpleNamespace:
    return SimpleNamespace(name=name, version=version)


GOOD = FakePoint("good", Plugin(info("good")), dist=distribution("secretsync-good", "1.2"))


def test_what_is_installed_is_found() -> None:
    [octopus] = [
        each
        for each in Registry.from_entry_points().list()
        if isinstance(each, LoadedDestination) and each.info.name == "octopus-deploy"
    ]
    assert octopus.distribution.startswith("secretsync-octopus-deploy ")


def test_a_module_is_a_plugin_too(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("a_plugin_for_tests")
    for hook in ("destination", "validate", "sync", "remove"):
        setattr(module, hook, getattr(Plugin(info("good")), hook))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    point = EntryPoint(name="good", value=module.__name__, group="secretsync")
    registry = Registry.from_entry_points([point])
    assert registry.get("good").info.title == "Good"
    assert registry.get("good").distribution == "a_plugin_for_tests"


def test_a_good_plugin_is_loaded_with_its_distribution() -> None:
    registry = registry_of(GOOD)
    assert registry.get("good") == LoadedDestination(GOOD.loads.described, "secretsync-good 1.2")  # type: ignore[attr-defined]
    assert registry.list() == [registry.get("good")]


@pytest.mark.parametrize(
    ("loads", "reason"),
    [
        (ImportError("no module named x"), "ImportError: no module named x"),
        (SyntaxError("bad"), "SyntaxError: bad"),
        (SystemExit(3), "SystemExit: 3"),
        (
            WithoutHooks(),
            "ValueError: it does not implement the hook(s) validate, sync, remove",
        ),
        (
            object(),
            "ValueError: it does not implement the hook(s) destination, validate, sync, remove",
        ),
        (None, "ValueError: it does not implement the hook(s) destination, validate, sync, remove"),
        (
            Plugin(info("other")),
            "ValueError: it calls itself 'other', its entry point says 'bad'",
        ),
        (
            Plugin(info("bad", api_version=API_VERSION + 1)),
            "ValueError: it was written for version 2 of the hooks, this is 1",
        ),
        (
            Plugin({"name": "bad"}),
            "TypeError: its hook `destination` does not return a DestinationInfo",
        ),
        (
            Plugin(info("bad", capabilities=frozenset({Capability.DISCOVER}))),
            "ValueError: it declares the capability `discover` without the hook",
        ),
        (
            Plugin(info("bad", capabilities=frozenset(Capability))),
            "ValueError: it declares the capability `discover`, `plan` without the hook",
        ),
        (WithUnknownHook(info("bad")), "PluginValidationError: unknown hook 'teleport'"),
        (WithUnknownArgument(info("bad")), "PluginValidationError: Plugin 'bad' for hook 'sync'"),
    ],
)
def test_a_bad_plugin_is_reported_and_stops_nothing_else(loads: object, reason: str) -> None:
    bad = FakePoint("bad", loads, dist=distribution("secretsync-bad"))
    later = FakePoint("later", Plugin(info("later")))
    registry = registry_of(bad, GOOD, later)
    [failed, good, last] = registry.list()
    assert isinstance(failed, FailedDestination)
    assert (failed.name, failed.distribution) == ("bad", "secretsync-bad 1.0")
    assert failed.reason.startswith(reason)
    assert good == registry.get("good")
    assert last == registry.get("later")
    with pytest.raises(Problem) as told:
        registry.get("bad")
    assert told.value.code is Code.FAILED_PRECONDITION
    assert told.value.reason is Reason.DESTINATION_NOT_LOADED
    assert reason in told.value.message


def test_a_declared_capability_with_its_hook_is_fine() -> None:
    described = info("good", capabilities=frozenset({Capability.DISCOVER}))
    registry = registry_of(FakePoint("good", WithDiscover(described)))
    assert registry.get("good").info is described


@pytest.mark.parametrize("first", [GOOD.loads, ImportError("x")])
def test_two_distributions_that_claim_one_name_stop_the_server(first: object) -> None:
    points = (
        FakePoint("good", first, dist=distribution("one")),
        FakePoint("good", Plugin(info("good")), dist=distribution("two", "2.0")),
    )
    with pytest.raises(RegistryError) as told:
        registry_of(*points)
    assert "'good': one 1.0 and two 2.0" in str(told.value)


def test_a_name_is_registered_once() -> None:
    registry = Registry()
    registry.register(Plugin(info("good")), "good")
    with pytest.raises(RegistryError):
        registry.register(Plugin(info("good")), "good")


def test_one_plugin_cannot_be_two_destinations() -> None:
    plugin = Plugin(info("good"))
    registry = registry_of(FakePoint("good", plugin), FakePoint("better", plugin))
    [better, good] = registry.list()
    assert isinstance(better, FailedDestination)
    assert isinstance(good, LoadedDestination)


def test_a_plugin_that_failed_can_be_registered_rightly() -> None:
    registry = Registry()
    with pytest.raises(ValueError, match="calls itself"):
        registry.register(Plugin(info("other")), "good")
    registry.register(Plugin(info("good")), "good")
    assert registry.get("good").info.name == "good"


@pytest.mark.parametrize(
    ("points", "known"), [((), "none"), ((GOOD, FakePoint("bad", None)), "good")]
)
def test_an_unknown_destination_is_told_what_is_installed(
    points: tuple[FakePoint, ...], known: str
) -> None:
    with pytest.raises(Problem) as told:
        registry_of(*points).get("gone")
    assert told.value.reason is Reason.DESTINATION_NOT_LOADED
    assert f"installed are: {known}." in told.value.message


def test_plugins_describe_themselves_once() -> None:
    asked: list[str] = []

    class Counting(Plugin):
        @hookimpl
        def destination(self) -> object:
            asked.append("once")
            return self.described

    registry = registry_of(FakePoint("good", Counting(info("good"))))
    for _ in range(3):
        assert registry.list() == [registry.get("good")]
    assert asked == ["once"]
