"""CheckDestination, and what saving a sync says and refuses about others that write the same."""

import asyncio

import grpc
import pytest
from recording_destination import Recorder
from refusals import Refusal, invalid_fields, refused
from service_kit import CONNECTION, DEV, PROD, SHOP, SYNC, Service, struct

from secretsync.v1 import secret_sync_service_pb2 as pb

OTHER = f"{SHOP}/secretSyncs/other"
BANK = "projects/bank"
THEIRS = f"{BANK}/secretSyncs/theirs"
AT = struct({"place": "p"})
REFUSE = pb.SyncOptions(overlap_policy=pb.OVERLAP_POLICY_REFUSE)
REFUSE_ANY = pb.SyncOptions(overlap_policy=pb.OVERLAP_POLICY_REFUSE_ANY)


async def check(service: Service, name: str = SYNC) -> pb.CheckDestinationResponse:
    return await service.syncs.CheckDestination(pb.CheckDestinationRequest(name=name))


async def check_settings(
    service: Service, parent: str = SHOP, **fields: object
) -> pb.CheckDestinationResponse:
    given = {
        "connection": CONNECTION,
        "source": pb.SecretSource(environment=DEV),
        "destination_config": AT,
        **fields,
    }
    return await service.syncs.CheckDestination(
        pb.CheckDestinationRequest(parent=parent, secret_sync=pb.SecretSync(**given))  # type: ignore[arg-type]
    )


def seen(answer: pb.CheckDestinationResponse) -> dict[str, tuple[str, list[str]]]:
    """Return kind and names by the other sync."""
    return {
        each.secret_sync: (
            pb.OverlapKind.Name(each.kind).removeprefix("OVERLAP_KIND_").lower(),
            [key.destination_name for key in each.keys],
        )
        for each in answer.overlaps
    }


async def quiet(service: Service, slug: str = "web", **fields: object) -> pb.SecretSync:
    """Create a sync that never runs by itself."""
    return await service.add_sync(
        slug, **{"is_auto_sync_enabled": False, "destination_config": AT, **fields}
    )


@pytest.fixture
async def bank(shop: Service) -> Service:
    """Another project with a sync of A and B to the same place."""
    await shop.add_project("bank")
    await shop.connect(parent=BANK)
    await shop.put({"A": "1", "B": "2"}, parent=f"{BANK}/environments/dev")
    await quiet(
        shop,
        "theirs",
        parent=BANK,
        connection=f"{BANK}/connections/main",
        source=pb.SecretSource(environment=f"{BANK}/environments/dev"),
    )
    return shop


async def test_a_sync_of_another_project_is_found_and_nothing_changed(
    bank: Service, recorder: Recorder
) -> None:
    await bank.put({"a": "1", "X": "2"})
    await quiet(bank)
    before, asked = bank.dump(), len(recorder.requests)

    answer = await check(bank)

    assert answer.overlap_count == 1
    (overlap,) = answer.overlaps
    assert overlap.secret_sync == THEIRS
    assert overlap.kind == pb.OVERLAP_KIND_COLLISION
    assert list(overlap.keys) == [pb.OverlapKey(destination_name="a", key="a", other_key="A")]
    assert (overlap.key_count, overlap.is_enabled) == (1, True)
    assert "writes the same: a." in overlap.message
    assert seen(await check_settings(bank)) == {
        SYNC: ("collision", ["X", "a"]),
        THEIRS: ("collision", ["a"]),
    }
    assert bank.dump() == before
    assert len(recorder.requests) == asked


async def test_who_has_written_a_key_owns_it(bank: Service) -> None:
    await bank.put({"A": "1"})
    await quiet(bank)
    await bank.trigger(THEIRS)
    (overlap,) = (await check(bank)).overlaps
    assert [key.owner for key in overlap.keys] == [THEIRS]
    # Also if it is disabled, and does not have the key at its source any more.
    await bank.update_sync(name=THEIRS, is_enabled=False, mask=["is_enabled"])
    await bank.delete("A", parent=f"{BANK}/environments/dev")
    (overlap,) = (await check(bank)).overlaps
    assert [key.owner for key in overlap.keys] == [THEIRS]
    assert not overlap.is_enabled


async def test_keys_that_come_later_are_foreseen_by_the_key_schemas(bank: Service) -> None:
    await bank.put({"X": "1"})
    await quiet(bank)
    assert seen(await check(bank)) == {THEIRS: ("possible", [])}
    await bank.update_sync(sync_options=pb.SyncOptions(key_schema="SHOP_{{secretKey}}"))
    # Theirs has no key schema, so that its keys can be of any name.
    assert seen(await check(bank)) == {THEIRS: ("possible", [])}
    await bank.update_sync(
        name=THEIRS, sync_options=pb.SyncOptions(key_schema="BANK_{{secretKey}}")
    )
    assert seen(await check(bank)) == {}


