"""SecretService: batches, versions and values of secrets."""

import grpc
import pytest
from refusals import invalid_fields, refused
from service_kit import DEV, PROD, Service

from secretsync.v1 import secret_service_pb2 as pb

LIMIT = 64 * 1024
VALUES = {
    "plain": "hunter2",
    "empty": "",
    "blank": "  \t ",
    "lines": "first\nsecond\r\nthird\rfourth\n",
    "nul": "\x00before\x00after\x00",
    "control": "".join(map(chr, range(32))) + "\x7f\x85",
    "separators": "\u2028\u2029\ufeff",
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f511",
    "right to left": "\u05e9\u05dc\u05d5\u05dd \u202eabc\u202c \u0645\u0631\u062d\u0628\u0627",
    "decomposed": "a\u0308",
    "composed": "\u00e4",
    "last": "\U0010ffff\uffff",
    "octostache": "#{Octopus.Project} ##{x} {{secretKey}} ${HOME} %s",
    "quotes": "'\"`\\\\n$(reboot);--",
    "json": '{"a": [1, null]}',
}


async def get(service: Service, key: str, *, path: str = "", value: bool = False) -> pb.Secret:
    request = pb.GetSecretRequest(parent=DEV, path=path, key=key, include_value=value)
    return await service.secrets.GetSecret(request)


async def test_any_unicode_comes_back_as_it_was_set(shop: Service) -> None:
    await shop.put(VALUES)
    assert await shop.values() == {f"/{key}": value for key, value in VALUES.items()}
    for key, value in VALUES.items():
        assert (await get(shop, key, value=True)).value == value


async def test_a_value_is_shown_only_on_demand(shop: Service) -> None:
    answer = await shop.put({"K": "hunter2", "EMPTY": ""})
    assert [(each.value, each.value_included) for each in answer.secrets] == [("", False)] * 2
    listed = await shop.secrets.ListSecrets(pb.ListSecretsRequest(parent=DEV))
    assert [(each.value, each.value_included) for each in listed.secrets] == [("", False)] * 2
    assert not (await get(shop, "K")).value_included
    shown = await get(shop, "K", value=True)
    assert (shown.value, shown.value_included) == ("hunter2", True)
    empty = await get(shop, "EMPTY", value=True)
    assert (empty.value, empty.value_included) == ("", True)


