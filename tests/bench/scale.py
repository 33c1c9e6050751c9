"""Many syncs on one machine: what gets slower with their number, and what does not."""

import statistics
import tempfile
import time
from collections.abc import Callable
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
SYNCS_PAGE = 50
SECRETS_PAGE = 500
SMALLER = 100
"""The yardstick has a hundredth of the syncs, if that fills a page."""
FEWEST = 2 * SYNCS_PAGE


def run(console: Console, *, syncs: int, changes: int) -> None:
    """Measure with a number of syncs, and with a hundredth of them.

    Args:
        console: where the table is printed.
        syncs: how many, at least `FEWEST`.
        changes: how many changes are made at the source of one of them.
    """
    few = max(SYNCS_PAGE, syncs // SMALLER)
    with start_sandbox() as octopus:
        small, large = (_measure(octopus, count, changes) for count in (few, syncs))
    table = Table(title=f"{syncs:,} syncs, {syncs * KEYS:,} secrets", title_justify="left")
    table.add_column("what")
    for heading in (f"{few:,} syncs", f"{syncs:,} syncs", "ratio"):
        table.add_column(heading, justify="right")
    for name, seconds in large.items():
        base = small[name]
        table.add_row(
            name, f"{base * 1000:.1f} ms", f"{seconds * 1000:.1f} ms", f"{seconds / base:.1f}"
        )
    console.print(table)


def _measure(octopus: Sandbox, count: int, changes: int) -> dict[str, float]:
    """Return the seconds of each thing that is measured, by name."""
    with tempfile.TemporaryDirectory(prefix="secretsync-bench-") as temporary:
        data_dir = Path(temporary) / "data"
        with (
            running_service(data_dir) as service,
            grpc.insecure_channel(service.address) as channel,
        ):
            api = Api(channel)
            api.create_project(ENVIRONMENT)
            api.create_connection(octopus.base_url, octopus.api_key)
        fill(data_dir, count)
        starts = []
        while True:
            began = time.perf_counter()
            with running_service(data_dir) as service:
                starts.append(time.perf_counter() - began)
                if len(starts) < min(STARTS, changes):
                    continue
                with grpc.insecure_channel(service.address) as channel:
                    calls = _Calls(octopus, channel, count).measure(changes)
            return {"start of the service": statistics.median(starts), **calls}


class _Calls:
    def __init__(self, octopus: Sandbox, channel: grpc.Channel, count: int) -> None:
        self._octopus = octopus
        self._api = Api(channel)
        self._secrets = SecretServiceStub(channel)
        self._syncs = SecretSyncServiceStub(channel)
        self._count = count

    def measure(self, changes: int) -> dict[str, float]:
        first, last = self._sync_pages()
        first_secrets, last_secrets = self._secret_pages()
        set_, written = self._changes(changes)
        middle = sync_name(slug_of(self._count // 2))
        return {
            "SetSecrets, with the run that it queues": set_,
            "from there to the end of the PUT": written,
            f"the first {SYNCS_PAGE} syncs": _median(lambda: self._syncs.ListSecretSyncs(first)),
            f"the last {SYNCS_PAGE} syncs": _median(lambda: self._syncs.ListSecretSyncs(last)),
            f"the first {SECRETS_PAGE} secrets": _median(
                lambda: self._secrets.ListSecrets(first_secrets)
            ),
            f"the last {SECRETS_PAGE} secrets": _median(
                lambda: self._secrets.ListSecrets(last_secrets)
            ),
            "a sync": _median(
                lambda: self._syncs.GetSecretSync(syncs.GetSecretSyncRequest(name=middle))
            ),
            "the runs of a sync": _median(
                lambda: self._syncs.ListSyncRuns(syncs.ListSyncRunsRequest(parent=middle))
            ),
            "CheckDestination": _median(
                lambda: self._syncs.CheckDestination(syncs.CheckDestinationRequest(name=middle))
            ),
        }

    def _changes(self, changes: int) -> tuple[float, float]:
        """Return the seconds that a change takes, and those to the end of the write after it."""
        took, waited = [], []
        for number in range(changes):
            time.sleep(APART)
            self._octopus.clear_requests()
            request = secrets.SetSecretsRequest(
                parent=environment_name(ENVIRONMENT),
                path=path_of(0),
                secrets=[secrets.Secret(key="KEY_00", value=f"value {number}")],
            )
            began = time.perf_counter()
            answer = self._secrets.SetSecrets(request)
            took.append(time.perf_counter() - began)
            returned = time.time()
            ensure(
                [run.partition("/runs/")[0] for run in answer.runs] == [sync_name(slug_of(0))],
                "a change queues a run of the one sync that depends on it",
            )
            done = self._api.follow(answer.runs[0], lambda _: None)
            ensure(done.state == syncs.RUN_STATE_SUCCEEDED, f"it succeeds: {done.message}")
            requests = self._octopus.requests()
            [end] = [each.answered for each in requests if each.method == "PUT" and each.answered]
            waited.append(max(0.0, end - returned))
        return statistics.median(took), statistics.median(waited)

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


def _median(call: Callable[[], object]) -> float:
    """Return the median seconds of a call."""
    seconds = []
    for _ in range(CALLS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
