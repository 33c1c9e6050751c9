"""Names at the destination, and what a first run may delete there."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretsync.domain.desired import NamedKey, first_run_claims, name_keys
from secretsync.domain.entities import InitialSyncBehavior, SecretSync, SyncOptions
from secretsync.domain.key_schema import KeySchema
from secretsync.domain.problems import Problem, Reason

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = KeySchema("", "dev")


class TestNameKeys:
    def test_names_come_from_the_schema_ordered_by_name(self) -> None:
        found = name_keys(["b", "a", "C"], KeySchema("{{environment}}.{{secretKey}}", "dev"), str)
        assert found == [NamedKey("C", "dev.C"), NamedKey("a", "dev.a"), NamedKey("b", "dev.b")]

    def test_no_keys_are_no_names(self) -> None:
        assert name_keys([], PLAIN, str.casefold) == []

    def test_all_collisions_are_named(self) -> None:
        keys = ["DB", "Db", "db", "Stra\u00dfe", "STRASSE", "OTHER"]
        with pytest.raises(Problem) as told:
            name_keys(keys, PLAIN, str.casefold)
        assert told.value.reason is Reason.DUPLICATE_SECRETS
        assert "'DB' and 'Db' and 'db'; 'STRASSE' and 'Stra\u00dfe'" in told.value.message
        assert "OTHER" not in told.value.message

    def test_a_destination_that_tells_case_apart_has_no_collision(self) -> None:
        assert [each.key for each in name_keys(["DB", "db"], PLAIN, str)] == ["DB", "db"]

    def test_identity_is_that_of_the_name_not_of_the_key(self) -> None:
        # What the destination ignores may only come about by the schema.
        names = name_keys(["1", "2"], KeySchema("A_{{secretKey}}", "dev"), lambda name: name[-1])
        assert [each.name for each in names] == ["A_1", "A_2"]
        with pytest.raises(Problem):
            name_keys(["1", "2"], KeySchema("{{secretKey}}_A", "dev"), lambda name: name[-1])

    @given(st.sets(st.text("abAB\u00df", min_size=1, max_size=3), max_size=8))
    @settings(deadline=None)
    def test_either_all_identities_differ_or_it_says_which_do_not(self, keys: set[str]) -> None:
        def fold(key: str) -> str:
            return key.casefold()

        groups = [list(group) for _, group in groupby(sorted(keys, key=fold), key=fold)]
        clashing = {key for group in groups if len(group) > 1 for key in group}
        if not clashing:
            assert {each.key for each in name_keys(keys, PLAIN, fold)} == keys
            return
        with pytest.raises(Problem) as told:
            name_keys(keys, PLAIN, fold)
        for key in keys:
            assert (repr(key) in told.value.message) is (key in clashing)


class TestFirstRunClaims:
    claiming = SecretSync(
        uid="y",
        project_uid="p",
        project="shop",
        slug="sync",
        destination="d",
        connection_uid="c",
        connection="c",
        environment_uid="e",
        environment="dev",
        destination_config={},
        options=SyncOptions(key_schema="APP_{{secretKey}}_{{environment}}"),
        target_key="t",
        create_time=NOW,
        update_time=NOW,
    )

    def test_a_first_run_claims_what_its_schema_could_have_named(self) -> None:
        claims = first_run_claims(self.claiming)
        assert claims("APP_OLD_dev")
        assert not claims("APP_OLD_prod")
        assert not claims("OTHER")
        assert not claims("APP__dev")

    def test_a_later_run_claims_nothing(self) -> None:
        assert not first_run_claims(replace(self.claiming, initialized=True))("APP_OLD_dev")
        assert not first_run_claims(replace(self.claiming, was_here=True))("APP_OLD_dev")

    def test_without_a_schema_nothing_is_claimed(self) -> None:
        options = replace(self.claiming.options, key_schema="")
        assert not first_run_claims(replace(self.claiming, options=options))("APP_OLD_dev")

    def test_whoever_wants_to_claim_everything_says_so(self) -> None:
        options = replace(self.claiming.options, key_schema="{{secretKey}}")
        assert first_run_claims(replace(self.claiming, options=options))("ANYTHING")

    def test_where_deletion_is_disabled_nothing_is_claimed(self) -> None:
        options = replace(self.claiming.options, disable_secret_deletion=True)
        assert not first_run_claims(replace(self.claiming, options=options))("APP_OLD_dev")

    @pytest.mark.parametrize(
        "behavior",
        [
            InitialSyncBehavior.IMPORT_PRIORITIZE_SOURCE,
            InitialSyncBehavior.IMPORT_PRIORITIZE_DESTINATION,
        ],
    )
    def test_who_imports_claims_nothing(self, behavior: InitialSyncBehavior) -> None:
        options = replace(self.claiming.options, initial_sync_behavior=behavior)
        assert not first_run_claims(replace(self.claiming, options=options))("APP_OLD_dev")
