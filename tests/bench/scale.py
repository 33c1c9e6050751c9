"""Many syncs on one machine: what gets slower with their number, and what does not."""

import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
from api import PROJECT, Api, environment_name, sync_name
from checks import ensure
from latency import APART
from processes import running_service
from rich.console import Console
from rich.table import Table
from scale_data import ENVIRONMENT, KEYS, fill, path_of, slug_of

from secretsync.v1 import secret_service_pb2 as secrets
from secretsync.v1 import secret_sync_service_pb2 as syncs
from secretsync.v1.secret_service_pb2_grpc import SecretServiceStub
from secretsync.v1.secret_sync_service_pb2_grpc import SecretSyncServiceStub
from secretsync_octopus_deploy.sandbox.process import Sandbox, start_sandbox

STARTS = 3
CALLS = 30
PROJECT_IDS = ("Projects-1", "Projects-2")
"""Where in Octopus the two services write."""
SYNCS_PAGE = 50
SECRETS_PAGE = 500
SMALLER = 100
"""The yardstick has a hundredth of the syncs, if that fills a page."""
FEWEST = 2 * SYNCS_PAGE


def run(console: Console, *, syncs: int, changes: int) -> None:
    """Measure with a number of syncs, and with a hundredth of them.

    Both are measured in turn, so that whatever else the machine does slows down both.

    Args:
        console: where the table is printed.
        syncs: how many, at least `FEWEST`.
        changes: how many changes are made at the source of one of them.
    """
    counts = (max(SYNCS_PAGE, syncs // SMALLER), syncs)
    with contextlib.ExitStack() as stack:
        octopus = stack.enter_context(start_sandbox())
        temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="secretsync-bench-"))
        folders = [Path(temporary) / str(count) for count in counts]
        for folder, count, project_id in zip(folders, counts, PROJECT_IDS, strict=True):
            _prepare(octopus, folder, count, project_id)
        starts = [[_start(each) for each in folders] for _ in range(min(STARTS, changes))]
        found = {
            "start of the service": [statistics.median(each) for each in zip(*starts, strict=True)]
        }
        services = [stack.enter_context(running_service(folder)) for folder in folders]
        channels = [stack.enter_context(grpc.insecure_channel(each.address)) for each in services]
        few, many = (
            _Calls(octopus, channel, count) for channel, count in zip(channels, counts, strict=True)
        )
        found |= _changes([few, many], changes)
        calls = zip(few.calls().items(), many.calls().values(), strict=True)
        found |= {name: _in_turn([one, other], CALLS) for (name, one), other in calls}
    console.print(_table(found, *counts))


def _prepare(octopus: Sandbox, folder: Path, count: int, project_id: str) -> None:
    """Make a data directory with syncs to a project in Octopus."""
    with (
        running_service(folder) as service,
        grpc.insecure_channel(service.address) as channel,
    ):
        api = Api(channel)
        api.create_project(ENVIRONMENT)
        api.create_connection(octopus.base_url, octopus.api_key)
    fill(folder, count, project_id)


def _start(folder: Path) -> float:
    """Return the seconds until the service listens."""
    began = time.perf_counter()
    with running_service(folder):
        return time.perf_counter() - began


def _in_turn(calls: Sequence[Callable[[], object]], samples: int) -> list[float]:
    """Return the median seconds of each call."""
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(samples):
        for call, taken in zip(calls, seconds, strict=True):
            began = time.perf_counter()
            call()
            taken.append(time.perf_counter() - began)
    return [statistics.median(taken) for taken in seconds]


def _changes(each: "Sequence[_Calls]", changes: int) -> dict[str, list[float]]:
    """Return the median seconds that changes take, and those to the end of the write after them."""
    taken: list[list[tuple[float, float]]] = [[] for _ in each]
    for number in range(changes):
        time.sleep(APART)
        for calls, found in zip(each, taken, strict=True):
            found.append(calls.change(number))
    return {
        name: [statistics.median(one[part] for one in found) for found in taken]
        for part, name in enumerate(
            ("SetSecrets, with the run that it queues", "from there to the end of the PUT")
        )
    }


