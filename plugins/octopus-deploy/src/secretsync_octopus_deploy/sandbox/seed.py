"""What a sandbox holds when it starts: nothing, or a small company's two spaces."""

from secretsync_octopus_deploy.sandbox import project_resources
from secretsync_octopus_deploy.sandbox.jsonio import JsonObject
from secretsync_octopus_deploy.sandbox.world import Space, World

SEEDS = ("default", "empty")

BUILD_STEP = "0b1f3f0e-2f6c-4f6e-9d0a-6f1f6c0d5a01"
BUILD_ACTION = "0b1f3f0e-2f6c-4f6e-9d0a-6f1f6c0d5a02"
MIGRATE_STEP = "0b1f3f0e-2f6c-4f6e-9d0a-6f1f6c0d5a03"
MIGRATE_ACTION = "0b1f3f0e-2f6c-4f6e-9d0a-6f1f6c0d5a04"
RESTART_STEP = "0b1f3f0e-2f6c-4f6e-9d0a-6f1f6c0d5a05"
RESTART_ACTION = "0b1f3f0e-2f6c-4f6e-9d0a-6f1f6c0d5a06"


def build_world(seed: str) -> World:
    """Return a new world; `seed` is one of `SEEDS`, and `empty` has the default space only.

    Worlds of different seeds are different installations.
    """
    world = World(f"5a4db0c5-0000-4000-8000-{SEEDS.index(seed) + 1:012d}")
    default = world.add_space("Default", "default")
    if seed == "empty":
        return world
    _add_infrastructure(world, default)
    _add_projects(world, default)
    _add_library(world, default)
    platform = world.add_space("Platform", "platform")
    world.add_environment(platform, "Shared")
    world.add_project(platform, "Build Tools")
    return world


def _add_infrastructure(world: World, space: Space) -> None:
    """Add environments, deployment targets and tenant tags."""
    for name in ("Development", "Production", "Staging"):
        world.add_environment(space, name)
    for name, roles, environment_id in (
        ("web-dev", ["web-server"], "Environments-1"),
        ("web-prod", ["web-server"], "Environments-2"),
        ("db-prod", ["database"], "Environments-2"),
    ):
        world.add_machine(space, name, roles=roles, environment_ids=[environment_id])
    world.add_tag_set(space, "Region", ["EU", "US"])


def _add_projects(world: World, space: Space) -> None:
    """Add three projects: one with much in it, one bare, one kept in Git."""
    steps = [
        project_resources.step(BUILD_STEP, "Deploy web site", BUILD_ACTION, "web-server"),
        project_resources.step(MIGRATE_STEP, "Migrate database", MIGRATE_ACTION, "database"),
    ]
    shop = world.add_project(space, "Web Shop", steps=steps)
    world.add_channel(space, shop["Id"], "Hotfix")
    restart = project_resources.step(RESTART_STEP, "Restart", RESTART_ACTION, "web-server")
    world.add_runbook(space, shop["Id"], "Restart web servers", [restart])
    world.add_runbook(space, shop["Id"], "Rotate certificates", [])
    world.sets[shop["VariableSetId"]].replace({"Variables": _shop_variables()})

    world.add_project(space, "Billing API")
    inventory = world.add_project(space, "Inventory", in_git=True)
    world.sets[inventory["VariableSetId"]].replace(
        {"Variables": [_row(11, "Inventory.ApiToken", "inventory-token", sensitive=True)]}
    )
    world.add_branch(inventory, "main").replace(
        {
            "Variables": [
                _row(12, "Inventory.BaseUrl", "https://inventory.example.com"),
                _row(13, "Inventory.PageSize", "50", {"Environment": ["Environments-2"]}),
            ]
        }
    )


def _add_library(world: World, space: Space) -> None:
    """Add two sets of variables, and a script module, which is not one."""
    shared = world.add_library_set(space, "Shared Settings")
    shared.replace(
        {
            "Variables": [
                _row(21, "Smtp.Host", "mail.example.com"),
                _row(22, "Smtp.Password", "smtp-password", sensitive=True),
                _row(23, "Smtp.Host", "mail.eu.example.com", {"TenantTag": ["Region/EU"]}),
                _row(
                    24,
                    "Smtp.Password",
                    "smtp-password-eu",
                    {"Environment": ["Environments-2"], "TenantTag": ["Region/EU"]},
                    sensitive=True,
                ),
            ]
        }
    )
    world.add_library_set(space, "Notifications")
    world.add_library_set(space, "Deploy Helpers", content_type="ScriptModule")


def _row(
    number: int,
    name: str,
    value: str | None,
    scope: JsonObject | None = None,
    *,
    sensitive: bool = False,
    **fields: object,
) -> JsonObject:
    """Return a variable with a fixed id."""
    return {
        "Id": f"5eed0000-0000-4000-8000-{number:012d}",
        "Name": name,
        "Value": value,
        "Description": None,
        "Scope": scope or {},
        "IsEditable": True,
        "Prompt": None,
        "Type": "Sensitive" if sensitive else "String",
        "IsSensitive": sensitive,
        **fields,
    }


def _shop_variables() -> list[JsonObject]:
    """Return variables of every kind that a project collects over the years."""
    prompt = {
        "Label": "Release ticket",
        "Description": "The ticket that approves this release",
        "Required": True,
        "DisplaySettings": {"Octopus.ControlType": "SingleLineText"},
    }
    development, production = ["Environments-1"], ["Environments-2"]
    return [
        _row(1, "Site.Title", "Web Shop", Description="Shown in the browser's title bar"),
        _row(2, "Site.BaseUrl", "https://dev.example.com", {"Environment": development}),
        _row(3, "Site.BaseUrl", "https://shop.example.com", {"Environment": production}),
        _row(4, "DB.Password", "dev-password", {"Environment": development}, sensitive=True),
        _row(5, "DB.Password", "prod-password", {"Environment": production}, sensitive=True),
        _row(
            6,
            "DB.Password",
            "web-prod-password",
            {"Environment": production, "Role": ["web-server"]},
            sensitive=True,
        ),
        _row(7, "Release.Ticket", None, {"Environment": production}, Prompt=prompt),
        _row(8, "Site.Certificate", "Certificates-1", Type="Certificate"),
        _row(9, "Cloud.Account", "Accounts-7", Type="AmazonWebServicesAccount"),
        _row(
            10,
            "Feature.Flags",
            "checkout-v2",
            {"Environment": production, "ParentDeployment": ["Deployments-1"]},
            IsEditable=False,
            Notes="a field that newer servers have",
        ),
    ]
