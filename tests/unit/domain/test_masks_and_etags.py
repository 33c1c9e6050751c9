"""Update masks, and etags that follow every change."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretsync.domain.entities import Project
from secretsync.domain.etags import check_etag, etag_of
from secretsync.domain.masks import select_fields
from secretsync.domain.problems import Code, Problem, Reason, Violations

VALUES = {"description": "d", "is_enabled": False, "source.path": "/", "source.recursive": True}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROJECT = Project(uid="u", slug="shop", create_time=NOW, update_time=NOW)


def select(*mask: str, present: tuple[str, ...] = ()) -> dict[str, object]:
    violations = Violations()
    chosen = select_fields(mask, VALUES, present, violations)
    violations.raise_if_any()
    return chosen


class TestMasks:
    def test_an_empty_mask_means_what_is_set(self) -> None:
        assert select(present=("description", "unknown")) == {"description": "d"}
        assert select() == {}

    def test_a_mask_sets_fields_to_their_defaults_too(self) -> None:
        assert select("is_enabled", present=("description",)) == {"is_enabled": False}

    def test_a_message_means_all_of_its_fields(self) -> None:
        assert select("source") == {"source.path": "/", "source.recursive": True}
        assert select("source.path") == {"source.path": "/"}

    def test_a_star_means_everything(self) -> None:
        assert select("*") == VALUES

    def test_the_order_is_that_of_the_values_and_nothing_is_doubled(self) -> None:
        assert list(select("source", "source.path", "description")) == [
            "description",
            "source.path",
            "source.recursive",
        ]

    @pytest.mark.parametrize(
        "path", ["", "name", "sourc", "source.", "Source", "source.path.x", ".*"]
    )
    def test_unknown_paths_are_named_with_those_that_exist(self, path: str) -> None:
        with pytest.raises(Problem) as told:
            select("description", path)
        [violation] = told.value.violations
        assert violation.field == "update_mask"
        assert violation.description == (
            f"{path!r} cannot be changed; fields are: description, is_enabled, source.path,"
            " source.recursive"
        )

    def test_all_unknown_paths_are_named(self) -> None:
        with pytest.raises(Problem) as told:
            select("a", "b")
        assert len(told.value.violations) == 2


class TestEtags:
    @given(st.integers(1, 10**9), st.integers(1, 10**9))
    def test_each_version_has_its_own(self, one: int, other: int) -> None:
        etags = [etag_of(replace(PROJECT, version=version)) for version in (one, other)]
        assert (etags[0] == etags[1]) is (one == other)

    def test_each_resource_has_its_own(self) -> None:
        # Also where uid and version run together to the same text.
        assert etag_of(replace(PROJECT, uid="u1", version=1)) != etag_of(
            replace(PROJECT, uid="u", version=11)
        )

    def test_the_present_one_and_none_pass(self) -> None:
        check_etag(PROJECT, "")
        check_etag(PROJECT, etag_of(PROJECT))

    @pytest.mark.parametrize("etag", ["x", etag_of(replace(PROJECT, version=2)), " "])
    def test_any_other_is_refused(self, etag: str) -> None:
        with pytest.raises(Problem) as told:
            check_etag(PROJECT, etag)
        assert (told.value.code, told.value.reason) == (Code.ABORTED, Reason.ETAG_MISMATCH)
        assert told.value.metadata == {"resource": "projects/shop"}
