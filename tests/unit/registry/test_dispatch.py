"""A call reaches the hook of the one plugin that is named, whatever else is installed."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from secretsync.adapter import (
    AdapterModel,
    DestinationInfo,
    DiscoverResult,
    Option,
    PlanResult,
    RunResult,
    Unavailable,
    ValidateResult,
    hookimpl,
)
from secretsync.domain.problems import Problem
from secretsync.registry import Registry

HOOKS = ("validate", "plan", "sync", "remove", "discover")
REQUEST = cast("Any", SimpleNamespace())
RESULTS: dict[str, object] = {
    "validate": ValidateResult(summary="fine", instance="memory"),
    "sync": RunResult(keys=(), ledger=()),
    "remove": RunResult(keys=(), ledger=()),
    "plan": PlanResult(changes=()),
    "discover": DiscoverResult(options=(Option(id="1", name="one"),)),
}


class Config(AdapterModel):
    """Has no fields."""


def info(name: str) -> DestinationInfo:
    return DestinationInfo(
        name=name,
        title=name,
        description="A destination for tests.",
        config_model=Config,
        credential_models={},
        target_key=lambda *_: name,
    )


class Plugin:
    """Notes its calls, and answers as told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[str] = []
        self.answers = dict(RESULTS)

    @hookimpl
    def destination(self) -> DestinationInfo:
        return info(self.name)

    def answer(self, hook: str, request: object) -> Any:  # noqa: ANN401
        assert request is REQUEST
        self.calls.append(hook)
        answer = self.answers[hook]
        if isinstance(answer, BaseException):
            raise answer
        return answer


class AsyncPlugin(Plugin):
    @hookimpl
    async def validate(self, request: object) -> object:
        return self.answer("validate", request)

    @hookimpl
    async def sync(self, request: object) -> object:
        return self.answer("sync", request)

    @hookimpl
    async def remove(self, request: object) -> object:
        return self.answer("remove", request)

    @hookimpl
    async def plan(self, request: object) -> object:
        return self.answer("plan", request)

    @hookimpl
    async def discover(self, request: object) -> object:
        return self.answer("discover", request)


class PlainPlugin(Plugin):
    @hookimpl
    def validate(self, request: object) -> object:
        return self.answer("validate", request)

    @hookimpl
    def sync(self, request: object) -> object:
        return self.answer("sync", request)

    @hookimpl
    def remove(self, request: object) -> object:
        return self.answer("remove", request)

    @hookimpl
    def plan(self, request: object) -> object:
        return self.answer("plan", request)

    @hookimpl
    def discover(self, request: object) -> object:
        return self.answer("discover", request)


@pytest.fixture
def plugins() -> dict[str, Plugin]:
    return {
        "first": AsyncPlugin("first"),
        "second": AsyncPlugin("second"),
        "third": PlainPlugin("third"),
    }


@pytest.fixture
def registry(plugins: dict[str, Plugin]) -> Registry:
    made = Registry()
    for name, plugin in plugins.items():
        made.register(plugin, name)
    return made


async def call(registry: Registry, name: str, hook: str) -> object:
    return await getattr(registry, hook)(name, REQUEST)


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", ["first", "second", "third"])
async def test_only_the_named_plugin_is_called(
    registry: Registry, plugins: dict[str, Plugin], name: str, hook: str
) -> None:
    for _ in range(2):
        assert await call(registry, name, hook) is RESULTS[hook]
    assert {each: plugin.calls for each, plugin in plugins.items() if plugin.calls} == {
        name: [hook, hook]
    }


@pytest.mark.parametrize("name", ["first", "third"])
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("answer", [None, "text", object()])
async def test_a_wrong_kind_of_result_is_refused(
    registry: Registry, plugins: dict[str, Plugin], name: str, hook: str, answer: object
) -> None:
    plugins[name].answers[hook] = answer
    wanted = type(RESULTS[hook]).__name__
    with pytest.raises(TypeError) as told:
        await call(registry, name, hook)
    given = type(answer).__name__
    assert str(told.value) == f"the hook `{hook}` of {name!r} returned a {given}, not a {wanted}"


@pytest.mark.parametrize("name", ["first", "third"])
async def test_errors_pass_as_they_are(
    registry: Registry, plugins: dict[str, Plugin], name: str
) -> None:
    error = Unavailable("no answer")
    plugins[name].answers["sync"] = error
    with pytest.raises(Unavailable) as told:
        await call(registry, name, "sync")
    assert told.value is error


async def test_a_hook_that_a_plugin_does_not_have_is_not_answered_by_another(
    registry: Registry,
) -> None:
    class WithoutDiscover(Plugin):
        validate = AsyncPlugin.validate
        sync = AsyncPlugin.sync
        remove = AsyncPlugin.remove

    registry.register(WithoutDiscover("fourth"), "fourth")
    with pytest.raises(TypeError, match="returned a NoneType"):
        await call(registry, "fourth", "discover")


@pytest.mark.parametrize("hook", HOOKS)
async def test_an_unknown_destination_is_a_clear_answer(registry: Registry, hook: str) -> None:
    with pytest.raises(Problem, match="there is no destination 'gone'"):
        await call(registry, "gone", hook)
