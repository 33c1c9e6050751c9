"""Finds destination plugins, and dispatches each call to the one that a sync names."""

import inspect
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import pluggy

from secretsync.adapter import (
    API_VERSION,
    PROJECT_NAME,
    AdapterModel,
    DestinationInfo,
    DiscoverRequest,
    DiscoverResult,
    PlanRequest,
    PlanResult,
    RemoveRequest,
    RunResult,
    SecretValue,
    SyncRequest,
    ValidateRequest,
    ValidateResult,
    hookspecs,
)
from secretsync.domain.problems import Code, Problem, Reason, Violations
from secretsync.plugin_models import Discreet, parse

Result = TypeVar("Result")

log = logging.getLogger(__name__)

REQUIRED_HOOKS = ("destination", "validate", "sync", "remove")


class RegistryError(Exception):
    """Two plugins claim one destination: the server must not guess which one is meant."""


@dataclass(frozen=True, slots=True)
class LoadedDestination:
    """A destination that can be used, and the distribution that it comes from."""

    info: DestinationInfo
    distribution: str


@dataclass(frozen=True, slots=True)
class FailedDestination:
    """A destination whose plugin could not be loaded, and why."""

    name: str
    reason: str
    distribution: str


class Registry:
    """The destinations of this process.

    A plugin that fails to load is remembered with its reason, and stops nothing but its own
    destination.
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT_NAME)
        self._manager.add_hookspecs(hookspecs)
        self._loaded: dict[str, LoadedDestination] = {}
        self._failed: dict[str, FailedDestination] = {}

    @classmethod
    def from_entry_points(cls, points: Iterable[EntryPoint] | None = None) -> "Registry":
        """Return a registry of the installed plugins.

        Args:
            points: the entry points to load; default: those of the group `secretsync`.

        Raises:
            RegistryError: two distributions claim one destination.
        """
        registry = cls()
        owners: dict[str, str] = {}
        for point in entry_points(group=PROJECT_NAME) if points is None else points:
            distribution = _distribution(point)
            if point.name in owners:
                raise RegistryError(
                    f"two plugins claim the destination {point.name!r}: {owners[point.name]} and"
                    f" {distribution}. Uninstall one of them"
                )
            owners[point.name] = distribution
            registry._load(point, distribution)
        return registry

    def _load(self, point: EntryPoint, distribution: str) -> None:
        # A plugin is foreign code: whatever it raises when imported or asked must not take the
        # other destinations down with it.
        try:
            self.register(point.load(), point.name, distribution)
        except (Exception, SystemExit) as error:  # noqa: BLE001
            reason = f"{type(error).__name__}: {error}"
            log.error("destination %r cannot be used: %s", point.name, reason)  # noqa: TRY400
            self._failed[point.name] = FailedDestination(point.name, reason, distribution)

    def register(self, plugin: object, name: str, distribution: str = "") -> None:
        """Register a plugin under its destination's name.

        Args:
            plugin: a module or object with hook implementations.
            name: the destination's name.
            distribution: name and version of the distribution that it comes from.

        Raises:
            ValueError: it lacks a hook, or does not describe itself rightly.
            RegistryError: the name is taken.
        """
        if name in self._loaded:
            raise RegistryError(f"two plugins claim the destination {name!r}")
        try:
            self._manager.register(plugin, name)
            self._loaded[name] = LoadedDestination(self._describe(name), distribution)
        except BaseException:
            # What is left of it would make the check of every later plugin fail.
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            raise

    def _describe(self, name: str) -> DestinationInfo:
        self._manager.check_pending()
        offered = {caller.name for caller in self._callers(name)}
        missing = [hook for hook in REQUIRED_HOOKS if hook not in offered]
        if missing:
            raise ValueError(f"it does not implement the hook(s) {', '.join(missing)}")
        info = self._hook(name, "destination")()
        if not isinstance(info, DestinationInfo):
            raise TypeError("its hook `destination` does not return a DestinationInfo")
        if info.name != name:
            raise ValueError(f"it calls itself {info.name!r}, its entry point says {name!r}")
        if info.api_version != API_VERSION:
            raise ValueError(
                f"it was written for version {info.api_version} of the hooks, this is {API_VERSION}"
            )
        lacking = [each.value for each in info.capabilities if each.value not in offered]
        if lacking:
            told = ", ".join(f"`{name}`" for name in sorted(lacking))
            raise ValueError(f"it declares the capability {told} without the hook")
        return info

    def _callers(self, name: str) -> list[pluggy.HookCaller]:
        plugin = self._manager.get_plugin(name)
        return self._manager.get_hookcallers(plugin) or []

    def _hook(self, name: str, hook: str) -> pluggy.HookCaller:
        others = [
            plugin for other, plugin in self._manager.list_name_plugin() if other != name and plugin
        ]
        return self._manager.subset_hook_caller(hook, others)

    def list(self) -> list[LoadedDestination | FailedDestination]:
        """Return all destinations by name, those that failed to load included."""
        everything: dict[str, LoadedDestination | FailedDestination] = {
            **self._failed,
            **self._loaded,
        }
        return [everything[name] for name in sorted(everything)]

    def get(self, name: str) -> LoadedDestination:
        """Return a destination that can be used.

        Raises:
            Problem: DESTINATION_NOT_LOADED, if its plugin failed to load or is not installed.
        """
        if name in self._loaded:
            return self._loaded[name]
        if name in self._failed:
            raise Problem(
                Code.FAILED_PRECONDITION,
                Reason.DESTINATION_NOT_LOADED,
                f"the plugin of destination {name!r} could not be loaded:"
                f" {self._failed[name].reason}",
                metadata={"destination": name},
            )
        known = ", ".join(sorted(self._loaded)) or "none"
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.DESTINATION_NOT_LOADED,
            f"there is no destination {name!r}; installed are: {known}. Install its plugin and"
            " restart the server",
            metadata={"destination": name},
        )

    def knows(self, name: str) -> bool:
        """Tell whether a plugin of this destination is installed, even if it failed to load."""
        return name in self._loaded or name in self._failed

    def parse_config(
        self, name: str, config: Mapping[str, Any], field: str, violations: Violations
    ) -> AdapterModel | None:
        """Return a sync's configuration as the plugin's model, or note what is wrong with it."""
        return parse(self.get(name).info.config_model, config, field, violations)

    def parse_credentials(
        self,
        name: str,
        method: str,
        credentials: Mapping[str, Any],
        field: str,
        violations: Violations,
    ) -> AdapterModel | None:
        """Return credentials as the plugin's model, or note what is wrong with them.

        Args:
            name: the destination.
            method: one of the destination's methods.
            credentials: the values, by their names on the wire.
            field: path of the credentials in the request, for the violations.
            violations: collects what is wrong.
        """
        models = self.get(name).info.credential_models
        if method not in models:
            parent = field.rpartition(".")[0]
            violations.add(
                f"{parent}.method" if parent else "method",
                f"{name} offers the method(s) {', '.join(sorted(models))}",
            )
            return None
        return parse(models[method], credentials, field, Discreet(violations, credentials))

    async def validate(self, name: str, request: ValidateRequest) -> ValidateResult:
        """Call the destination's `validate` hook; it may raise any `AdapterError`."""
        return await self._call(name, "validate", request, ValidateResult)

    async def sync(self, name: str, request: SyncRequest) -> RunResult:
        """Call the destination's `sync` hook; it may raise any `AdapterError`."""
        return await self._call(name, "sync", request, RunResult)

    async def remove(self, name: str, request: RemoveRequest) -> RunResult:
        """Call the destination's `remove` hook; it may raise any `AdapterError`."""
        return await self._call(name, "remove", request, RunResult)

    async def plan(self, name: str, request: PlanRequest) -> PlanResult:
        """Call the destination's `plan` hook; it may raise any `AdapterError`."""
        return await self._call(name, "plan", request, PlanResult)

    async def discover(self, name: str, request: DiscoverRequest) -> DiscoverResult:
        """Call the destination's `discover` hook; it may raise any `AdapterError`."""
        return await self._call(name, "discover", request, DiscoverResult)

    async def _call(
        self, name: str, hook: str, request: object, result_type: type[Result]
    ) -> Result:
        self.get(name)
        answer = self._hook(name, hook)(request=request)
        if inspect.isawaitable(answer):
            answer = await answer
        if not isinstance(answer, result_type):
            raise TypeError(
                f"the hook `{hook}` of {name!r} returned a {type(answer).__name__},"
                f" not a {result_type.__name__}"
            )
        return answer


def public_fields(model: AdapterModel) -> dict[str, Any]:
    """Return a model's values by their names on the wire, without those that are secret."""
    secret = {
        field.serialization_alias or name
        for name, field in type(model).model_fields.items()
        if isinstance(getattr(model, name), SecretValue)
    }
    dumped: dict[str, Any] = model.model_dump(mode="json", by_alias=True)
    return {name: value for name, value in dumped.items() if name not in secret}


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value
