"""Projects, environments, connections and syncs: what is stored comes back as it was."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from secretsync.domain.drift import DriftPolicy
from secretsync.domain.entities import FolderRef, InitialSyncBehavior, OverlapPolicy, SyncOptions
from secretsync.store.errors import ConstraintError, StoreError
from secretsync.store.sqlite import SqliteStore
from secretsync.store.sqlite.transaction import SqliteTransaction

if TYPE_CHECKING:
    from tests.unit.store.conftest import Make

Scratch = Callable[[], AbstractContextManager[SqliteTransaction]]


def test_records_come_back_as_they_were(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        assert tx.projects.get("shop") == make.project()
        assert tx.environments.get("p-shop", "dev") == make.environment("dev")
        assert tx.connections.get("p-shop", "octopus") == make.connection()
        assert tx.connections.by_uid("c-octopus") == make.connection()
        assert tx.syncs.get("p-shop", "to-octopus") == make.sync()
        assert tx.syncs.by_uid("y-to-octopus") == make.sync()


def test_what_is_not_there_is_none(scratch: Scratch) -> None:
    with scratch() as tx:
        assert tx.projects.get("SHOP") is None
        assert tx.environments.get("p-other", "dev") is None
        assert tx.connections.get("p-shop", "other") is None
        assert tx.connections.by_uid("other") is None
        assert tx.syncs.get("p-shop", "other") is None
        assert tx.syncs.by_uid("other") is None


def test_updates_replace_every_field(scratch: Scratch, make: "Make") -> None:
    later = make.at(60)
    project = make.project(
        display_name="Der Shop", description="\0 \U0001f6d2", version=2, update_time=later
    )
    environment = make.environment("dev", display_name="D", version=3, update_time=later)
    connection = make.connection(
        description="x", sealed_credentials=b"\0\xff", public_credentials={}, credentials_hash="n"
    )
    sync = make.sync(
        description="x",
        environment_uid="e-prod",
        environment="prod",
        secret_path="/a",
        recursive=True,
        destination_config={"a": {"b": [1, 2.5, True, None, "ü"]}},
        options=SyncOptions(
            initial_sync_behavior=InitialSyncBehavior.IMPORT_PRIORITIZE_SOURCE,
            key_schema="a.{{secretKey}}",
            disable_secret_deletion=True,
        ),
        is_enabled=False,
        is_auto_sync_enabled=False,
        target_key="elsewhere",
        initialized=True,
        version=9,
    )
    with scratch() as tx:
        tx.projects.update(project)
        tx.environments.update(environment)
        tx.connections.update(connection)
        tx.syncs.update(sync)
        assert tx.projects.get("shop") == project
        assert tx.environments.get("p-shop", "dev") == environment
        assert tx.connections.by_uid("c-octopus") == connection
        assert tx.syncs.by_uid("y-to-octopus") == sync


def test_an_update_of_what_is_gone_is_an_error(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx, pytest.raises(StoreError, match="nothing to update in projects"):
        tx.projects.update(make.project("other"))


def test_times_are_kept_to_the_microsecond_and_in_utc(scratch: Scratch, make: "Make") -> None:
    cest = timezone(timedelta(hours=2))
    moment = datetime(2026, 7, 1, 1, 0, 0, 1, tzinfo=cest)
    with scratch() as tx:
        tx.projects.update(make.project(update_time=moment))
        stored = tx.projects.get("shop")
        [[text]] = tx.database.execute("SELECT update_time FROM projects")
    assert stored is not None
    assert stored.update_time == moment
    assert stored.update_time.utcoffset() == timedelta(0)
    assert text == "2026-06-30T23:00:00.000001Z"


def test_a_time_without_zone_is_refused(scratch: Scratch, make: "Make") -> None:
    naive = make.now.replace(tzinfo=None)
    with scratch() as tx, pytest.raises(ValueError, match="without a time zone"):
        tx.projects.insert(make.project("other", create_time=naive))


def test_pages_are_in_order_and_stay_within_their_parent(scratch: Scratch, make: "Make") -> None:
    slugs = ["a", "a-b", "a0", "ab", "b"]
    with scratch() as tx:
        for slug in reversed(slugs):
            tx.projects.insert(make.project(slug))
            tx.environments.insert(make.environment(slug))
            tx.connections.insert(make.connection(slug))
            tx.syncs.insert(make.sync(slug))
        tx.environments.insert(make.environment("c", project_uid="p-a"))
        for listing in (
            tx.projects.list,
            lambda after, limit: tx.environments.list("p-shop", after, limit),
            lambda after, limit: tx.connections.list("p-shop", after, limit),
            lambda after, limit: tx.syncs.list("p-shop", after, limit),
        ):
            assert [each.slug for each in listing("", 5)] == slugs
            assert [each.slug for each in listing("a-b", 2)] == ["a0", "ab"]
            assert listing("z", 5) == []
        assert [each.slug for each in tx.environments.list("p-a", "", 9)] == ["c"]


async def test_a_name_is_given_once(store: SqliteStore, make: "Make") -> None:
    await store.write(make.world)
    for insert in (
        lambda tx: tx.projects.insert(make.project(uid="new")),
        lambda tx: tx.environments.insert(make.environment(uid="new")),
        lambda tx: tx.connections.insert(make.connection(uid="new")),
        lambda tx: tx.syncs.insert(make.sync(uid="new")),
    ):
        with pytest.raises(ConstraintError, match="UNIQUE constraint failed"):
            await store.write(insert)


async def test_what_is_in_use_stays(store: SqliteStore, make: "Make") -> None:
    await store.write(make.world)
    for delete in (
        lambda tx: tx.projects.delete("p-shop"),
        lambda tx: tx.environments.delete("e-dev"),
        lambda tx: tx.connections.delete("c-octopus"),
    ):
        with pytest.raises(ConstraintError, match="FOREIGN KEY constraint failed"):
            await store.write(delete)
    await store.write(lambda tx: tx.syncs.delete("y-to-octopus"))
    await store.write(lambda tx: tx.imports.insert(make.secret_import()))
    with pytest.raises(ConstraintError):
        await store.write(lambda tx: tx.environments.delete("e-prod"))


def test_a_project_goes_with_all_that_it_holds(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.syncs.delete("y-to-octopus")
        tx.secrets.put([make.secret("A")])
        tx.imports.insert(make.secret_import())
        tx.keys.save_data_key("p-shop", b"wrapped")
        tx.projects.insert(make.project("other"))
        tx.keys.save_data_key("p-other", b"wrapped too")
        tx.projects.delete("p-shop")
        assert tx.environments.get("p-shop", "dev") is None
        assert tx.connections.get("p-shop", "octopus") is None
        assert not tx.secrets.any_in_environment("e-dev")
        assert tx.imports.get("e-dev", "i-1") is None
        assert tx.keys.data_key("p-shop") is None
        assert tx.projects.get("other") == make.project("other")
        assert tx.keys.data_key("p-other") == b"wrapped too"


def test_an_environment_goes_with_its_secrets_and_imports(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.syncs.delete("y-to-octopus")
        tx.secrets.put([make.secret("A"), make.secret("A", environment_uid="e-prod", uid="s-2")])
        tx.imports.insert(make.secret_import())
        tx.environments.delete("e-dev")
        assert not tx.secrets.any_in_environment("e-dev")
        assert tx.secrets.any_in_environment("e-prod")
        assert tx.imports.get("e-dev", "i-1") is None


def test_a_sync_goes_with_its_runs_and_ledger(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.syncs.insert(make.sync("other"))
        for sync in ("to-octopus", "other"):
            tx.runs.insert(make.run(f"r-{sync}", sync))
            tx.ledger.replace(f"y-{sync}", [make.entry()])
        tx.syncs.delete("y-to-octopus")
        assert tx.runs.get("y-to-octopus", "r-to-octopus") is None
        assert not tx.ledger.has_entries("y-to-octopus")
        assert tx.runs.get("y-other", "r-other") is not None
        assert tx.ledger.has_entries("y-other")
        tx.connections.delete("c-none")


def test_users_of_a_connection_and_an_environment(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.connections.insert(make.connection("second"))
        other = make.sync("b", connection_uid="c-second", connection="second")
        third = make.sync("a", environment_uid="e-prod", environment="prod")
        tx.syncs.insert(other)
        tx.syncs.insert(third)
        assert tx.syncs.using_connection("c-octopus") == [third, make.sync()]
        assert tx.syncs.using_connection("c-second") == [other]
        assert tx.syncs.using_environment("e-dev") == [other, make.sync()]
        assert tx.syncs.using_environment("e-prod") == [third]


def test_syncs_that_read_a_folder(scratch: Scratch, make: "Make") -> None:
    syncs = {
        "root": make.sync("root"),
        "whole": make.sync("whole", recursive=True),
        "a": make.sync("a", secret_path="/a"),
        "a-all": make.sync("a-all", secret_path="/a", recursive=True),
        "ab-all": make.sync("ab-all", secret_path="/a/b", recursive=True),
        "a-b": make.sync("a-b", secret_path="/a-b", recursive=True),
        "upper": make.sync("upper", secret_path="/A", recursive=True),
        "prod": make.sync("prod", recursive=True, environment_uid="e-prod", environment="prod"),
    }
    with scratch() as tx:
        tx.syncs.delete("y-to-octopus")
        for sync in syncs.values():
            tx.syncs.insert(sync)

        def reading(*folders: tuple[str, str]) -> set[str]:
            found = tx.syncs.reading(FolderRef(*folder) for folder in folders)
            assert list(found) == sorted(found, key=lambda sync: sync.uid)
            return {sync.slug for sync in found}

        assert reading() == set()
        assert reading(("e-dev", "/")) == {"root", "whole"}
        assert reading(("e-dev", "/a")) == {"whole", "a", "a-all"}
        assert reading(("e-dev", "/a/b")) == {"whole", "a-all", "ab-all"}
        assert reading(("e-dev", "/a/b/c")) == {"whole", "a-all", "ab-all"}
        assert reading(("e-dev", "/a-b/c")) == {"whole", "a-b"}
        assert reading(("e-prod", "/a")) == {"prod"}
        assert reading(("e-dev", "/x"), ("e-prod", "/x")) == {"whole", "prod"}
        assert tx.syncs.reading([FolderRef("e-dev", "/A")]) == [syncs["upper"], syncs["whole"]]


def test_rows_can_be_read_with_plain_sql(scratch: Scratch) -> None:
    with scratch() as tx:
        [row] = tx.database.query(
            "SELECT slug, environment, secret_path, create_time,"
            " options ->> 'initial_sync_behavior' AS behavior FROM secret_syncs"
        )
    assert row == {
        "slug": "to-octopus",
        "environment": "dev",
        "secret_path": "/",
        "create_time": "2026-03-01T12:30:15.123456Z",
        "behavior": "overwrite-destination",
    }


def test_every_option_comes_back(scratch: Scratch, make: "Make") -> None:
    options = SyncOptions(
        overlap_policy=OverlapPolicy.REFUSE_ANY,
        drift_policy=DriftPolicy.REPAIR,
        drift_interval=90.5,
    )
    with scratch() as tx:
        tx.syncs.update(make.sync(options=options))
        found = tx.syncs.by_uid("y-to-octopus")
        assert found
        assert found.options == options
        assert isinstance(found.options.overlap_policy, OverlapPolicy)
        assert isinstance(found.options.drift_policy, DriftPolicy)


def test_options_stored_before_a_new_one_came_get_its_default(
    scratch: Scratch, make: "Make"
) -> None:
    with scratch() as tx:
        options = '{"initial_sync_behavior":"overwrite-destination"}'
        tx.database.execute("UPDATE secret_syncs SET options = ?", [options])
        assert tx.syncs.by_uid("y-to-octopus") == make.sync()
