"""What every list has in common: order, pages, and tokens that fit only the list that gave them."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp
from mutations import prepare
from refusals import invalid_fields
from service_kit import CONNECTION, DEV, PROD, SHOP, SYNC, Service, running, struct

from secretsync.operations.paging import MAX_PAGE_BYTES, fitting
from secretsync.v1 import connection_service_pb2 as connection_pb
from secretsync.v1 import project_service_pb2 as project_pb
from secretsync.v1 import secret_service_pb2 as secret_pb
from secretsync.v1 import secret_sync_service_pb2 as sync_pb

TOKEN_RULE = "must be empty or next_page_token of the same list, unchanged"


@dataclass(frozen=True)
class Listing:
    """One list method.

    Attributes:
        method: its name.
        request: makes a request for all.
        items: the field of the answer.
        key: what an item is known by.
        elsewhere: changes a request into one for another list; None if there is only one.
    """

    method: str
    request: Callable[[], Any]
    items: str
    key: Callable[[Any], object]
    elsewhere: Callable[[Any], None] | None = None

    def __str__(self) -> str:
        return self.method


def _name(item: Any) -> object:  # noqa: ANN401
    return item.name


def _parent(value: str) -> Callable[[Any], None]:
    return lambda request: setattr(request, "parent", value)


LISTINGS = (
    Listing("ListProjects", project_pb.ListProjectsRequest, "projects", _name),
    Listing(
        "ListEnvironments",
        lambda: project_pb.ListEnvironmentsRequest(parent=SHOP),
        "environments",
        _name,
        _parent("projects/spare"),
    ),
    Listing(
        "ListSecrets",
        lambda: secret_pb.ListSecretsRequest(parent=DEV, recursive=True),
        "secrets",
        lambda item: (item.path, item.key),
        lambda request: setattr(request, "recursive", False),
    ),
    Listing(
        "ListSecretImports",
        lambda: secret_pb.ListSecretImportsRequest(parent=DEV),
        "secret_imports",
        lambda item: (item.path, item.position),
        lambda request: setattr(request, "path", "/"),
    ),
    Listing(
        "ListConnections",
        lambda: connection_pb.ListConnectionsRequest(parent=SHOP),
        "connections",
        _name,
        _parent("projects/spare"),
    ),
    Listing(
        "ListConnectionOptions",
        lambda: connection_pb.ListConnectionOptionsRequest(
            name=CONNECTION, option_list="labels", parameters={"place": "here"}
        ),
        "options",
        lambda item: item.id,
        lambda request: request.parameters.update({"place": "there"}),
    ),
    Listing(
        "ListSecretSyncs",
        lambda: sync_pb.ListSecretSyncsRequest(parent=SHOP),
        "secret_syncs",
        _name,
        _parent("projects/spare"),
    ),
    Listing(
        "ListSyncRuns",
        lambda: sync_pb.ListSyncRunsRequest(parent=SYNC),
        "sync_runs",
        _name,
        _parent(f"{SHOP}/secretSyncs/other"),
    ),
    Listing(
        "ListSyncRuns",
        lambda: sync_pb.ListSyncRunsRequest(
            parent=SYNC,
            states=[sync_pb.RUN_STATE_SUCCEEDED, sync_pb.RUN_STATE_FAILED],
            triggers=[sync_pb.RUN_TRIGGER_MANUAL],
            start_create_time=Timestamp(seconds=1),
        ),
        "sync_runs",
        _name,
        lambda request: request.states.append(sync_pb.RUN_STATE_PENDING),
    ),
    Listing(
        "ListSyncKeys",
        lambda: sync_pb.ListSyncKeysRequest(parent=f"{SHOP}/secretSyncs/nested"),
        "sync_keys",
        lambda item: item.destination_name,
        lambda request: request.states.append(sync_pb.KEY_STATE_SYNCED),
    ),
    Listing("ListPauses", sync_pb.ListPausesRequest, "pauses", _name),
    Listing("ListDestinations", sync_pb.ListDestinationsRequest, "destinations", _name),
)
every_list = pytest.mark.parametrize("listing", LISTINGS, ids=str)
filtered_lists = pytest.mark.parametrize(
    "listing", [each for each in LISTINGS if each.elsewhere], ids=str
)
shared_server = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def full(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A server where every list has several items; for tests that only read."""
    async with running(tmp_path_factory.mktemp("lists")) as service:
        await fill(service)
        yield service


