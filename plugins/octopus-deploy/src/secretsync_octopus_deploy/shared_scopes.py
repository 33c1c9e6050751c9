"""Where the variables of two syncs can both apply, as far as their scopes tell."""

from secretsync_octopus_deploy.config import SCOPE_KINDS, OctopusConfig
from secretsync_octopus_deploy.rows import identity_of

SINGLE_KINDS = ("environments", "machines", "processes", "actions", "channels")
"""Kinds of which a value is looked up for one id; a target or tenant can have several tags."""


def identity(config: OctopusConfig, name: str) -> str:
    """Return the identity that the variable of a name has under a configuration."""
    return identity_of(name, config.scope_values.as_scope())


def shared_scope(one: OctopusConfig, other: OctopusConfig) -> str | None:
    """Return where variables of two configurations both apply, or None if nowhere.

    A variable applies where each kind of its scope has one of its ids (Octopus documentation,
    "Scoping variables"). Two that are scoped to different environments never meet; two that are
    scoped to different target tags meet at a target that has both.

    Args:
        one: a configuration.
        other: another one, of the same variable set.

    Returns:
        For people: `Environment: Environments-1; Role: web and db`, or `everywhere`.
    """
    parts = []
    for kind, (label, _) in SCOPE_KINDS.items():
        ids, other_ids = one.scope_values.ids(kind), other.scope_values.ids(kind)
        shared = sorted({*ids} & {*other_ids})
        if shared or not (ids and other_ids):
            told = ", ".join(shared or sorted({*ids, *other_ids}))
        elif kind in SINGLE_KINDS:
            return None
        else:
            told = f"{_one_of(ids)} and {_one_of(other_ids)}"
        if told:
            parts.append(f"{label}: {told}")
    return "; ".join(parts) or "everywhere"


def _one_of(ids: list[str]) -> str:
    return min(ids) if len(ids) == 1 else f"one of {', '.join(sorted(ids))}"
