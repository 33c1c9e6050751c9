"""An operator's day with the `secretsync` command, and nothing else, against real processes."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from acceptance_kit import (
    Api,
    OctopusProject,
    Service,
    environment,
    installed,
    running_service,
    wait_until,
)

VALUES = {
    "DB_PASSWORD": "correct horse battery staple",
    "TLS_KEY": "-----BEGIN KEY-----\nMIIBVQIBADANBg\n-----END KEY-----\n",
    "GREETING": "Grüße, 你好, שלום, 🔑",
    "TEMPLATE": "Hello #{Customer.Name}",
    "EMPTY": "",
}
DOTENV = """\
# What dev uses
DB_PASSWORD='correct horse battery staple'
TLS_KEY="-----BEGIN KEY-----
MIIBVQIBADANBg
-----END KEY-----
"
GREETING="Grüße, 你好, שלום, 🔑"
TEMPLATE='Hello #{Customer.Name}'
EMPTY=
"""
TOKEN = "ghp_0123456789abcdef"
ROTATED = "tr0ub4dor&3 'rotated'"
PROD_PASSWORD = "prod: four random words"


@dataclass
class Cli:
    """Runs command lines as an operator would, and sees that none shows a secret.

    Attributes:
        address: where the server listens.
        project: the project that short names belong to.
        secrets: values that must show nowhere unless they are asked for.
    """

    address: str
    project: str
    secrets: list[str] = field(default_factory=list)

    def start(self, *words: str | Path, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [installed("secretsync"), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(
                SECRETSYNC_ADDRESS=self.address, SECRETSYNC_PROJECT=self.project, **variables
            ),
        )
        # What everyone on the machine can see of it.
        self.check(*psutil.Process(process.pid).cmdline())
        return process

    def run(
        self, *words: str | Path, code: int = 0, stdin: str = "", reveal: bool = False
    ) -> tuple[str, str]:
        """Return what a command printed, and what it said on stderr."""
        with self.start(*words) as process:
            out, err = process.communicate(stdin, timeout=120)
        assert process.returncode == code, f"{words}: {out}{err}"
        assert "Traceback" not in err
        self.check(err, "" if reveal else out)
        return out, err

    def out(self, *words: str | Path, stdin: str = "", reveal: bool = False) -> str:
        """Return what a command printed that has nothing else to say."""
        out, err = self.run(*words, stdin=stdin, reveal=reveal)
        assert err == "", err
        return out

    def json(self, *words: str | Path, stdin: str = "") -> dict[str, Any]:
        """Return what a command printed for programs."""
        answer: dict[str, Any] = json.loads(self.out(*words, "--json", stdin=stdin))
        return answer

    def refusal(self, code: int, *words: str | Path, stdin: str = "") -> str:
        """Return what a command said that ended with an exit code and did nothing."""
        out, err = self.run(*words, code=code, stdin=stdin)
        assert out == ""
        assert err.startswith("secretsync: error: ")
        return err

    def check(self, *texts: str) -> None:
        """See that no text holds a secret, nor a line of one."""
        parts = [line for secret in self.secrets for line in secret.splitlines() if line]
        assert not [part for part in parts for text in texts if part in text]


def sync_options(octopus: OctopusProject, environment_id: str) -> list[str]:
    config = {
        "spaceId": "Spaces-1",
        "scope": "project",
        "projectId": octopus.project_id,
        "scopeValues.environments": environment_id,
    }
    return [word for name, value in config.items() for word in ("--config", f"{name}={value}")]


def private_file(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(content)
    return path


def test_an_operator_does_the_main_job(tmp_path: Path, octopus: OctopusProject) -> None:
    secrets = [*VALUES.values(), TOKEN, ROTATED, PROD_PASSWORD, octopus.sandbox.api_key]
    with running_service(tmp_path, "--log-level", "debug") as service:
        cli = Cli(service.address, "shop", secrets)
        load_secrets(cli, tmp_path)
        connect(cli, tmp_path, octopus)
        at_octopus = create_syncs(cli, octopus)
        carry_changes_over(cli, octopus, at_octopus)
        take_everything_away(cli, octopus)
        cli.check(*psutil.Process(service.process.pid).cmdline())
        assert service.stop() == 0

    # Nobody who reads the log, however talkative, learns a value.
    cli.check(service.output())
    assert "attempt 1 begins" in service.output()
    assert "Traceback" not in service.output()


def load_secrets(cli: Cli, folder: Path) -> None:
    """Secrets come from files and stdin, and go out on request only."""
    assert cli.out("project", "create", "shop") == "Created projects/shop.\n"
    cli.out("environment", "create", "dev")
    created = cli.json("environment", "create", "prod", "--display-name", "Production")
    assert created["name"] == "projects/shop/environments/prod"
    assert created["displayName"] == "Production"

    dotenv = private_file(folder, "dev.env", DOTENV)
    _, told = cli.run("secret", "import", dotenv, "-e", "dev", "--dry-run")
    assert "nothing was changed" in told
    assert cli.json("secret", "list", "-e", "dev") == {"secrets": []}
    loaded = cli.out("secret", "import", dotenv, "-e", "dev").splitlines()
    assert loaded[1].split() == ["dev:/", "5", "0", "0"]
    token = ("secret", "set", "TOKEN", "-", "-e", "dev")
    assert cli.out(*token, stdin=TOKEN) == "Created TOKEN in dev:/.\n"
    prod = json.dumps({"DB_PASSWORD": PROD_PASSWORD})
    imported = cli.json("secret", "import", "-", "--format", "json", "-e", "prod", stdin=prod)
    assert imported["createdCount"] == 1

    listed = cli.out("secret", "list", "-e", "dev")
    assert [line.split()[1] for line in listed.splitlines()[1:]] == sorted([*VALUES, "TOKEN"])
    for key in ("TLS_KEY", "GREETING"):
        assert cli.out("secret", "get", key, "-e", "dev", "--reveal", reveal=True) == VALUES[key]
    assert "value" not in cli.json("secret", "get", "TLS_KEY", "-e", "dev")


def connect(cli: Cli, folder: Path, octopus: OctopusProject) -> None:
    """The connection is proved, and tells what there is to choose from."""
    key_file = private_file(folder, "api-key", f"{octopus.sandbox.api_key}\n")
    url = octopus.sandbox.base_url
    cli.out(
        *("connection", "create", "octopus", "--destination", "octopus-deploy"),
        *("--set", f"instanceUrl={url}", "--secret-file", f"apiKey={key_file}"),
    )
    shown = cli.json("connection", "get", "octopus")
    assert shown["publicCredentials"]["instanceUrl"] == url
    assert "credentials" not in shown
    assert "Octopus Deploy" in cli.out("connection", "validate", "octopus")

    choices = ("connection", "options", "octopus")
    assert "projects" in cli.out(*choices)
    assert "Spaces-1" in cli.out(*choices, "spaces")
    place = ("--param", "spaceId=Spaces-1")
    assert octopus.project_id in cli.out(*choices, "projects", *place)
    project = ("--param", f"projectId={octopus.project_id}")
    offered = cli.json(*choices, "environments", *place, *project)["options"]
    assert {"Environments-1", "Environments-2"} < {option["id"] for option in offered}


def create_syncs(cli: Cli, octopus: OctopusProject) -> dict[tuple[str, str], str]:
    """Two syncs write the same names into the same place, told apart by scope."""
    create = ("sync", "create", "--connection", "octopus", "--wait")
    first = cli.out(*create, "dev", "-e", "dev", *sync_options(octopus, "Environments-1"))
    assert first.startswith("Created projects/shop/secretSyncs/dev.\n")
    assert "6 created" in first
    requests = [line.split()[0] for line in first.splitlines() if "/api/" in line]
    assert requests == ["GET", "PUT", "GET"]
    both = cli.json(*create, "prod", "-e", "prod", *sync_options(octopus, "Environments-2"))
    assert both["secretSync"]["syncStatus"]["state"] == "RUN_STATE_SUCCEEDED"
    assert both["syncRun"]["counts"]["created"] == 1
    at_octopus = {
        (key, "Environments-1"): value.replace("#{", "##{")
        for key, value in (VALUES | {"TOKEN": TOKEN}).items()
    }
    at_octopus["DB_PASSWORD", "Environments-2"] = PROD_PASSWORD
    assert octopus.held() == at_octopus
    return at_octopus


def carry_changes_over(
    cli: Cli, octopus: OctopusProject, at_octopus: dict[tuple[str, str], str]
) -> None:
    """A change and a deletion reach Octopus by themselves, and nothing else does."""
    queued = cli.out("secret", "set", "TOKEN", "-", "-e", "dev", stdin=ROTATED).splitlines()
    assert queued[0] == "Updated TOKEN in dev:/."
    run = queued[1].removeprefix("Queued ").removesuffix(".")
    changed = cli.out("run", "get", run, "--wait")
    rows = [line.split()[:3] for line in changed.splitlines() if line.startswith("TOKEN ")]
    assert rows == [["TOKEN", "TOKEN", "updated"]]
    assert "5 unchanged (--all lists them)" in changed

    cli.out("secret", "delete", "EMPTY", "-e", "dev")
    deleted = cli.json("run", "get", "dev", "--wait")
    counts = {"created": 0, "updated": 0, "unchanged": 5, "deleted": 1, "skipped": 0, "failed": 0}
    assert (deleted["trigger"], deleted["counts"]) == ("RUN_TRIGGER_SOURCE_CHANGE", counts)
    del at_octopus["EMPTY", "Environments-1"]
    at_octopus["TOKEN", "Environments-1"] = ROTATED
    assert octopus.held() == at_octopus

    again = cli.out("sync", "run", "dev")
    assert "5 unchanged" in again
    assert again.count("/api/") == 1
    runs = cli.json("run", "list", "dev")["syncRuns"]
    triggers = ["MANUAL", "SOURCE_CHANGE", "SOURCE_CHANGE", "CREATE"]
    assert [each["trigger"].removeprefix("RUN_TRIGGER_") for each in runs] == triggers
    assert len(cli.out("run", "list", "dev", "--limit", "2").splitlines()) == 3


def take_everything_away(cli: Cli, octopus: OctopusProject) -> None:
    """Removing and deleting take away what each sync wrote, and no more."""
    assert "5 deleted" in cli.out("sync", "remove", "dev", "--yes")
    assert octopus.held() == {("DB_PASSWORD", "Environments-2"): PROD_PASSWORD}
    gone = cli.out("sync", "delete", "prod", "--remove-secrets", "--yes")
    assert gone == "Deleted projects/shop/secretSyncs/prod.\n"
    assert octopus.held() == {}
    cli.out("sync", "delete", "dev", "--yes")
    assert cli.json("sync", "list") == {"secretSyncs": []}
    cli.out("connection", "delete", "octopus")
    cli.out("project", "delete", "shop", "--force", "--yes")
    assert cli.json("project", "list") == {"projects": []}


def with_idle_sync(service: Service, project: str, octopus: OctopusProject) -> Cli:
    """Return the command, in a project with a sync `dev` of one secret that has not run yet."""
    with grpc.insecure_channel(service.address) as channel:
        Api(channel).set_up(octopus, {"TOKEN": TOKEN}, project=project, auto_sync=False)
    return Cli(service.address, project, [TOKEN, octopus.sandbox.api_key])


def test_exit_codes_tell_what_went_wrong(
    tmp_path: Path, shared_service: Service, octopus: OctopusProject
) -> None:
    cli = with_idle_sync(shared_service, "cli-errors", octopus)

    # 2: wrong usage or invalid input.
    assert "No such option" in cli.refusal(2, "sync", "run", "dev", "--nope")
    assert "project_id: must be" in cli.refusal(2, "project", "create", "Bad Slug")
    visible = ("connection", "update", "octopus", "--set", "apiKey=API-VISIBLE")
    assert "would be visible in the process list" in cli.refusal(2, *visible)
    assert "--yes" in cli.refusal(2, "sync", "remove", "dev")

    # 3: something that was named does not exist.
    assert "RESOURCE_NOT_FOUND" in cli.refusal(3, "sync", "get", "staging")
    told = json.loads(cli.run("secret", "get", "NO", "-e", "dev", "--json", code=3)[1])["error"]
    assert (told["exitCode"], told["status"], told["reason"]) == (
        3,
        "NOT_FOUND",
        "RESOURCE_NOT_FOUND",
    )

    # 4: a conflict or an unmet condition.
    assert "RESOURCE_ALREADY_EXISTS" in cli.refusal(4, "environment", "create", "dev")
    assert "secretSyncs/dev" in cli.refusal(4, "connection", "delete", "octopus")
    changed_by_others = ("sync", "update", "dev", "--description", "x", "--etag", "0123456789ab")
    assert "ETAG_MISMATCH" in cli.refusal(4, *changed_by_others)
    assert "does not support importing secrets" in cli.refusal(4, "sync", "import", "dev")
    denied = private_file(tmp_path, "read-only", octopus.sandbox.expired_api_key)
    wrong_key = ("connection", "update", "octopus", "--secret-file", f"apiKey={denied}")
    assert "AUTHENTICATION_FAILED" in cli.refusal(4, *wrong_key)

    # 6: the server, or a destination that it called, cannot be reached.
    nowhere = ("project", "list", "--address", "127.0.0.1:9")
    assert "no secretsync server at 127.0.0.1:9" in cli.refusal(6, *nowhere)
    octopus.sandbox.fault("status", status=503, times=None)
    assert "DESTINATION_UNAVAILABLE" in cli.refusal(6, "connection", "validate", "octopus")
    octopus.sandbox.clear_faults()

    # 1: the run failed; here Octopus would take two secrets for one.
    cli.out("secret", "set", "token", "-e", "dev", "-", stdin=TOKEN)
    shown, err = cli.run("sync", "run", "dev", code=1)
    assert "DUPLICATE_SECRETS" in shown
    assert "'TOKEN' and 'token'" in err
    assert octopus.held() == {}


@pytest.mark.usefixtures("interruptible")
def test_a_run_goes_on_when_nobody_waits_for_it(tmp_path: Path, octopus: OctopusProject) -> None:
    patience = ("--retry-attempts", "100", "--retry-base", "1", "--retry-ceiling", "1")
    with running_service(tmp_path, *patience) as service:
        cli = with_idle_sync(service, "shop", octopus)
        # The run cannot end before Octopus is well again.
        octopus.sandbox.fault("status", status=503, path=octopus.project_id, times=None)

        _, err = cli.run("sync", "run", "dev", "--timeout", "3", code=7)
        assert "the run goes on; see `secretsync run get dev/" in err

        with cli.start("run", "get", "dev", "--wait") as process:
            waiting = psutil.Process(process.pid)
            wait_until(waiting.net_connections, "it talks to the server")
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "interrupted" in err
        assert "Traceback" not in err

        octopus.sandbox.clear_faults()
        run = cli.json("run", "get", "dev", "--wait")
    assert run["attempt"] > 1
    assert octopus.held() == {("TOKEN", "Environments-1"): TOKEN}


def test_a_reader_that_leaves_early_is_no_disaster(shared_service: Service) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [installed("secretsync"), "destination", "get", "octopus-deploy"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(SECRETSYNC_ADDRESS=shared_service.address),
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
