"""Choices for the fields of a sync's configuration, as a destination has them now."""

from collections.abc import Mapping, Sequence

from secretsync.adapter import Capability, DiscoverRequest, Option
from secretsync.domain import names
from secretsync.domain.problems import Code, Problem, Reason, Violations
from secretsync.operations.app import App
from secretsync.operations.connections import load_with_credentials
from secretsync.operations.destinations import call_destination
from secretsync.operations.paging import Page, PageRequest, make_token


async def list_options(
    app: App, name: str, option_list: str, parameters: Mapping[str, str], request: PageRequest
) -> Page[Option]:
    """Return a page of choices for a field of a sync's configuration."""
    violations = Violations()
    if not names.CONNECTION.check("name", name, violations)[0]:
        request.check_size(violations)
        violations.raise_if_any()
    connection, model = await app.read(lambda tx: load_with_credentials(app, tx, name))
    info = app.registry.get(connection.destination).info
    if Capability.DISCOVER not in info.capabilities:
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.UNSUPPORTED,
            f"{info.title} does not support listing options",
            metadata={"destination": info.name},
        )
    lists = {each.name: each for each in info.option_lists}
    if option_list not in lists:
        violations.add("option_list", f"must be one of {', '.join(lists)}")
    else:
        _check_parameters(lists[option_list].parameters, parameters, violations)
    # The destination's own token travels within one of ours, which is bound to the whole request.
    scope = f"{option_list} of {connection.uid} {sorted(parameters.items())}"
    size, (token,) = request.open(scope, [""], violations)
    page = await call_destination(
        app,
        lambda basics: app.registry.discover(
            connection.destination,
            DiscoverRequest(
                credentials=model,
                option_list=option_list,
                parameters=parameters,
                page_size=size,
                page_token=str(token),
                **basics,
            ),
        ),
        config_field="parameters",
    )
    return Page(page.options, page.next_page_token and make_token(scope, [page.next_page_token]))


def _check_parameters(
    wanted: Sequence[str], given: Mapping[str, str], violations: Violations
) -> None:
    for name in wanted:
        if not given.get(name):
            violations.add(f"parameters.{name}", "is required by this option list")
    for name in given:
        if name not in wanted:
            told = ", ".join(wanted) or "none"
            violations.add(f"parameters.{name}", f"is no parameter of this option list ({told})")
