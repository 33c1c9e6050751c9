"""Eight writers to one variable set: four people with Octopus's API, and four syncs of a server."""

import random
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
from crash_kit import Client, struct

from secretsync.v1 import connection_service_pb2 as connections
from secretsync.v1 import project_service_pb2 as projects
from secretsync.v1 import secret_service_pb2 as secrets
from secretsync.v1 import secret_sync_service_pb2 as syncs
from secretsync_octopus_deploy.sandbox.keys import KEY_HEADER
from secretsync_octopus_deploy.sandbox.process import Sandbox

Json = dict[str, Any]

SET = "variableset-Projects-1"
SCOPES: dict[str, dict[str, list[str]]] = {
    "dev": {"environments": ["Environments-1"]},
    "prod": {"environments": ["Environments-2"]},
    "web": {"environments": ["Environments-2"], "roles": ["web-server"]},
    "all": {},
}
STALE = "another user has made changes to the variables"
MAX_TRIES = 500
"""How often one edit is tried; somebody always comes through, so nobody needs nearly as many."""
LONGEST_PAUSE = 0.25
THINKING = 0.15
"""Seconds between two edits of one writer, at most."""


@dataclass
class Editor:
    """Somebody who edits rows of their own: reads the set, changes a row, and writes the set.

    Attributes:
        last: what they wrote last, by the row's name.
        conflicts: how often they had to begin again.
    """

    sandbox: Sandbox
    slug: str
    chance: random.Random
    last: dict[str, str] = field(default_factory=dict)
    conflicts: int = 0

    def __post_init__(self) -> None:
        self._client = httpx.Client(
            base_url=self.sandbox.base_url,
            headers={KEY_HEADER: self.sandbox.api_key},
            timeout=60,
            trust_env=False,
        )

    def rows(self) -> list[Json]:
        """Return their rows as they are at first: text, and a sensitive one."""
        made = []
        for number in range(3):
            name = f"{self.slug}.{number}"
            kind = "String" if number else "Sensitive"
            self.last[name] = "at first"
            made.append({"Name": name, "Type": kind, "Scope": {}, "Value": self.last[name]})
        return made

    def edit_often(self, count: int) -> None:
        """Make so many edits."""
        with self._client:
            for number in range(count):
                self._edit(self.chance.choice(sorted(self.last)), f"{self.slug} wrote {number}")
                time.sleep(self.chance.uniform(0, THINKING))

    def _edit(self, name: str, value: str) -> None:
        url = f"/api/Spaces-1/variables/{SET}"
        for tries in range(MAX_TRIES):
            found = self._client.get(url).raise_for_status().json()
            mine = {row["Name"]: row for row in found["Variables"] if row["Name"] in self.last}
            shown = {key: row["Value"] for key, row in mine.items() if row["Type"] == "String"}
            assert shown == {key: self.last[key] for key in shown}, "a write of theirs was lost"
            assert mine.keys() == self.last.keys()
            mine[name]["Value"] = value
            answer = self._client.put(url, json=found)
            if answer.is_success:
                self.last[name] = value
                return
            assert answer.status_code == httpx.codes.BAD_REQUEST
            assert STALE in answer.text
            self.conflicts += 1
            time.sleep(self.chance.uniform(0, min(0.004 * 2**tries, LONGEST_PAUSE)))
        raise AssertionError(f"{self.slug} never came through")


@dataclass
class Owner:
    """Somebody who sets secrets of one environment, which a sync writes to Octopus.

    Attributes:
        last: what they set last, by key.
    """

    client: Client
    slug: str
    chance: random.Random
    last: dict[str, str] = field(default_factory=dict)

    def set_up(self, connection: str) -> None:
        """Create the environment and its sync."""
        environment = self.client.projects.CreateEnvironment(
            projects.CreateEnvironmentRequest(parent="projects/shop", environment_id=self.slug)
        )
        config = {
            "spaceId": "Spaces-1",
            "projectId": "Projects-1",
            "scopeValues": SCOPES[self.slug],
        }
        self.client.syncs.CreateSecretSync(
            syncs.CreateSecretSyncRequest(
                parent="projects/shop",
                secret_sync_id=self.slug,
                secret_sync=syncs.SecretSync(
                    connection=connection,
                    source=syncs.SecretSource(environment=environment.name),
                    destination_config=struct(config),
                ),
            )
        )

    def edit_often(self, count: int) -> None:
        """Make so many edits, some of which delete a secret."""
        parent = f"projects/shop/environments/{self.slug}"
        for number in range(count):
            key = f"Ours.{self.chance.randrange(6)}"
            if key in self.last and self.chance.random() < 0.2:
                gone = secrets.DeleteSecretsRequest(parent=parent, keys=[key])
                self.client.secrets.DeleteSecrets(gone)
                del self.last[key]
            else:
                self.last[key] = f"{self.slug} set {number}"
                item = secrets.Secret(key=key, value=self.last[key])
                request = secrets.SetSecretsRequest(parent=parent, secrets=[item])
                self.client.secrets.SetSecrets(request)
            time.sleep(self.chance.uniform(0, THINKING))


def connect(client: Client, sandbox: Sandbox) -> str:
    """Create project `shop` with a connection to the sandbox, and return the connection's name."""
    client.projects.CreateProject(projects.CreateProjectRequest(project_id="shop"))
    credentials = struct({"instanceUrl": sandbox.base_url, "apiKey": sandbox.api_key})
    request = connections.CreateConnectionRequest(
        parent="projects/shop",
        connection_id="octopus",
        connection=connections.Connection(
            destination="destinations/octopus-deploy", method="api-key", credentials=credentials
        ),
    )
    return client.connections.CreateConnection(request).name