def _table(found: dict[str, list[float]], few: int, many: int) -> Table:
    table = Table(title=f"{many:,} syncs, {many * KEYS:,} secrets", title_justify="left")
    table.add_column("what")
    for heading in (f"{few:,} syncs", f"{many:,} syncs", "ratio"):
        table.add_column(heading, justify="right")
    for name, (small, large) in found.items():
        table.add_row(
            name, f"{small * 1000:.1f} ms", f"{large * 1000:.1f} ms", f"{large / small:.1f}"
        )
    return table


class _Calls:
    """What is asked of one service."""

    def __init__(self, octopus: Sandbox, channel: grpc.Channel, count: int) -> None:
        self._octopus = octopus
        self._api = Api(channel)
        self._secrets = SecretServiceStub(channel)
        self._syncs = SecretSyncServiceStub(channel)
        self._count = count

    def change(self, number: int) -> tuple[float, float]:
        """Change a secret; return the seconds that it takes, and those to the end of the write."""
        self._octopus.clear_requests()
        request = secrets.SetSecretsRequest(
            parent=environment_name(ENVIRONMENT),
            path=path_of(0),
            secrets=[secrets.Secret(key="KEY_00", value=f"value {number}")],
        )
        began = time.perf_counter()
        answer = self._secrets.SetSecrets(request)
        seconds = time.perf_counter() - began
        returned = time.time()
        ensure(
            [run.partition("/runs/")[0] for run in answer.runs] == [sync_name(slug_of(0))],
            "a change queues a run of the one sync that depends on it",
        )
        done = self._api.follow(answer.runs[0], lambda _: None)
        ensure(done.state == syncs.RUN_STATE_SUCCEEDED, f"it succeeds: {done.message}")
        requests = self._octopus.requests()
        [end] = [each.answered for each in requests if each.method == "PUT" and each.answered]
        return seconds, max(0.0, end - returned)

    def calls(self) -> dict[str, Callable[[], object]]:
        """Return calls that change nothing, by what they list or get."""
        first, last = self._sync_pages()
        first_secrets, last_secrets = self._secret_pages()
        middle = sync_name(slug_of(self._count // 2))
        get = syncs.GetSecretSyncRequest(name=middle)
        runs = syncs.ListSyncRunsRequest(parent=middle)
        check = syncs.CheckDestinationRequest(name=middle)
        return {
            f"the first {SYNCS_PAGE} syncs": lambda: self._syncs.ListSecretSyncs(first),
            f"the last {SYNCS_PAGE} syncs": lambda: self._syncs.ListSecretSyncs(last),
            f"the first {SECRETS_PAGE} secrets": lambda: self._secrets.ListSecrets(first_secrets),
            f"the last {SECRETS_PAGE} secrets": lambda: self._secrets.ListSecrets(last_secrets),
            "a sync": lambda: self._syncs.GetSecretSync(get),
            "the runs of a sync": lambda: self._syncs.ListSyncRuns(runs),
            "CheckDestination": lambda: self._syncs.CheckDestination(check),
        }

    def _sync_pages(self) -> tuple[syncs.ListSecretSyncsRequest, syncs.ListSecretSyncsRequest]:
        """Return the requests of the first and of the last page."""
        first = last = syncs.ListSecretSyncsRequest(parent=PROJECT, page_size=SYNCS_PAGE)
        while token := self._syncs.ListSecretSyncs(last).next_page_token:
            last = syncs.ListSecretSyncsRequest(
                parent=PROJECT, page_size=SYNCS_PAGE, page_token=token
            )
        return first, last

    def _secret_pages(self) -> tuple[secrets.ListSecretsRequest, secrets.ListSecretsRequest]:
        def request(token: str = "") -> secrets.ListSecretsRequest:
            return secrets.ListSecretsRequest(
                parent=environment_name(ENVIRONMENT),
                recursive=True,
                page_size=SECRETS_PAGE,
                page_token=token,
            )

        last = request()
        while token := self._secrets.ListSecrets(last).next_page_token:
            last = request(token)
        return request(), last