async def test_elsewhere_nobody_is_in_the_way(bank: Service) -> None:
    await bank.put({"A": "1"})
    created = await quiet(bank, destination_config=struct({"place": "elsewhere"}))
    assert list(created.warnings) == []
    assert (await check(bank)).overlap_count == 0


async def test_a_source_that_cannot_be_resolved_has_no_keys(bank: Service) -> None:
    await bank.put({"A": "1"}, path="/gone")
    await quiet(bank, source=pb.SecretSource(environment=DEV, secret_path="/gone"))
    assert seen(await check(bank)) == {THEIRS: ("collision", ["A"])}
    await bank.delete("A", path="/gone")
    assert seen(await check(bank)) == {THEIRS: ("possible", [])}


async def test_creating_and_changing_warn(bank: Service) -> None:
    await bank.put({"A": "1"})
    for dry in (True, False):
        created = await bank.syncs.CreateSecretSync(
            pb.CreateSecretSyncRequest(
                parent=SHOP,
                secret_sync_id="web",
                secret_sync=pb.SecretSync(
                    connection=CONNECTION,
                    source=pb.SecretSource(environment=DEV),
                    destination_config=AT,
                    is_auto_sync_enabled=False,
                ),
                validate_only=dry,
                request_id="" if dry else "one",
            )
        )
        (warning,) = created.warnings
        assert THEIRS in warning
        assert "A" in warning
    assert created.sync_options.overlap_policy == pb.OVERLAP_POLICY_WARN
    changed = await bank.update_sync(["description"], description="New")
    assert list(changed.warnings) == [warning]
    # They are about the moment of saving, and CheckDestination tells of any other.
    assert list((await bank.sync()).warnings) == []
    moved = await bank.update_sync(
        ["sync_options.key_schema"], sync_options=pb.SyncOptions(key_schema="X_{{secretKey}}")
    )
    assert "key schemas" in moved.warnings[0]


async def test_a_refusal_names_all_and_changes_nothing(bank: Service, recorder: Recorder) -> None:
    await bank.put({"A": "1", "B": "1", "C": "1"})
    await quiet(bank, "other", sync_options=pb.SyncOptions(key_schema="{{secretKey}}_X"))
    before = bank.dump()

    refusal = await refused(quiet(bank, is_auto_sync_enabled=True, sync_options=REFUSE))

    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "SYNC_OVERLAP"
    assert refusal.metadata == {"secret_syncs": f"{THEIRS}, {OTHER}", "keys": "A, B"}
    assert THEIRS in refusal.message
    assert OTHER in refusal.message
    assert bank.dump() == before
    assert recorder.calls("sync") == []


async def test_only_what_brings_a_sync_closer_to_others_is_refused(bank: Service) -> None:
    await bank.put({"X": "1"})
    elsewhere = struct({"place": "elsewhere"})
    await quiet(bank, destination_config=elsewhere, sync_options=REFUSE, is_enabled=False)

    async def refusal(mask: list[str], **fields: object) -> Refusal:
        before = bank.dump()
        found = await refused(bank.update_sync(mask, **fields))
        assert found.reason == "SYNC_OVERLAP"
        assert bank.dump() == before
        return found

    await refusal(["destination_config"], destination_config=AT)
    await bank.update_sync(
        ["destination_config", "sync_options.overlap_policy"],
        destination_config=AT,
        sync_options=pb.SyncOptions(overlap_policy=pb.OVERLAP_POLICY_WARN),
    )
    await refusal(["sync_options.overlap_policy"], sync_options=REFUSE)
    await bank.update_sync(
        ["destination_config", "sync_options.overlap_policy"],
        destination_config=elsewhere,
        sync_options=REFUSE,
    )
    # The other one comes to it.
    await bank.update_sync(["destination_config"], name=THEIRS, destination_config=elsewhere)
    await refusal(["is_enabled"], is_enabled=True)
    warned = await bank.update_sync(["description"], description="It may still be described.")
    assert THEIRS in warned.warnings[0]
    await bank.update_sync(["is_auto_sync_enabled"], is_auto_sync_enabled=True)


