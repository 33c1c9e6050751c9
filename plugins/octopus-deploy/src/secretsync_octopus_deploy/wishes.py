"""What a sync wants a variable set to hold, checked against the rules that need no server."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from secretsync.adapter import InvalidConfig, SecretValue, SyncRequest
from secretsync_octopus_deploy import octostache
from secretsync_octopus_deploy.config import SCOPE_KINDS, OctopusConfig
from secretsync_octopus_deploy.rows import identity_of
from secretsync_octopus_deploy.texts import listed
from secretsync_octopus_deploy.variable_set import VariableSet

MASKED_LENGTH = 4
"""Octopus masks a sensitive value in deployment logs from this many characters on."""

_RESOLVABLE = " ._-:/~()"
"""What Octostache lets variable names hold besides letters and digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One variable as it is to be.

    Attributes:
        key: the secret key at the source.
        name: the variable's name.
        comment: the secret's comment, empty if it has none.
        identity: see `identity_of`.
        value: the text to store, template syntax already dealt with.
        digest: of that text.
        is_escaped: whether that text differs from the value at the source.
    """

    key: str
    name: str
    comment: str
    identity: str
    value: SecretValue
    digest: str
    is_escaped: bool


def wishes_of(request: SyncRequest) -> list[Wish]:
    """Return the variables that a sync is to hold.

    Raises:
        InvalidConfig: Octopus would take two names for one.
    """
    config: OctopusConfig = request.config
    scope = config.scope_values.as_scope()
    wishes = []
    for secret in request.desired:
        identity = identity_of(secret.name, scope)
        source = secret.value.reveal()
        written = octostache.escape(source) if config.octostache == "escape" else source
        value = SecretValue(written)
        wishes.append(
            Wish(
                key=secret.key,
                name=secret.name,
                comment=secret.comment,
                identity=identity,
                value=value,
                digest=request.digest(identity, value),
                is_escaped=written != source,
            )
        )
    _check_names(wishes)
    return wishes


def check_scope(config: OctopusConfig, current: VariableSet) -> list[str]:
    """Check that Octopus has every id that the configuration scopes variables to.

    Returns:
        A warning for each kind of id that the server offers no list of.

    Raises:
        InvalidConfig: with a violation for each field that holds an unknown id.
    """
    violations: dict[str, str] = {}
    warnings: list[str] = []
    for field, (_, list_name) in SCOPE_KINDS.items():
        wanted = config.scope_values.ids(field)
        if not wanted:
            continue
        choices = (current.scope_values or {}).get(list_name)
        if choices is None:
            warnings.append(
                f"Octopus sent no list of {field} for this {config.owner_kind}, so it could not be"
                f" checked that scopeValues.{field} exist."
            )
            continue
        offered = {choice.id for choice in choices}
        unknown = [one for one in wanted if one not in offered]
        if unknown:
            violations[f"scopeValues.{field}"] = (
                f"Octopus has no {listed(unknown)} for this {config.owner_kind}, or hides it from"
                f" the connection's user. Choose from: {listed([choice.id for choice in choices])}."
            )
    if violations:
        unknown_fields = ", ".join(violations)
        raise InvalidConfig(
            f"Octopus does not have some of the ids in {unknown_fields}. Nothing was changed.",
            violations=violations,
        )
    return warnings


def warnings_for(request: SyncRequest) -> list[str]:
    """Return what works and may still surprise at deployment. Never a value."""
    warnings = []
    odd = [secret.name for secret in request.desired if not _is_resolvable(secret.name)]
    if odd:
        warnings.append(
            "Deployments cannot refer to these names, because Octopus's substitution resolves only"
            f" letters, digits, spaces and . _ - : / ~ ( ): {listed(odd)}."
        )
    short = [
        secret.key for secret in request.desired if 0 < len(secret.value.reveal()) < MASKED_LENGTH
    ]
    if short:
        warnings.append(
            "Octopus does not mask values of three characters or fewer in deployment logs:"
            f" {listed(short)}."
        )
    config: OctopusConfig = request.config
    if config.octostache == "passthrough":
        evaluated = [
            secret.key
            for secret in request.desired
            if octostache.needs_escape(secret.value.reveal())
        ]
        if evaluated:
            warnings.append(
                "Octopus evaluates #{...} in these values at deployment, as octostache:"
                f" passthrough asks for: {listed(evaluated)}."
            )
    return warnings


def _check_names(wishes: Sequence[Wish]) -> None:
    by_identity = defaultdict(list)
    for wish in wishes:
        by_identity[wish.identity].append(wish)
    clashes = [
        " and ".join(f"{wish.name} (from {wish.key})" for wish in group)
        for group in by_identity.values()
        if len(group) > 1
    ]
    if clashes:
        raise InvalidConfig(
            "Octopus does not tell letter case apart in variable names, so these are one variable:"
            f" {'; '.join(clashes)}. Nothing was changed.",
            hint="Rename or remove all but one of them at the source.",
        )


def _is_resolvable(name: str) -> bool:
    return all(char.isalpha() or char.isdecimal() or char in _RESOLVABLE for char in name)
