"""Which fields an update changes (https://google.aip.dev/134)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from secretsync.domain.problems import Violations


def select_fields(
    mask: Sequence[str],
    values: Mapping[str, Any],
    present: Collection[str],
    violations: Violations,
) -> dict[str, Any]:
    """Return the fields to change with their new values.

    Args:
        mask: paths of the update mask; `*` means all, a message's path all of its fields.
        values: every field that may be changed, by path, with the value in the request.
        present: the fields that are set in the request: those that an empty mask means.
        violations: collects paths that do not exist.
    """
    if not mask:
        return {path: values[path] for path in values if path in present}
    chosen: set[str] = set()
    for path in mask:
        matching = [
            known for known in values if path in {"*", known} or known.startswith(f"{path}.")
        ]
        if not matching:
            known = ", ".join(sorted(values))
            violations.add("update_mask", f"{path!r} cannot be changed; fields are: {known}")
        chosen.update(matching)
    return {path: values[path] for path in values if path in chosen}
