"""ProjectService: projects and environments."""

from typing import Any

import grpc
import pytest
from refusals import invalid_fields, refused
from service_kit import CONNECTION, DEV, PROD, SHOP, SYNC, Service

from secretsync.v1 import project_service_pb2 as pb

BOTH = {"display_name": "N", "description": "N"}
NAMES = {"Project": "projects/new", "Environment": f"{SHOP}/environments/new"}
both_kinds = pytest.mark.parametrize("kind", ["Project", "Environment"])


async def create(service: Service, kind: str, **texts: str) -> Any:  # noqa: ANN401
    request: Any = pb.CreateProjectRequest(project_id="new")
    if kind == "Environment":
        request = pb.CreateEnvironmentRequest(parent=SHOP, environment_id="new")
    for name, text in texts.items():
        setattr(getattr(request, kind.lower()), name, text)
    return await service.call(f"Create{kind}", request)


async def update(service: Service, kind: str, mask: list[str], **texts: str) -> Any:  # noqa: ANN401
    requests: dict[str, Any] = {
        "Project": pb.UpdateProjectRequest,
        "Environment": pb.UpdateEnvironmentRequest,
    }
    request = requests[kind]()
    resource = getattr(request, kind.lower())
    resource.name = NAMES[kind]
    for name, text in texts.items():
        setattr(resource, name, text)
    request.update_mask.paths.extend(mask)
    return await service.call(f"Update{kind}", request)


async def get(service: Service, kind: str) -> Any:  # noqa: ANN401
    requests: dict[str, Any] = {
        "Project": pb.GetProjectRequest,
        "Environment": pb.GetEnvironmentRequest,
    }
    return await service.call(f"Get{kind}", requests[kind](name=NAMES[kind]))


@both_kinds
async def test_create_and_get(shop: Service, kind: str) -> None:
    created = await create(shop, kind, display_name="Neu \U0001f6d2", description="first\nsecond")
    assert created.name == NAMES[kind]
    assert created.uid
    assert created.etag
    assert created.display_name == "Neu \U0001f6d2"
    assert created.description == "first\nsecond"
    assert created.create_time == created.update_time
    assert created.create_time.seconds > 0
    assert await get(shop, kind) == created


@both_kinds
async def test_create_ignores_output_only_fields(shop: Service, kind: str) -> None:
    given = {"name": "projects/forged", "uid": "forged", "etag": "forged"}
    created = await create(shop, kind, **given)
    assert created.name == NAMES[kind]
    assert created.uid != "forged"
    assert created.etag != "forged"


@both_kinds
async def test_create_what_exists(shop: Service, kind: str) -> None:
    await create(shop, kind)
    before = shop.dump()
    refusal = await refused(create(shop, kind, display_name="again"))
    assert refusal.code == grpc.StatusCode.ALREADY_EXISTS
    assert refusal.reason == "RESOURCE_ALREADY_EXISTS"
    assert refusal.metadata == {"resource": NAMES[kind]}
    assert shop.dump() == before


@both_kinds
async def test_texts_of_256_characters_pass_and_longer_ones_do_not(
    shop: Service, kind: str
) -> None:
    fits = "\U0001f511" * 256
    created = await create(shop, kind, display_name=fits, description=fits)
    assert (created.display_name, created.description) == (fits, fits)
    before = shop.dump()
    for name in ("display_name", "description"):
        fields = await invalid_fields(update(shop, kind, [name], **{name: fits + "x"}))
        rule = "must have at most 256 characters, has 257"
        assert fields == {f"{kind.lower()}.{name}": rule}
    assert shop.dump() == before


@both_kinds
@pytest.mark.parametrize(
    ("mask", "given", "expected"),
    [
        ([], {"display_name": "N"}, {"display_name": "N", "description": "D"}),
        ([], {}, {"display_name": "O", "description": "D"}),
        (["display_name"], BOTH, {"display_name": "N", "description": "D"}),
        (["description"], BOTH, {"display_name": "O", "description": "N"}),
        (["display_name"], {}, {"display_name": "", "description": "D"}),
        (["*"], {"description": "N"}, {"display_name": "", "description": "N"}),
        (["description", "display_name", "description"], BOTH, BOTH),
    ],
)
async def test_update_mask(
    shop: Service,
    kind: str,
    mask: list[str],
    given: dict[str, str],
    expected: dict[str, str],
) -> None:
    before = await create(shop, kind, display_name="O", description="D")
    updated = await update(shop, kind, mask, **given)
    wanted = {
        "display_name": "O",
        "description": "D" if "description" not in mask else "",
        **expected,
    }
    assert {name: getattr(updated, name) for name in wanted} == wanted
    assert await get(shop, kind) == updated
    assert updated.uid == before.uid
    assert updated.create_time == before.create_time
    assert (updated.etag != before.etag) == (updated != before)