@pytest.mark.parametrize("char", ["x", "\u00e4", "\u20ac", "\U0001f511"])
async def test_the_limit_of_a_value_is_64_kib_of_utf_8(shop: Service, char: str) -> None:
    size = len(char.encode())
    fits = char * (LIMIT // size) + "x" * (LIMIT % size)
    await shop.put({"K": fits})
    assert (await get(shop, "K", value=True)).value == fits
    before = shop.dump()
    fields = await invalid_fields(shop.put({"GOOD": "", "K": fits + "x"}))
    rule = f"must have at most {LIMIT} bytes of UTF-8, has {LIMIT + 1}"
    assert fields == {"secrets[1].value": rule}
    assert shop.dump() == before


async def test_what_a_key_may_be(shop: Service) -> None:
    good = [
        "a",
        "A",
        "A.b:c-d_e",
        "two words",
        "\u00e4",
        "\U0001f511",
        "x" * 255,
        "=",
        "#",
        "..",
        "*",
    ]
    await shop.put(dict.fromkeys(good, "v"))
    assert (await shop.values()).keys() == {f"/{key}" for key in good}
    before = shop.dump()
    rules = {
        "": "must not be empty",
        "x" * 256: "must have at most 255 characters, has 256",
        "a\nb": "must not have control characters or line breaks",
        "a\x00": "must not have control characters or line breaks",
        "a\u2028b": "must not have control characters or line breaks",
        "a/b": "must not have `/`, `{` or `}`",
        "{{secretKey}}": "must not have `/`, `{` or `}`",
        " a": "must not begin or end with a blank",
        "a ": "must not begin or end with a blank",
    }
    for key, rule in rules.items():
        assert await invalid_fields(shop.put({"GOOD": "", key: "v"})) == {"secrets[1].key": rule}
    assert shop.dump() == before


async def test_case_counts_in_keys(shop: Service) -> None:
    await shop.put({"key": "lower", "KEY": "upper"})
    assert await shop.values() == {"/KEY": "upper", "/key": "lower"}


async def test_versions_count_changes_of_value_or_comment(shop: Service) -> None:
    async def set_one(value: str, comment: str = "") -> tuple[int, int, int]:
        secret = pb.Secret(key="K", value=value, comment=comment)
        answer = await shop.secrets.SetSecrets(pb.SetSecretsRequest(parent=DEV, secrets=[secret]))
        (shown,) = answer.secrets
        assert shown == await get(shop, "K")
        assert shown.comment == comment
        return answer.created_count, answer.updated_count, shown.version

    assert await set_one("a") == (1, 0, 1)
    assert await set_one("a") == (0, 0, 1)
    assert await set_one("b") == (0, 1, 2)
    assert await set_one("b", "why") == (0, 1, 3)
    assert await set_one("b", "why") == (0, 0, 3)
    assert await set_one("b") == (0, 1, 4)
    assert await set_one("a\x00") == (0, 1, 5)


async def test_a_batch_answers_in_the_order_of_the_request(shop: Service) -> None:
    first = await shop.put({"B": "1", "A": "2"})
    assert (first.created_count, first.updated_count) == (2, 0)
    unchanged = await get(shop, "B")
    answer = await shop.put({"C": "3", "B": "1", "A": "changed"})
    assert [(each.key, each.version) for each in answer.secrets] == [("C", 1), ("B", 1), ("A", 2)]
    assert (answer.created_count, answer.updated_count) == (1, 1)
    assert await get(shop, "B") == unchanged
    changed = await get(shop, "A")
    assert changed.create_time == first.secrets[1].create_time
    assert changed.update_time.ToNanoseconds() > changed.create_time.ToNanoseconds()


async def test_output_only_fields_of_a_secret_are_ignored(shop: Service) -> None:
    secret = pb.Secret(key="K", value="v", path="/elsewhere", version=7, value_included=True)
    answer = await shop.secrets.SetSecrets(pb.SetSecretsRequest(parent=DEV, secrets=[secret]))
    assert (answer.secrets[0].path, answer.secrets[0].version) == ("/", 1)


async def test_a_batch_is_set_in_whole_or_not_at_all(shop: Service) -> None:
    await shop.put({"K": "old"})
    before = shop.dump()
    fields = await invalid_fields(shop.put({"K": "new", "bad/key": "v", "M": "x"}))
    assert fields.keys() == {"secrets[1].key"}
    assert shop.dump() == before


async def test_a_batch_has_1_to_1000_secrets_and_each_key_once(shop: Service) -> None:
    before = shop.dump()
    assert await invalid_fields(shop.put({})) == {"secrets": "must have 1 to 1000 entries, has 0"}
    fields = await invalid_fields(shop.put({f"K{i}": "" for i in range(1001)}))
    assert fields == {"secrets": "must have 1 to 1000 entries, has 1001"}
    twice = [pb.Secret(key="K", value="a"), pb.Secret(key="K", value="a")]
    request = pb.SetSecretsRequest(parent=DEV, secrets=twice)
    fields = await invalid_fields(shop.secrets.SetSecrets(request))
    assert fields == {"secrets": "must have each key once, has 'K' 2 times"}
    assert shop.dump() == before
    assert (await shop.put({f"K{i}": "" for i in range(1000)})).created_count == 1000


async def test_a_request_over_16_mib_is_refused_and_changes_nothing(shop: Service) -> None:
    before = shop.dump()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await shop.put({f"K{i}": "x" * LIMIT for i in range(257)})
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert shop.dump() == before
    await shop.put({f"K{i}": "x" * (LIMIT - 64) for i in range(255)})


async def test_comments_have_1024_characters_at_most(shop: Service) -> None:
    comment = "\U0001f511" * 1024
    secret = pb.Secret(key="K", comment=comment)
    request = pb.SetSecretsRequest(parent=DEV, secrets=[secret])
    assert (await shop.secrets.SetSecrets(request)).secrets[0].comment == comment
    request.secrets[0].comment += "x"
    fields = await invalid_fields(shop.secrets.SetSecrets(request))
    assert fields == {"secrets[0].comment": "must have at most 1024 characters, has 1025"}


async def test_a_secret_that_does_not_exist(shop: Service) -> None:
    await shop.put({"K": "v"}, path="/api")
    for path, key in (("/", "K"), ("/api", "k"), ("/api", "L"), ("/missing", "K")):
        refusal = await refused(get(shop, key, path=path))
        assert refusal.code == grpc.StatusCode.NOT_FOUND
        assert refusal.reason == "RESOURCE_NOT_FOUND"
        assert refusal.metadata == {"resource": DEV}
        assert refusal.message == f"key: {DEV} has no secret {key!r} in {path}"


async def test_deletions_are_made_in_whole_or_not_at_all(shop: Service) -> None:
    await shop.put({"A": "a", "B": "b", "C": "c"})
    await shop.put({"A": "other"}, parent=PROD)
    before = shop.dump()
    refusal = await refused(shop.delete("A", "X", "B", "Y"))
    assert refusal.code == grpc.StatusCode.NOT_FOUND
    assert refusal.metadata == {"resource": DEV}
    assert refusal.message == f"keys: {DEV} has no secret 'X', 'Y' in /; nothing was deleted"
    assert shop.dump() == before

    await shop.delete("A", "B")
    assert await shop.values() == {"/C": "c"}
    assert await shop.values(PROD) == {"/A": "other"}
    await shop.secrets.DeleteSecrets(
        pb.DeleteSecretsRequest(parent=DEV, keys=["A", "C", "X"], allow_missing=True)
    )
    assert await shop.values() == {}


async def test_a_deletion_has_1_to_1000_keys_and_each_once(shop: Service) -> None:
    await shop.put({"A": "a"})
    before = shop.dump()
    for keys, rule in (
        ([], "must have 1 to 1000 entries, has 0"),
        ([str(i) for i in range(1001)], "must have 1 to 1000 entries, has 1001"),
        (["A", "A"], "must have each key once, has 'A' 2 times"),
    ):
        assert await invalid_fields(shop.delete(*keys)) == {"keys": rule}
    assert shop.dump() == before


async def test_a_secret_made_anew_begins_at_version_1(shop: Service) -> None:
    await shop.put({"K": "a"})
    await shop.put({"K": "b"})
    await shop.delete("K")
    answer = await shop.put({"K": "b"})
    assert (answer.created_count, answer.secrets[0].version) == (1, 1)


async def test_a_value_that_was_altered_in_the_database_is_told_and_mended(shop: Service) -> None:
    await shop.put({"K": "v", "L": "w"})
    await shop.tamper("UPDATE secrets SET sealed_value = x'01' WHERE key = 'K'")
    refusal = await refused(get(shop, "K", value=True))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "SOURCE_UNRESOLVED"
    assert "'K' in /" in refusal.message
    assert "set it again" in refusal.message
    assert (await refused(shop.values())).reason == "SOURCE_UNRESOLVED"
    assert (await get(shop, "L", value=True)).value == "w"
    assert (await shop.put({"K": "v"})).updated_count == 1
    assert (await get(shop, "K", value=True)).value == "v"


async def test_a_value_moved_to_another_secret_does_not_open(shop: Service) -> None:
    await shop.put({"K": "v", "L": "w"})
    await shop.tamper(
        "UPDATE secrets SET sealed_value = (SELECT sealed_value FROM secrets WHERE key = 'L')"
        " WHERE key = 'K'"
    )
    assert (await refused(get(shop, "K", value=True))).reason == "SOURCE_UNRESOLVED"
