"""SecretService: imports, as they are kept and as a run resolves them."""

import grpc
from recording_destination import Recorder
from refusals import invalid_fields, refused
from service_kit import DEV, PROD, SHOP, SYNC, Service

from secretsync.v1 import secret_service_pb2 as pb
from secretsync.v1 import secret_sync_service_pb2 as sync_pb
from secretsync.v1.error_reason_pb2 import ERROR_REASON_SOURCE_NOT_FOUND


async def listed(service: Service, path: str = "") -> list[pb.SecretImport]:
    answer = await service.secrets.ListSecretImports(
        pb.ListSecretImportsRequest(parent=DEV, path=path)
    )
    return list(answer.secret_imports)


async def drop(service: Service, secret_import: pb.SecretImport) -> None:
    await service.secrets.DeleteSecretImport(pb.DeleteSecretImportRequest(name=secret_import.name))


async def pushed(service: Service, recorder: Recorder) -> dict[str, str]:
    """Return what a run of the sync makes the destination hold."""
    run = await service.trigger()
    assert run.state == sync_pb.RUN_STATE_SUCCEEDED, run.message
    return recorder.held["web"]


async def test_create_and_list(shop: Service) -> None:
    await shop.put({"K": "v"}, path="/shared")
    first = await shop.add_import("", "", environment=PROD)
    second = await shop.add_import("/", "/shared")
    third = await shop.add_import("/api", "/shared")
    assert first.name.startswith(f"{DEV}/secretImports/")
    assert (first.path, first.import_environment, first.import_path) == ("/", PROD, "/")
    assert (second.path, second.import_environment, second.import_path) == ("/", DEV, "/shared")
    assert [each.position for each in (first, second, third)] == [1, 2, 1]
    assert first.create_time.seconds > 0
    assert await listed(shop) == [first, second, third]
    assert await listed(shop, "/") == [first, second]
    assert await listed(shop, "/api") == [third]
    assert await listed(shop, "/elsewhere") == []


async def test_positions_are_not_used_again(shop: Service) -> None:
    for path in ("/a", "/b", "/c"):
        await shop.put({"K": path}, path=path)
    first, second = await shop.add_import("/", "/a"), await shop.add_import("/", "/b")
    await drop(shop, first)
    third = await shop.add_import("/", "/c")
    assert [each.position for each in await listed(shop)] == [second.position, third.position]
    assert third.position == 3


async def test_an_import_is_made_once(shop: Service) -> None:
    first = await shop.add_import("/", "/", environment=PROD)
    before = shop.dump()
    refusal = await refused(shop.add_import("/", "/", environment=PROD))
    assert refusal.code == grpc.StatusCode.ALREADY_EXISTS
    assert refusal.reason == "RESOURCE_ALREADY_EXISTS"
    assert refusal.metadata == {"resource": first.name}
    assert shop.dump() == before


async def test_a_folder_to_import_must_exist(shop: Service) -> None:
    before = shop.dump()
    refusal = await refused(shop.add_import("/", "/missing", environment=PROD))
    assert refusal.code == grpc.StatusCode.NOT_FOUND
    assert refusal.metadata == {"resource": PROD}
    assert refusal.message.startswith(f"secret_import.import_path: {PROD} has no folder /missing")
    missing = f"{SHOP}/environments/missing"
    refusal = await refused(shop.add_import("/", "/", environment=missing))
    assert refusal.metadata == {"resource": missing}
    assert refusal.message.startswith("secret_import.import_environment: ")
    assert shop.dump() == before


async def test_other_projects_cannot_be_imported_from(shop: Service) -> None:
    await shop.add_project("other")
    before = shop.dump()
    field = "secret_import.import_environment"
    attempt = shop.add_import("/", "/", environment="projects/other/environments/dev")
    assert await invalid_fields(attempt) == {field: "must be of the same project as parent"}
    request = pb.CreateSecretImportRequest(parent=DEV)
    fields = await invalid_fields(shop.secrets.CreateSecretImport(request))
    assert fields.keys() == {field}
    assert fields[field].startswith("is required: ")
    assert shop.dump() == before


async def test_circles_are_refused_and_named(shop: Service) -> None:
    for path in ("/a", "/b", "/c"):
        await shop.put({"K": path}, path=path)
    await shop.add_import("/a", "/b")
    await shop.add_import("/b", "/", environment=PROD)
    await shop.put({"P": ""}, parent=PROD)
    await shop.add_import("/", "/c", parent=PROD, environment=DEV)
    before = shop.dump()
    for into, out_of, circle in (
        ("/a", "/a", "dev:/a -> dev:/a"),
        ("/b", "/a", "dev:/b -> dev:/a -> dev:/b"),
        ("/c", "/a", "dev:/c -> dev:/a -> dev:/b -> prod:/ -> dev:/c"),
    ):
        refusal = await refused(shop.add_import(into, out_of))
        assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
        assert refusal.reason == "IMPORT_CYCLE"
        assert refusal.metadata == {"cycle": circle}
        assert circle in refusal.message
    assert shop.dump() == before
    # Reaching a folder twice is no circle.
    await shop.add_import("/a", "/c")


