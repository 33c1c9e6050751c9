"""Escapes values so that Octopus's template language leaves them as they are."""

import re

_HASHES_BEFORE_BRACE = re.compile(r"(#+)\{")

_NOTHING = "{unless _}#{/unless}"
"""The rest of a conditional without content: it ends a piece of text and prints nothing."""


def needs_escape(value: str) -> bool:
    """Tell whether Octopus would evaluate something in `value`, or alter it."""
    return "#{" in value


def escape(value: str) -> str:
    """Return the text that Octopus evaluates to exactly `value` at deployment.

    The rules are those of the template parser in Octostache, the library that Octopus evaluates
    variables with: `#{` starts an expression, `##{` prints `#{`, `###{` prints `#` and starts an
    expression, and hashes before them are text. So one more hash does for an odd number of hashes
    before a brace. No number of hashes prints an even number of them before a brace: there the
    text is cut in two by a conditional without content, which prints nothing whatever is set.

    Args:
        value: any text.

    Returns:
        `value` itself if it holds no `#{`.
    """
    return _HASHES_BEFORE_BRACE.sub(_escape_run, value)


def _escape_run(run: re.Match[str]) -> str:
    hashes = run[1]
    if len(hashes) % 2 == 1:
        return f"#{hashes}{{"
    return f"#{hashes}{_NOTHING}##{{"