@both_kinds
async def test_an_unknown_path_in_the_mask(shop: Service, kind: str) -> None:
    await create(shop, kind)
    before = shop.dump()
    for path in ("name", "uid", "etag", "displayName", "display_name.x", ""):
        fields = await invalid_fields(update(shop, kind, [path], display_name="N"))
        assert fields == {
            "update_mask": f"{path!r} cannot be changed; fields are: description, display_name"
        }
    assert shop.dump() == before


@both_kinds
async def test_a_change_to_what_is_there_already_is_none(shop: Service, kind: str) -> None:
    await create(shop, kind, display_name="Same")
    before = shop.dump()
    await update(shop, kind, [], display_name="Same")
    assert shop.dump() == before


async def test_a_project_made_anew_has_another_uid(service: Service) -> None:
    first = await create(service, "Project")
    await service.projects.DeleteProject(pb.DeleteProjectRequest(name=first.name))
    second = await create(service, "Project")
    assert second.uid != first.uid
    assert second.etag != first.etag


async def test_a_project_that_holds_something_is_deleted_only_by_force(shop: Service) -> None:
    before = shop.dump()
    refusal = await refused(shop.projects.DeleteProject(pb.DeleteProjectRequest(name=SHOP)))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "RESOURCE_IN_USE"
    assert refusal.metadata == {"resource": SHOP, "users": f"{DEV}, {PROD}, {CONNECTION}"}
    assert all(name in refusal.message for name in (DEV, PROD, CONNECTION, "force"))
    assert shop.dump() == before


async def test_force_deletes_a_project_with_all_that_it_holds(shop: Service) -> None:
    await shop.add_project("other")
    await shop.put({"K": "v"}, parent="projects/other/environments/dev")
    before = await shop.values("projects/other/environments/dev")
    await shop.put({"A": "a"})
    await shop.put({"B": "b"}, parent=PROD)
    # In both directions, and within one environment.
    await shop.add_import("/", "/", environment=PROD)
    await shop.add_import("/x", "/", parent=PROD, environment=DEV)
    await shop.add_import("/y", "/")

    await shop.projects.DeleteProject(pb.DeleteProjectRequest(name=SHOP, force=True))

    left = shop.dump()
    for table in ("secrets", "secret_imports", "connections"):
        assert all("shop" not in row for row in left[table])
    assert len(left["projects"]) == len(left["data_keys"]) == len(left["secrets"]) == 1
    assert await shop.values("projects/other/environments/dev") == before


async def test_a_project_with_syncs_is_not_deleted_even_by_force(shop: Service) -> None:
    await shop.add_sync(is_auto_sync_enabled=False)
    before = shop.dump()
    request = pb.DeleteProjectRequest(name=SHOP, force=True)
    refusal = await refused(shop.projects.DeleteProject(request))
    assert refusal.reason == "RESOURCE_IN_USE"
    assert refusal.metadata == {"resource": SHOP, "users": SYNC}
    assert SYNC in refusal.message
    assert shop.dump() == before


async def test_an_environment_with_secrets_is_deleted_only_by_force(shop: Service) -> None:
    await shop.put({"A": "a"}, path="/deep/down")
    await shop.add_import("/", "/deep/down")
    before = shop.dump()
    request = pb.DeleteEnvironmentRequest(name=DEV)
    refusal = await refused(shop.projects.DeleteEnvironment(request))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal.reason == "RESOURCE_IN_USE"
    assert refusal.metadata == {"resource": DEV, "users": DEV}
    assert "force" in refusal.message
    assert shop.dump() == before
    request.force = True
    await shop.projects.DeleteEnvironment(request)
    after = shop.dump()
    assert after["secrets"] == after["secret_imports"] == []


async def test_an_environment_that_others_use_is_not_deleted_even_by_force(shop: Service) -> None:
    await shop.put({"A": "a"})
    imported = await shop.add_import("/", "/", parent=PROD, environment=DEV)
    await shop.add_sync(is_auto_sync_enabled=False)
    before = shop.dump()
    request = pb.DeleteEnvironmentRequest(name=DEV, force=True)
    refusal = await refused(shop.projects.DeleteEnvironment(request))
    assert refusal.reason == "RESOURCE_IN_USE"
    assert refusal.metadata == {"resource": DEV, "users": f"{SYNC}, {imported.name}"}
    assert SYNC in refusal.message
    assert imported.name in refusal.message
    assert shop.dump() == before


async def test_environments_of_one_slug_in_two_projects_are_apart(service: Service) -> None:
    await service.add_project("one", "dev")
    await service.add_project("two", "dev")
    await service.put({"K": "1"}, parent="projects/one/environments/dev")
    await service.put({"K": "2"}, parent="projects/two/environments/dev")
    assert await service.values("projects/one/environments/dev") == {"/K": "1"}
    assert await service.values("projects/two/environments/dev") == {"/K": "2"}