async def test_own_secrets_win_and_later_imports_win_over_earlier_ones(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({"A": "own"})
    await shop.put({"A": "one", "B": "one", "C": "one"}, path="/one")
    await shop.put({"A": "two", "B": "two", "D": "two"}, path="/two")
    await shop.put({"D": "below"}, path="/two/below")
    first = await shop.add_import("/", "/one")
    await shop.add_import("/", "/two")
    await shop.add_sync(is_auto_sync_enabled=False)
    expected = {"A": "own", "B": "two", "C": "one", "D": "two"}
    assert await pushed(shop, recorder) == expected

    await drop(shop, first)
    assert await pushed(shop, recorder) == {"A": "own", "B": "two", "D": "two"}
    await shop.add_import("/", "/one")
    assert await pushed(shop, recorder) == {**expected, "B": "one"}


async def test_imports_of_imports_count(shop: Service, recorder: Recorder) -> None:
    await shop.put({"DEEP": "deep", "MID": "deep"}, parent=PROD, path="/deep")
    await shop.put({"MID": "mid"}, path="/mid")
    await shop.add_import("/mid", "/deep", environment=PROD)
    await shop.add_import("/", "/mid")
    await shop.add_sync(is_auto_sync_enabled=False)
    assert await pushed(shop, recorder) == {"DEEP": "deep", "MID": "mid"}


async def test_a_change_is_followed_through_imports(shop: Service, recorder: Recorder) -> None:
    await shop.put({"A": "1"}, parent=PROD, path="/deep")
    await shop.put({"B": "1"}, path="/mid")
    await shop.put({"U": "1"}, path="/unrelated")
    await shop.add_import("/mid", "/deep", parent=DEV, environment=PROD)
    await shop.add_import("/", "/mid")
    await shop.add_sync()
    await shop.quiet()

    answer = await shop.put({"A": "2"}, parent=PROD, path="/deep")
    (name,) = answer.runs
    run = await shop.ended(name)
    assert (run.trigger, run.state) == (
        sync_pb.RUN_TRIGGER_SOURCE_CHANGE,
        sync_pb.RUN_STATE_SUCCEEDED,
    )
    assert recorder.held["web"] == {"A": "2", "B": "1"}
    assert (await shop.put({"U": "2"}, path="/unrelated")).runs == []
    await shop.delete("A", parent=PROD, path="/deep")
    await shop.put({"A2": "3"}, parent=PROD, path="/deep")
    await shop.quiet()
    assert recorder.held["web"] == {"A2": "3", "B": "1"}


async def test_making_and_ending_an_import_queues_runs(shop: Service, recorder: Recorder) -> None:
    await shop.put({"A": "1"})
    await shop.put({"B": "1"}, parent=PROD)
    await shop.add_sync()
    await shop.quiet()
    made = await shop.add_import("/", "/", environment=PROD)
    runs = await shop.quiet()
    assert [run.trigger for run in runs][1:] == [sync_pb.RUN_TRIGGER_SOURCE_CHANGE]
    assert recorder.held["web"] == {"A": "1", "B": "1"}
    await drop(shop, made)
    runs = await shop.quiet()
    assert [run.trigger for run in runs][2:] == [sync_pb.RUN_TRIGGER_SOURCE_CHANGE]
    assert recorder.held["web"] == {"A": "1"}


async def test_ending_an_import_twice(shop: Service) -> None:
    made = await shop.add_import("/", "/", environment=PROD)
    await drop(shop, made)
    refusal = await refused(drop(shop, made))
    assert refusal.code == grpc.StatusCode.NOT_FOUND
    assert refusal.metadata == {"resource": made.name}


async def test_an_imported_folder_that_vanished_fails_the_run(
    shop: Service, recorder: Recorder
) -> None:
    await shop.put({"A": "1"})
    await shop.put({"B": "1"}, path="/gone")
    await shop.add_import("/", "/gone")
    await shop.add_sync(is_auto_sync_enabled=False)
    held = dict(await pushed(shop, recorder))
    await shop.delete("B", path="/gone")
    run = await shop.trigger()
    assert run.state == sync_pb.RUN_STATE_FAILED
    assert run.error_reason == ERROR_REASON_SOURCE_NOT_FOUND
    assert "the folder that dev:/ imports, dev:/gone, does not exist" in run.message
    assert recorder.held["web"] == held
    assert (await shop.sync(SYNC)).sync_status.message == run.message