async def fill(service: Service) -> None:
    await prepare(service)
    for slug in ("a", "a-b", "b0", "zoo"):
        await service.add_project(slug)
    for path in ("/", "/a", "/a/b", "/a-b", "/a0"):
        await service.put({"Z": "", "a": "", "B": "", "\u00e4": "", "\U0001f511": ""}, path=path)
    for path in ("/", "/a", "/a-b"):
        for source in ("/a/b", "/a0"):
            await service.add_import(path, source)
    await service.add_import("/", "/", parent=PROD, environment=f"{SHOP}/environments/spare")
    for _ in range(4):
        await service.trigger()
    source = sync_pb.SecretSource(environment=DEV, secret_path="/a0")
    nested = await service.add_sync("nested", source=source, is_auto_sync_enabled=False)
    await service.trigger(nested.name)
    for name in ("-", SYNC, f"{SHOP}/secretSyncs/other"):
        await service.pause(name)


async def pages(service: Service, listing: Listing, size: int) -> list[list[Any]]:
    """Return all pages of a list."""
    request = listing.request()
    request.page_size = size
    found = []
    while True:
        answer = await service.call(listing.method, request)
        found.append(list(getattr(answer, listing.items)))
        request.page_token = answer.next_page_token
        if not request.page_token:
            return found


def joined(found: Sequence[Sequence[Any]]) -> list[Any]:
    return [item for page in found for item in page]


@every_list
@shared_server
async def test_all_pages_joined_are_the_whole_list(full: Service, listing: Listing) -> None:
    (whole,) = await pages(full, listing, 0)
    assert len(whole) >= 2
    keys = [listing.key(item) for item in whole]
    assert len(set(keys)) == len(keys)
    for size in (1, 2, 3, len(whole), 1000, 2**31 - 1):
        found = await pages(full, listing, size)
        assert joined(found) == whole
        assert all(len(page) == size for page in found[:-1])
        assert found[-1]


@every_list
@shared_server
async def test_the_order_is_fixed(full: Service, listing: Listing) -> None:
    (whole,) = await pages(full, listing, 0)
    keys: list[Any] = [listing.key(item) for item in whole]
    if listing.method == "ListSyncRuns":
        times = [run.create_time.ToNanoseconds() for run in whole]
        assert times == sorted(times, reverse=True)
    else:
        assert keys == sorted(keys)


@every_list
@shared_server
async def test_what_is_wrong_with_a_page_is_told_together(full: Service, listing: Listing) -> None:
    request = listing.request()
    request.page_size, request.page_token = -1, "nonsense"
    expected = {"page_size": "must be 0 (for 50) to 1000", "page_token": TOKEN_RULE}
    assert await invalid_fields(full.call(listing.method, request)) == expected

    for name in ("parent", "name"):
        if name in request.DESCRIPTOR.fields_by_name:
            setattr(request, name, "nonsense")
            found = await invalid_fields(full.call(listing.method, request))
            # What a connection's tokens must look like is not known without the connection.
            wanted = {name, "page_size"} | ({"page_token"} if name == "parent" else set())
            assert found.keys() == wanted


@every_list
@shared_server
async def test_tampered_tokens_are_refused(full: Service, listing: Listing) -> None:
    request = listing.request()
    request.page_size = 1
    token = (await full.call(listing.method, request)).next_page_token
    digest, *position = json.loads(base64.urlsafe_b64decode(token))
    forged: list[object] = [
        [digest],
        [digest, *position, 1],
        ["0" * 16, *position],
        [digest, *([{}] * len(position))],
        [digest, *([True] * len(position))],
        [digest, *([10**30 if isinstance(part, int) else 1 for part in position])],
        [digest, *(["x" if isinstance(part, int) else "\ud800" for part in position])],
        {"digest": digest},
    ]
    tokens = [
        token[:-4],
        token + "AAAA",
        f" {token}",
        "\u00e4",
        "[",
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        *(base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in forged),
    ]
    for tampered in tokens:
        request.page_token = tampered
        fields = await invalid_fields(full.call(listing.method, request))
        assert fields == {"page_token": TOKEN_RULE}, tampered[:100]


@every_list
@shared_server
async def test_a_token_of_another_list_is_refused(full: Service, listing: Listing) -> None:
    tokens = []
    for other in LISTINGS:
        request = other.request()
        request.page_size = 1
        if other is not listing:
            tokens.append((await full.call(other.method, request)).next_page_token)
        if other is listing and other.elsewhere:
            other.elsewhere(request)
            token = (await full.call(other.method, request)).next_page_token
            tokens += [token] if token else []

    for token in tokens:
        request = listing.request()
        request.page_token = token
        assert await invalid_fields(full.call(listing.method, request)) == {
            "page_token": TOKEN_RULE
        }


