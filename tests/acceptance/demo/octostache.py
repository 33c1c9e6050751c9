"""What a deployment sees of a stored value, as far as values that hold no expressions go."""

import re

from checks import ensure

_HASHES = re.compile(r"(#+)\{")
_NOTHING = "unless _}#{/unless}"


def deployed(stored: str) -> str:
    """Return the text that Octopus evaluates a stored value to.

    An even number of hashes before a brace prints one hash less; an odd one begins an expression,
    of which only the one that prints nothing may be there: no secret may be evaluated.

    Args:
        stored: the value as Octopus stores it.
    """
    printed: list[str] = []
    position = 0
    for hashes in _HASHES.finditer(stored):
        if hashes.start() < position:
            continue
        printed.append(stored[position : hashes.start()])
        count, position = len(hashes[1]), hashes.end()
        if count % 2 == 0:
            printed.append("#" * (count - 1) + "{")
        else:
            ensure(stored.startswith(_NOTHING, position), "nothing in a secret is evaluated")
            printed.append("#" * max(count - 2, 0))
            position += len(_NOTHING)
    return "".join(printed) + stored[position:]
