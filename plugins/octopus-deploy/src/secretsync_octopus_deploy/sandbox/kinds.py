"""The kinds of resources that a space holds: their paths, ids, links and permissions."""

from dataclasses import dataclass
from typing import Literal

Action = Literal["Create", "Edit", "Delete"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource.

    Attributes:
        collection: Its segment in paths, for example `environments`.
        item_type: The `ItemType` of its pages. UNVERIFIED for machines, channels, runbooks and
            processes.
        id_prefix: What its ids begin with, for example `Environments`.
        link: The name of its link in root documents.
        permission: What the permissions to change it begin with, for example `Environment` of
            `EnvironmentCreate`; empty if the sandbox does not let it be changed.
        link_query: The query parameters in its link.
        noun: What messages call it.
    """

    collection: str
    item_type: str
    id_prefix: str
    link: str
    permission: str = ""
    link_query: str = "skip,take,ids,partialName"
    noun: str = ""

    def permission_to(self, action: Action) -> str:
        """Return the permission that `action` needs.

        Channels are part of a project's process, which one permission covers.
        """
        return "ProcessEdit" if self.collection == "channels" else f"{self.permission}{action}"


KINDS = {
    kind.collection: kind
    for kind in (
        Kind("projects", "Project", "Projects", "Projects", "Project", noun="project"),
        Kind(
            "projectgroups",
            "ProjectGroup",
            "ProjectGroups",
            "ProjectGroups",
            "ProjectGroup",
            noun="project group",
        ),
        Kind("lifecycles", "Lifecycle", "Lifecycles", "Lifecycles", "Lifecycle", noun="lifecycle"),
        Kind(
            "environments",
            "Environment",
            "Environments",
            "Environments",
            "Environment",
            noun="environment",
        ),
        Kind(
            "machines",
            "DeploymentTarget",
            "Machines",
            "Machines",
            "Machine",
            noun="deployment target",
        ),
        Kind("channels", "Channel", "Channels", "Channels", "Process", noun="channel"),
        Kind("runbooks", "Runbook", "Runbooks", "Runbooks"),
        Kind("releases", "Release", "Releases", "Releases"),
        Kind(
            "deploymentprocesses", "DeploymentProcess", "deploymentprocess", "DeploymentProcesses"
        ),
        Kind("runbookProcesses", "RunbookProcess", "RunbookProcess", "RunbookProcesses"),
        Kind(
            "libraryvariablesets",
            "LibraryVariableSet",
            "LibraryVariableSets",
            "LibraryVariables",
            "LibraryVariableSet",
            link_query="skip,contentType,take,ids,partialName",
            noun="library variable set",
        ),
        Kind("tagsets", "TagSet", "TagSets", "TagSets"),
    )
}