@filtered_lists
@shared_server
async def test_a_changed_filter_is_refused(full: Service, listing: Listing) -> None:
    request = listing.request()
    request.page_size = 1
    request.page_token = (await full.call(listing.method, request)).next_page_token
    assert listing.elsewhere
    listing.elsewhere(request)
    assert await invalid_fields(full.call(listing.method, request)) == {"page_token": TOKEN_RULE}


async def test_a_list_shows_50_items_unless_told_and_1000_at_most(service: Service) -> None:
    await service.add_project()
    for begin in (0, 500, 1000):
        await service.put({f"K{i:04}": "" for i in range(begin, begin + 500)})
    request = secret_pb.ListSecretsRequest(parent=DEV)
    assert len((await service.secrets.ListSecrets(request)).secrets) == 50
    request.page_size = 1001
    answer = await service.secrets.ListSecrets(request)
    assert [each.key for each in answer.secrets] == [f"K{i:04}" for i in range(1000)]
    request.page_token = answer.next_page_token
    answer = await service.secrets.ListSecrets(request)
    assert [each.key for each in answer.secrets] == [f"K{i:04}" for i in range(1000, 1500)]
    assert answer.next_page_token == ""


async def test_items_that_come_and_go_between_pages_shift_no_others(service: Service) -> None:
    for slug in ("b", "d", "f"):
        await service.add_project(slug)
    request = project_pb.ListProjectsRequest(page_size=2)
    request.page_token = (await service.projects.ListProjects(request)).next_page_token
    await service.add_project("a")
    await service.add_project("e")
    await service.projects.DeleteProject(
        project_pb.DeleteProjectRequest(name="projects/d", force=True)
    )
    answer = await service.projects.ListProjects(request)
    assert [each.name for each in answer.projects] == ["projects/e", "projects/f"]


async def pages_of(service: Service, method: str, request: Any) -> list[Any]:  # noqa: ANN401
    """Return all pages, which clients must be able to take."""
    pages = [await service.call(method, request)]
    while pages[-1].next_page_token:
        request.page_token = pages[-1].next_page_token
        pages.append(await service.call(method, request))
    return pages


class TestLargeItems:
    """A page ends where it gets larger than clients take, whatever destinations say."""

    async def test_runs(self, shop: Service) -> None:
        shop.recorder.warnings = ("w" * 8000,) * 100
        await shop.put({"K": "v"})
        await shop.add_sync(is_auto_sync_enabled=False)
        names = [(await shop.trigger()).name for _ in range(6)]
        request = sync_pb.ListSyncRunsRequest(parent=SYNC)
        pages = await pages_of(shop, "ListSyncRuns", request)
        found = [[run.name for run in page.sync_runs] for page in pages]
        assert found == [names[:2:-1], names[2::-1]]

    async def test_syncs(self, shop: Service) -> None:
        await shop.put({"K": "v"})
        slugs = [f"s{number:02}" for number in range(70)]
        labels = ["l" * 60_000]
        for slug in slugs:
            config = struct({"place": slug, "labels": labels})
            await shop.add_sync(slug, destination_config=config, is_auto_sync_enabled=False)
        request = sync_pb.ListSecretSyncsRequest(parent=SHOP, page_size=1000)
        pages = await pages_of(shop, "ListSecretSyncs", request)
        assert len(pages) == 2
        found = [sync.name.rpartition("/")[2] for page in pages for sync in page.secret_syncs]
        assert found == slugs

    async def test_keys(self, shop: Service) -> None:
        long = "k" * 250
        keys = [f"{number:03}{long}" for number in range(500)]
        shop.recorder.refused = set(keys)
        shop.recorder.why_refused = "r" * 8000
        await shop.put(dict.fromkeys(keys, ""))
        await shop.add_sync()
        await shop.quiet()
        request = sync_pb.ListSyncKeysRequest(parent=SYNC, page_size=1000)
        pages = await pages_of(shop, "ListSyncKeys", request)
        assert len(pages) == 3
        assert [each.key for page in pages for each in page.sync_keys] == keys


def test_an_item_that_is_larger_than_a_page_has_one_of_its_own() -> None:
    found = ["x" * MAX_PAGE_BYTES, "x" * (MAX_PAGE_BYTES + 1), "x", "x"]
    assert fitting(found, 3, lambda each: [each]) == 1
    assert fitting(found[1:], 3, lambda each: [each]) == 1
    assert fitting(found[2:], 1, lambda each: [each]) == 1
    assert fitting([], 1, lambda each: [each]) == 1