async def test_of_two_that_are_created_at_once_one_is_refused(shop: Service) -> None:
    await shop.put({"A": "1"})
    answers = await asyncio.gather(
        *(quiet(shop, slug, sync_options=REFUSE) for slug in ("one", "two")),
        return_exceptions=True,
    )
    failures = [each for each in answers if isinstance(each, BaseException)]
    assert len(failures) == 1


async def test_scopes_that_have_a_part_in_common(octopus: Service) -> None:
    await octopus.put({"A": "1", "B": "2"})
    await octopus.put({"a": "3", "C": "4"}, parent=PROD)

    def scoped(*environments: str) -> object:
        return struct(
            {
                "spaceId": "Spaces-1",
                "projectId": "Projects-2",
                "scopeValues": {"environments": list(environments)},
            }
        )

    await quiet(octopus, destination_config=scoped("Environments-1"))
    source = pb.SecretSource(environment=PROD)
    apart = await check_settings(
        octopus, source=source, destination_config=scoped("Environments-2")
    )
    assert seen(apart) == {}
    both = scoped("Environments-2", "Environments-1")
    (overlap,) = (await check_settings(octopus, source=source, destination_config=both)).overlaps
    assert overlap.kind == pb.OVERLAP_KIND_SCOPE
    assert overlap.scope == "Environment: Environments-1"
    assert list(overlap.keys) == [pb.OverlapKey(destination_name="a", key="a", other_key="A")]

    created = await quiet(
        octopus, "other", source=source, destination_config=both, sync_options=REFUSE
    )
    assert "Environment: Environments-1" in created.warnings[0]
    assert (await octopus.trigger()).counts.created == 2
    assert (await octopus.trigger(OTHER)).counts.created == 2
    refusal = await refused(octopus.update_sync(name=OTHER, sync_options=REFUSE_ANY))
    assert refusal.reason == "SYNC_OVERLAP"

    # What a run has written is recognised by the identity that the plugin makes without a run.
    await octopus.delete("A")
    answer = await check_settings(
        octopus, source=source, destination_config=scoped("Environments-1")
    )
    assert seen(answer)[SYNC] == ("collision", ["a"])
    assert answer.overlaps[0].keys[0].owner == SYNC
    run = await octopus.trigger(
        (
            await quiet(
                octopus, "third", source=source, destination_config=scoped("Environments-1")
            )
        ).name
    )
    assert run.state == pb.RUN_STATE_FAILED
    assert SYNC in run.message


async def test_long_lists_are_cut_off_and_counted(shop: Service) -> None:
    await shop.put({f"K{i:02}": "1" for i in range(25)})
    await quiet(shop)
    answer = await check_settings(shop)
    (overlap,) = answer.overlaps
    assert [key.key for key in overlap.keys] == [f"K{i:02}" for i in range(20)]
    assert overlap.key_count == 25


async def test_what_is_asked_for_must_be_clear(shop: Service) -> None:
    def request(**fields: object) -> pb.CheckDestinationRequest:
        return pb.CheckDestinationRequest(**fields)  # type: ignore[arg-type]

    async def fields(asked: pb.CheckDestinationRequest) -> dict[str, str]:
        return await invalid_fields(shop.syncs.CheckDestination(asked))

    assert await fields(request()) == {
        "name": "is required: write projects/{project}/secretSyncs/{secret_sync}, or else set"
        " parent and secret_sync"
    }
    assert list(await fields(request(name=SYNC, parent=SHOP))) == ["name"]
    assert list(await fields(request(name="nonsense"))) == ["name"]
    wrong = pb.SecretSync(
        connection=CONNECTION,
        source=pb.SecretSource(environment=DEV, secret_path="x"),
        destination_config=struct({"nonsense": 1}),
        sync_options=pb.SyncOptions(key_schema="x", overlap_policy=9),  # type: ignore[arg-type]
    )
    assert set(await fields(request(parent="shop", secret_sync=wrong))) == {
        "parent",
        "secret_sync.source.secret_path",
        "secret_sync.sync_options.key_schema",
        "secret_sync.sync_options.overlap_policy",
        "secret_sync.destination_config.place",
        "secret_sync.destination_config.nonsense",
    }
    missing = await refused(shop.syncs.CheckDestination(request(name=SYNC)))
    assert missing.reason == "RESOURCE_NOT_FOUND"
    for field, value in (
        ("connection", f"{SHOP}/connections/missing"),
        ("source", pb.SecretSource(environment=DEV, secret_path="/missing")),
    ):
        refusal = await refused(check_settings(shop, **{field: value}))
        assert refusal.code == grpc.StatusCode.NOT_FOUND
        assert field in refusal.message
