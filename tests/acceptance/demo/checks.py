"""What the demo expects: a failed expectation ends it with a non-zero exit code."""


class DemoFailedError(Exception):
    """Something was not exactly as it should be."""


def ensure(condition: bool, expected: str) -> None:  # noqa: FBT001  reads like assert
    """Raise unless a condition holds.

    Args:
        condition: what must be true.
        expected: what was expected, for people; never a secret value.
    """
    if not condition:
        raise DemoFailedError(expected)
