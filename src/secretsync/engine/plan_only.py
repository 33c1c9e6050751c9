"""What stands in for the recording of intents where an adapter is only asked for a plan."""


class PlanOnlyError(Exception):
    """A plan mutates nothing: an adapter was about to write while it was asked for one."""


async def refuse(*_entries: object, **_options: object) -> None:
    """Refuse to record an intent.

    Raises:
        PlanOnlyError: always.
    """
    raise PlanOnlyError
