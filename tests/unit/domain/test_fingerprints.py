"""Fingerprints of plans: their form, and what two of them tell."""

import pytest

from secretsync.domain.plans import fingerprint_complaint, moved_since

A, B = "a" * 32, "b" * 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        A,
        f"{A}.{A}.{A}",
        f"{A}.{A}.{A}.{A}.{A}",
        f"{A}.{A}.{A}.{'G' * 32}",
        f" {A}.{A}.{A}.{A}",
        f"{A}.{A}.{A}.{A}\n",
    ],
)
def test_what_is_no_fingerprint(text: str) -> None:
    assert fingerprint_complaint(text)


def test_what_is_one() -> None:
    assert fingerprint_complaint(f"{A}.{B}.{A}.{B}") is None


def test_what_moved() -> None:
    approved = f"{A}.{A}.{A}.{A}"
    assert moved_since(approved, approved) == ()
    assert moved_since(approved, f"{B}.{A}.{A}.{A}") == ("configuration",)
    assert moved_since(approved, f"{A}.{B}.{B}.{A}") == ("source", "destination")


def test_what_follows_is_no_reason_of_its_own() -> None:
    approved = f"{A}.{A}.{A}.{A}"
    assert moved_since(approved, f"{A}.{B}.{A}.{B}") == ("source",)
    assert moved_since(approved, f"{A}.{A}.{A}.{B}") == ("destination",)
