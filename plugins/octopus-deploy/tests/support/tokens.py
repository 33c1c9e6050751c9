"""Identity tokens and programs that print them, for the tests of OpenID Connect."""

# Claims are of any type.
# ruff: noqa: ANN401

import base64
import json
from pathlib import Path
from typing import Any

SIGNATURE = base64.urlsafe_b64encode(b"a signature that nobody checks").rstrip(b"=").decode()


def part_of(content: object) -> str:
    """Return a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def token_of(**claims: Any) -> str:
    """Return a token that nobody has signed."""
    header = {"alg": "RS256", "typ": "JWT"}
    return ".".join([part_of(header), part_of({"iss": "https://issuer", **claims}), SIGNATURE])


def program(path: Path, body: str) -> Path:
    """Write a program for the shell and return its path."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return path
