"""The main job, step by step, each step checked against what Octopus really holds."""

import json
from collections import Counter
from typing import Any

from api import Api, sync_name
from checks import ensure
from octostache import deployed
from show import (
    RowCounts,
    Steps,
    actions_of,
    console,
    progress,
    requests_of,
    show_holdings,
    show_run,
)

from secretsync.v1 import secret_sync_service_pb2 as syncs
from secretsync_octopus_deploy.sandbox.process import Sandbox

VARIABLE_SET = "variableset-Projects-1"
SCOPES = {"dev": "Environments-1", "prod": "Environments-2"}
CHANGED = ["GET", "PUT", "GET"]
UNCHANGED = ["GET"]

Row = dict[str, Any]


class Scenario:
    """The demo's steps over one service and one Octopus sandbox.

    Args:
        api: the service, through gRPC.
        octopus: the sandbox; its inspection path shows stored values.
        wanted: per environment, the secrets.
    """

    def __init__(self, api: Api, octopus: Sandbox, wanted: dict[str, dict[str, str]]) -> None:
        self._api = api
        self._octopus = octopus
        self._wanted = wanted
        self.steps = Steps()
        self.runs: list[tuple[str, syncs.SyncRun]] = []
        self._add_namesakes()
        self._before = self._rows()

    def run(self) -> None:
        """Take all steps."""
        self._load_secrets()
        self._connect()
        self._create_syncs()
        self._show_unchanged()
        self._change_source()
        self._remove_dev()
        self.steps.end()

    def _load_secrets(self) -> None:
        self.steps.begin("Create a project with environments, and load secrets into each")
        self._api.create_project(*SCOPES)
        for environment, values in self._wanted.items():
            created, updated = self._api.set_secrets(environment, values)
            ensure((created, updated) == (len(values), 0), f"every key of {environment} is created")
            console.print(f"{environment}: {created} secrets loaded")

    def _connect(self) -> None:
        self.steps.begin("Connect to Octopus Deploy, and look around through the connection")
        connection = self._api.create_connection(self._octopus.base_url, self._octopus.api_key)
        ensure(self._octopus.api_key not in str(connection), "the answer does not show the API key")
        console.print(f"{connection.name} at {connection.public_credentials['instanceUrl']}")
        place = {"spaceId": "Spaces-1", "projectId": "Projects-1"}
        lists = {"spaces": self._api.options("spaces")}
        lists["projects"] = self._api.options("projects", spaceId="Spaces-1")
        for kind in ("environments", "roles", "machines", "processes", "actions", "channels"):
            lists[kind] = self._api.options(kind, **place)
        for kind, options in lists.items():
            ensure(bool(options), f"Octopus has {kind} to choose from")
            told = ", ".join(f"{name} ({key})" for key, name in list(options.items())[:3])
            console.print(f"{kind}: {told}{' ...' if len(options) > 3 else ''}", markup=False)

    def _create_syncs(self) -> None:
        self.steps.begin("Create two syncs into the same Octopus project, with the same names")
        for environment, scope in SCOPES.items():
            self._api.create_sync(environment, environment, scope)
        for environment in SCOPES:
            run = self._follow(f"{environment}, first run", self._api.runs(environment)[0])
            show_run(f"{sync_name(environment)} created everything", run)
            expected = dict.fromkeys(self._wanted[environment], "created")
            ensure(actions_of(run) == expected, f"the first run of {environment} creates all keys")
            ensure(requests_of(run) == CHANGED, "a run that changes something is GET, PUT, GET")
        self._check_holdings(*SCOPES)

    def _show_unchanged(self) -> None:
        self.steps.begin("Run again without a change, and see what the project holds")
        for environment in SCOPES:
            run = self._follow(f"{environment}, again", self._api.start_sync(environment))
            console.print(f"{environment}: {run.message}")
            expected = dict.fromkeys(self._wanted[environment], "unchanged")
            ensure(actions_of(run) == expected, f"nothing of {environment} is written again")
            ensure(requests_of(run) == UNCHANGED, "a run without a change is one GET")
        self._check_holdings(*SCOPES)
        counts: RowCounts = Counter((_scope(row), row["Type"]) for row in self._rows())
        show_holdings(counts)

    def _change_source(self) -> None:
        self.steps.begin("Change one secret and delete another: auto-sync carries it over")
        known = set(self._api.runs("dev"))
        values = self._wanted["dev"]
        # Two plain ones, so that users may bring files of two keys and more.
        changed, deleted = sorted(key for key, value in values.items() if value)[:2]
        values[changed] = "rotated: " + values[changed][:100]
        self._api.set_secrets("dev", {changed: values[changed]})
        del values[deleted]
        self._api.delete_secret("dev", deleted)
        done: dict[str, str] = {}
        followed: set[str] = set()
        while fresh := [run for run in self._api.runs("dev") if run not in known | followed]:
            for name in fresh:
                run = self._follow(f"dev, auto-sync {len(followed) + 1}", name)
                followed.add(name)
                moved = {key: did for key, did in actions_of(run).items() if did != "unchanged"}
                ensure(requests_of(run) in (CHANGED, UNCHANGED), "runs make no needless requests")
                ensure(
                    (requests_of(run) == CHANGED) == bool(moved),
                    "a run writes if and only if there is something to write",
                )
                console.print(f"{run.message} {moved}", markup=False)
                done |= moved
        ensure(done == {changed: "updated", deleted: "deleted"}, "exactly that was carried over")
        self._check_holdings(*SCOPES)

    def _remove_dev(self) -> None:
        self.steps.begin("Remove what the dev sync wrote; all else stays as it was")
        run = self._follow("dev, removal", self._api.start_removal("dev"))
        expected = dict.fromkeys(self._wanted["dev"], "deleted")
        ensure(actions_of(run) == expected, "the removal deletes exactly what dev had written")
        ensure(requests_of(run) == CHANGED, "the removal is GET, PUT, GET")
        console.print(f"dev: {run.message}")
        self._check_holdings("prod")
        console.print(
            f"prod's {len(self._wanted['prod'])} variables are as they were, and so are the"
            f" {len(self._before)} that were there before the demo"
        )

    def _follow(self, title: str, run: str) -> syncs.SyncRun:
        total = len(self._wanted[title.partition(",")[0]])
        with progress() as bar:
            task = bar.add_task(title, total=total)

            def show(present: syncs.SyncRun) -> None:
                step = present.progress.step or syncs.RunState.Name(present.state)
                step = step.removeprefix("RUN_STATE_").lower()
                bar.update(task, description=f"{title}: {step}", completed=present.progress.done)

            ended = self._api.follow(run, show)
            ensure(ended.state == syncs.RUN_STATE_SUCCEEDED, f"{title} succeeds: {ended.message}")
            bar.update(task, completed=total)
        self.runs.append((title, ended))
        return ended

    def _add_namesakes(self) -> None:
        """Put variables of the names to come into other scopes, as somebody at Octopus might."""
        present = self._octopus.variables(VARIABLE_SET)
        scopes: list[dict[str, list[str]]] = [{}, {"Environment": ["Environments-3"]}]
        namesakes = [
            {"Name": name, "Value": f"not ours: {kind}", "Type": kind, "Scope": scope}
            for name in list(self._wanted["dev"])[:2]
            for kind, scope in zip(("Sensitive", "String"), scopes, strict=True)
        ]
        self._octopus.put_variables(VARIABLE_SET, [*present["Variables"], *namesakes])

    def _rows(self) -> list[Row]:
        rows: list[Row] = self._octopus.inspect(VARIABLE_SET)["Variables"]
        return rows

    def _check_holdings(self, *environments: str) -> None:
        """Check that Octopus holds what was there before and the environments' secrets, no more."""
        rows = self._rows()
        known = {row["Id"] for row in self._before}
        foreign = [row for row in rows if row["Id"] in known]
        same = json.dumps(foreign, sort_keys=True) == json.dumps(self._before, sort_keys=True)
        ensure(same, "the variables that were there before are unchanged, value for value")
        ours = [row for row in rows if row["Id"] not in known]
        found = {(row["Name"], _scope(row)): deployed(row["Value"] or "") for row in ours}
        ensure(len(found) == len(ours), "no variable is there twice")
        expected = {
            (key, SCOPES[environment]): value
            for environment in environments
            for key, value in self._wanted[environment].items()
        }
        ensure(found == expected, f"Octopus holds exactly the secrets of {', '.join(environments)}")
        ensure(all(row["Type"] == "Sensitive" for row in ours), "all of them are sensitive")


def _scope(row: Row) -> str:
    return ", ".join(value for values in row["Scope"].values() for value in values) or "(unscoped)"
