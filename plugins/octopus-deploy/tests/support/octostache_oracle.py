"""Evaluates texts by the rules of Octostache, the library that Octopus evaluates variables with."""

import re

# The text rules of Octostache's TemplateParser, in its order, and the one conditional in use.
# A "##" before "#{" prints one hash; the parser wants a character after that "#{".
RULES = (
    (re.compile(r"[^#]"), lambda found: found),
    (re.compile(r"#\Z"), lambda _: "#"),
    (re.compile(r"##(?=#\{.)", re.DOTALL), lambda _: "#"),
    (re.compile(r"##\{"), lambda _: "#{"),
    (re.compile(r"#[^{]", re.DOTALL), lambda found: found),
    (re.compile(r"#\{unless _\}#\{/unless\}"), lambda _: ""),
)


def evaluate(text: str) -> str:
    """Return what Octostache prints; fail on anything that it would look up."""
    printed, position = [], 0
    while position < len(text):
        for pattern, prints in RULES:
            found = pattern.match(text, position)
            if found:
                printed.append(prints(found[0]))
                position = found.end()
                break
        else:
            raise AssertionError(f"an expression starts at {text[position:]!r}")
    return "".join(printed)
