"""What slugs, paths, keys, texts, values and resource names may look like."""

import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretsync.domain import names
from secretsync.domain.entities import Environment, FolderRef, SecretImport
from secretsync.domain.problems import Problem, Violations

ALPHANUMERIC = string.ascii_lowercase + string.digits
SLUGS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


class TestSlugs:
    @given(SLUGS)
    def test_good_ones_pass(self, slug: str) -> None:
        assert names.slug_complaint(slug) is None

    @pytest.mark.parametrize(
        "slug",
        ["", "-a", "a-", "A", "a_b", "a.b", "a b", "\u00e4", "a\n", "a" * 64, "\u0661", "a/b"],
    )
    def test_bad_ones_are_told_the_rule(self, slug: str) -> None:
        assert names.slug_complaint(slug) == names.SLUG_RULE

    @given(st.text(max_size=70))
    def test_the_rule_is_what_it_says(self, slug: str) -> None:
        right = (
            1 <= len(slug) <= 63
            and all(char in ALPHANUMERIC + "-" for char in slug)
            and slug[0] != "-"
            and slug[-1] != "-"
        )
        assert (names.slug_complaint(slug) is None) is right


class TestPaths:
    @pytest.mark.parametrize(
        "path", ["/", "/a", "/api/keys", "/a.b/c_d/E-1", "/..a", "/.hidden", "/" + "a" * 63]
    )
    def test_good_ones_pass(self, path: str) -> None:
        assert names.path_complaint(path) is None

    @pytest.mark.parametrize(
        ("path", "word"),
        [
            ("", "begin with a slash"),
            ("a", "begin with a slash"),
            ("/a/", "write /a"),
            ("//", "write /"),
            ("/a//", "write /a"),
            ("/a//b", "parts of 1 to 63"),
            ("/.", "not only dots"),
            ("/a/..", "not only dots"),
            ("/...", "not only dots"),
            ("/a b", "parts of 1 to 63"),
            ("/\u00e4", "parts of 1 to 63"),
            ("/a\n", "parts of 1 to 63"),
            ("/" + "a" * 64, "parts of 1 to 63"),
            ("/a" * 128, "at most 255 characters, has 256"),
        ],
    )
    def test_bad_ones_are_told_how_to_mend_them(self, path: str, word: str) -> None:
        assert word in (names.path_complaint(path) or "")

    def test_the_longest_passes(self) -> None:
        path = "/" + "/".join(["a" * 63] * 3 + ["a" * 62])
        assert len(path) == 255
        assert names.path_complaint(path) is None


class TestKeys:
    @pytest.mark.parametrize(
        "key", ["A", "db.password", "a b", "\u00fcber", "a:b", "a\u00a0b", "k" * 255]
    )
    def test_good_ones_pass(self, key: str) -> None:
        assert names.key_complaint(key) is None

    @pytest.mark.parametrize(
        ("key", "word"),
        [
            ("", "empty"),
            ("k" * 256, "at most 255 characters, has 256"),
            ("a\nb", "control characters"),
            ("a\x00", "control characters"),
            ("a\u2028b", "control characters"),
            ("a\u2029b", "control characters"),
            ("a\ud800", "control characters"),
            ("a/b", "`/`"),
            ("a{b", "`{`"),
            ("a}b", "`}`"),
            (" a", "blank"),
            ("a ", "blank"),
            ("\u00a0a", "blank"),
        ],
    )
    def test_bad_ones_are_told_why(self, key: str, word: str) -> None:
        assert word in (names.key_complaint(key) or "")


class TestTextsAndValues:
    @pytest.mark.parametrize("limit", [3, 256])
    def test_texts_have_a_limit(self, limit: int) -> None:
        assert names.text_complaint("\u00e4" * limit, limit) is None
        assert names.text_complaint("\u00e4" * (limit + 1), limit) == (
            f"must have at most {limit} characters, has {limit + 1}"
        )

    def test_values_are_limited_in_bytes(self) -> None:
        assert names.value_complaint("") is None
        assert names.value_complaint("\u00e4" * (32 * 1024)) is None
        assert names.value_complaint("\u00e4" * (32 * 1024) + "x") == (
            "must have at most 65536 bytes of UTF-8, has 65537"
        )

    @given(st.text(st.characters(), max_size=20))
    def test_no_complaint_quotes_the_value(self, value: str) -> None:
        complaint = names.value_complaint(value + "\ud800")
        assert complaint == "must be valid unicode: it has half of a surrogate pair"


class TestResourceNames:
    def test_the_variable_parts_come_out(self) -> None:
        name = "projects/shop/secretSyncs/to-octopus/runs/0f-1"
        assert names.SYNC_RUN.parse(name) == ("shop", "to-octopus", "0f-1")

    @given(SLUGS, SLUGS)
    def test_made_names_parse(self, project: str, environment: str) -> None:
        name = f"projects/{project}/environments/{environment}"
        assert names.ENVIRONMENT.parse(name) == (project, environment)

    @pytest.mark.parametrize(
        "name",
        [
            "",
            "projects",
            "projects/",
            "projects/Shop",
            "projects/shop/",
            "/projects/shop",
            "project/shop",
            "projects/shop/environments/dev",
            "projects/-",
        ],
    )
    def test_other_names_do_not(self, name: str) -> None:
        assert names.PROJECT.parse(name) is None

    @pytest.mark.parametrize("uid", ["", "G", "a" * 64, "a_b"])
    def test_uids_are_hexadecimal(self, uid: str) -> None:
        assert names.SYNC_RUN.parse(f"projects/a/secretSyncs/b/runs/{uid}") is None
        assert names.SECRET_IMPORT.parse(f"projects/a/environments/b/secretImports/{uid}") is None

    def test_records_have_names_that_parse(self) -> None:
        now = datetime(2026, 1, 1, tzinfo=UTC)
        environment = Environment(
            uid="e", project_uid="p", project="shop", slug="dev", create_time=now, update_time=now
        )
        secret_import = SecretImport(
            uid="0f",
            project="shop",
            environment_uid="e",
            environment="dev",
            path="/",
            import_environment_uid="f",
            import_environment="prod",
            import_path="/a",
            position=1,
            create_time=now,
        )
        assert names.ENVIRONMENT.parse(environment.name) == ("shop", "dev")
        assert names.SECRET_IMPORT.parse(secret_import.name) == ("shop", "dev", "0f")
        assert secret_import.folder == FolderRef("e", "/")
        assert secret_import.imported == FolderRef("f", "/a")

    def test_check_returns_parts_of_the_right_number_whatever_was_given(self) -> None:
        violations = Violations()
        assert names.CONNECTION.check("a", "", violations) == ("", "")
        assert names.CONNECTION.check("b", "nonsense", violations) == ("", "")
        assert names.CONNECTION.check("c", "projects/p/connections/c", violations) == ("p", "c")
        with pytest.raises(Problem) as told:
            violations.raise_if_any()
        shape = "projects/{project}/connections/{connection}"
        assert [(each.field, each.description) for each in told.value.violations] == [
            ("a", f"is required: write {shape}, each part a slug"),
            ("b", f"is not a name of this kind: write {shape}, each part a slug"),
        ]
