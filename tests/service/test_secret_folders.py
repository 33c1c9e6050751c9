"""SecretService: paths, subfolders and pages of secrets."""

from typing import Any

import grpc
import pytest
from refusals import invalid_fields, refused
from service_kit import DEV, PROD, Service

from secretsync.v1 import secret_service_pb2 as pb

TREE = ("/", "/a", "/a/b", "/a/b/c", "/a-b", "/a.b", "/a0", "/A", "/b")


@pytest.fixture
async def tree(shop: Service) -> Service:
    """A server with a secret in each folder of a tree."""
    for path in TREE:
        await shop.put({"K": path}, path=path)
    await shop.put({"K": "other"}, parent=PROD, path="/a/z")
    return shop


async def test_folders_are_apart(tree: Service) -> None:
    for path in TREE:
        assert await tree.values(path=path) == {f"{path.rstrip('/')}/K": path}


async def test_a_recursive_list_holds_the_folder_and_all_below_it(tree: Service) -> None:
    expected = {
        "/": set(TREE),
        "/a": {"/a", "/a/b", "/a/b/c"},
        "/a/b": {"/a/b", "/a/b/c"},
        "/a/b/c": {"/a/b/c"},
        "/a-b": {"/a-b"},
    }
    for path, wanted in expected.items():
        assert set((await tree.values(path=path, recursive=True)).values()) == wanted


async def test_recursive_lists_are_ordered_by_path_and_key(tree: Service) -> None:
    await tree.put({"B": "", "a": "", "\u00e4": "", "\U0001f511": ""}, path="/a")
    request = pb.ListSecretsRequest(parent=DEV, recursive=True)
    answer = await tree.secrets.ListSecrets(request)
    found = [(each.path, each.key) for each in answer.secrets]
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("api", "must begin with a slash, e.g. /api/keys"),
        ("/api/", "must not end with a slash: write /api"),
        ("//", "must not end with a slash: write /"),
        ("/api//keys", "must have parts of 1 to 63 letters"),
        ("/../etc", "must have parts of 1 to 63 letters"),
        ("/./x", "must have parts of 1 to 63 letters"),
        ("/a b", "must have parts of 1 to 63 letters"),
        ("/\u00e4", "must have parts of 1 to 63 letters"),
        ("/a\n", "must have parts of 1 to 63 letters"),
        ("/a\x00", "must have parts of 1 to 63 letters"),
        ("/*", "must have parts of 1 to 63 letters"),
        ("/" + "x" * 64, "must have parts of 1 to 63 letters"),
        ("/x" * 128, "must have at most 255 characters, has 256"),
    ],
)
async def test_malformed_paths(shop: Service, path: str, rule: str) -> None:
    before = shop.dump()
    calls: dict[str, list[Any]] = {
        "path": [
            shop.put({"K": "v"}, path=path),
            shop.secrets.GetSecret(pb.GetSecretRequest(parent=DEV, path=path, key="K")),
            shop.values(path=path),
            shop.delete("K", path=path),
            shop.secrets.ListSecretImports(pb.ListSecretImportsRequest(parent=DEV, path=path)),
        ],
        "secret_import.path": [shop.add_import(path, "/", environment=PROD)],
        "secret_import.import_path": [shop.add_import("/", path, environment=PROD)],
    }
    for field, attempts in calls.items():
        for attempt in attempts:
            fields = await invalid_fields(attempt)
            assert fields.keys() == {field}
            assert fields[field].startswith(rule)
    assert shop.dump() == before


async def test_the_longest_path_works(shop: Service) -> None:
    path = f"/{'x' * 63}" * 3 + f"/{'y' * 62}"
    assert len(path) == 255
    await shop.put({"K": "v"}, path=path)
    assert await shop.values(path=path) == {f"{path}/K": "v"}


async def test_a_folder_exists_for_as_long_as_something_is_in_it_or_below(shop: Service) -> None:
    assert await shop.values(path="/") == {}
    await shop.put({"K": "v"}, path="/a/b")
    assert await shop.values(path="/a") == {}
    await shop.delete("K", path="/a/b")
    for path in ("/a/b", "/a"):
        refusal = await refused(shop.values(path=path))
        assert refusal.code == grpc.StatusCode.NOT_FOUND
        assert refusal.reason == "RESOURCE_NOT_FOUND"
        assert refusal.metadata == {"resource": DEV}
        assert refusal.message == f"path: {DEV} has no folder {path}"
    await shop.add_import("/a/b", "/", environment=PROD)
    assert await shop.values(path="/a") == {}


async def test_a_page_is_cut_where_its_values_get_large(shop: Service) -> None:
    sizes = [65_536, 65_536, 0, 1, 40_000] * 24
    values = {f"K{i:03}": chr(0x20AC) * (size // 3) for i, size in enumerate(sizes)}
    await shop.put(values)
    request = pb.ListSecretsRequest(parent=DEV, include_values=True, page_size=1000)
    found: dict[str, str] = {}
    pages = 0
    while pages == 0 or request.page_token:
        answer = await shop.secrets.ListSecrets(request)
        assert answer.ByteSize() < 4 * 1024 * 1024
        found |= {each.key: each.value for each in answer.secrets}
        request.page_token = answer.next_page_token
        pages += 1
    assert found == values
    assert pages == 2
    request.include_values = False
    assert len((await shop.secrets.ListSecrets(request)).secrets) == len(sizes)


async def test_a_page_is_cut_where_comments_and_keys_get_large(shop: Service) -> None:
    char = "\U0001f511"
    for begin in (0, 500):
        secrets = [
            pb.Secret(key=f"{i:04}{char * 200}", comment=char * 1024)
            for i in range(begin, begin + 500)
        ]
        await shop.secrets.SetSecrets(pb.SetSecretsRequest(parent=DEV, secrets=secrets))
    request = pb.ListSecretsRequest(parent=DEV, page_size=1000)
    first = await shop.secrets.ListSecrets(request)
    request.page_token = first.next_page_token
    second = await shop.secrets.ListSecrets(request)
    assert len(first.secrets) < 1000
    assert [each.key[:4] for each in (*first.secrets, *second.secrets)] == [
        f"{i:04}" for i in range(1000)
    ]
