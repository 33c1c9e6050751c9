"""Where two syncs' variables apply together, and what tells them apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretsync_octopus_deploy import plugin
from secretsync_octopus_deploy.config import SCOPE_KINDS, OctopusConfig
from secretsync_octopus_deploy.shared_scopes import identity, shared_scope

SCOPES = st.fixed_dictionaries(
    {}, optional={kind: st.lists(st.sampled_from("abc"), unique=True) for kind in SCOPE_KINDS}
)
TAGS = ("roles", "tenantTags")


def config(**scope_values: list[str]) -> OctopusConfig:
    return OctopusConfig.model_validate(
        {"spaceId": "Spaces-1", "projectId": "Projects-1", "scopeValues": scope_values}
    )


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ({}, {"environments": ["E-1"]}, "Environment: E-1"),
        ({"environments": ["E-1"]}, {"environments": ["E-2", "E-1"]}, "Environment: E-1"),
        ({"environments": ["E-1"]}, {"environments": ["E-2"]}, None),
        ({"environments": ["E-1"]}, {"roles": ["web"]}, "Environment: E-1; Role: web"),
        (
            {"environments": ["E-1", "E-2"], "roles": ["web"]},
            {"environments": ["E-2"], "roles": ["web"]},
            "Environment: E-2; Role: web",
        ),
        (
            {"environments": ["E-1"], "roles": ["web"]},
            {"environments": ["E-2"], "roles": ["web"]},
            None,
        ),
        # A target can have both tags, and a tenant too.
        ({"roles": ["web"]}, {"roles": ["db"]}, "Role: web and db"),
        (
            {"tenantTags": ["R/us", "R/eu"]},
            {"tenantTags": ["T/vip"]},
            "TenantTag: one of R/eu, R/us and T/vip",
        ),
        ({"machines": ["M-1"]}, {"machines": ["M-2"]}, None),
        ({"processes": ["Projects-1"]}, {"processes": ["Runbooks-1"]}, None),
        ({"actions": ["a"]}, {"actions": ["b"]}, None),
        ({"channels": ["a"]}, {"channels": ["b"]}, None),
        ({}, {}, "everywhere"),
    ],
)
def test_where_both_apply(
    one: dict[str, list[str]], other: dict[str, list[str]], shared: str | None
) -> None:
    assert shared_scope(config(**one), config(**other)) == shared


@given(SCOPES, SCOPES)
def test_scopes_meet_if_something_could_be_deployed_that_both_apply_to(
    one: dict[str, list[str]], other: dict[str, list[str]]
) -> None:
    def meets(kind: str) -> bool:
        ids, other_ids = set(one.get(kind, [])), set(other.get(kind, []))
        return kind in TAGS or not ids or not other_ids or bool(ids & other_ids)

    found = shared_scope(config(**one), config(**other))
    assert (found is not None) is all(meets(kind) for kind in SCOPE_KINDS)
    reverse = shared_scope(config(**other), config(**one))
    assert (reverse is None) is (found is None)


@given(SCOPES, SCOPES)
def test_the_identity_is_that_of_the_ledger(
    one: dict[str, list[str]], other: dict[str, list[str]]
) -> None:
    info = plugin.destination()
    assert info.identity is identity
    same = {kind: sorted(ids) for kind, ids in one.items() if ids} == {
        kind: sorted(ids) for kind, ids in other.items() if ids
    }
    assert (identity(config(**one), "Db") == identity(config(**other), "dB")) is same
    assert identity(config(**one), "A") != identity(config(**one), "B")
