"""ProjectService."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.empty_pb2 import Empty

from secretsync.domain import entities
from secretsync.domain.etags import etag_of
from secretsync.domain.masks import select_fields
from secretsync.domain.problems import Violations
from secretsync.operations import lookups, projects
from secretsync.operations.app import App
from secretsync.services.translate import Context, call_of, page_of, present_fields, timestamp
from secretsync.store.protocol import Transaction
from secretsync.v1 import project_service_pb2 as pb
from secretsync.v1.project_service_pb2_grpc import ProjectServiceServicer

TEXTS = ("display_name", "description")


class ProjectServicer(ProjectServiceServicer):
    """Translates between ProjectService and `operations.projects`."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def CreateProject(self, request: pb.CreateProjectRequest, context: Context) -> pb.Project:
        return await self._app.mutate(
            call_of(request, pb.Project),
            lambda tx: project_message(
                projects.create_project(self._app, tx, request.project_id, _texts(request.project))
            ),
        )

    async def GetProject(self, request: pb.GetProjectRequest, context: Context) -> pb.Project:
        return project_message(
            await self._app.read(lambda tx: lookups.project(tx, "name", request.name))
        )

    async def ListProjects(
        self, request: pb.ListProjectsRequest, context: Context
    ) -> pb.ListProjectsResponse:
        page = await self._app.read(lambda tx: projects.list_projects(tx, page_of(request)))
        return pb.ListProjectsResponse(
            projects=[project_message(each) for each in page.items],
            next_page_token=page.next_token,
        )

    async def UpdateProject(self, request: pb.UpdateProjectRequest, context: Context) -> pb.Project:
        violations = Violations()
        changes = _changes(request.project, request.update_mask.paths, violations)
        return await self._app.mutate(
            call_of(request, pb.Project),
            lambda tx: project_message(
                projects.update_project(
                    self._app,
                    tx,
                    request.project.name,
                    request.project.etag,
                    changes,
                    violations,
                )
            ),
        )

    async def DeleteProject(self, request: pb.DeleteProjectRequest, context: Context) -> Empty:
        def work(tx: Transaction) -> Empty:
            projects.delete_project(self._app, tx, request.name, request.etag, force=request.force)
            return Empty()

        return await self._app.mutate(call_of(request, Empty), work)

    async def CreateEnvironment(
        self, request: pb.CreateEnvironmentRequest, context: Context
    ) -> pb.Environment:
        return await self._app.mutate(
            call_of(request, pb.Environment),
            lambda tx: environment_message(
                projects.create_environment(
                    self._app,
                    tx,
                    request.parent,
                    request.environment_id,
                    _texts(request.environment),
                )
            ),
        )

    async def GetEnvironment(
        self, request: pb.GetEnvironmentRequest, context: Context
    ) -> pb.Environment:
        return environment_message(
            await self._app.read(lambda tx: lookups.environment(tx, "name", request.name))
        )

    async def ListEnvironments(
        self, request: pb.ListEnvironmentsRequest, context: Context
    ) -> pb.ListEnvironmentsResponse:
        page = await self._app.read(
            lambda tx: projects.list_environments(tx, request.parent, page_of(request))
        )
        return pb.ListEnvironmentsResponse(
            environments=[environment_message(each) for each in page.items],
            next_page_token=page.next_token,
        )

    async def UpdateEnvironment(
        self, request: pb.UpdateEnvironmentRequest, context: Context
    ) -> pb.Environment:
        violations = Violations()
        changes = _changes(request.environment, request.update_mask.paths, violations)
        return await self._app.mutate(
            call_of(request, pb.Environment),
            lambda tx: environment_message(
                projects.update_environment(
                    self._app,
                    tx,
                    request.environment.name,
                    request.environment.etag,
                    changes,
                    violations,
                )
            ),
        )

    async def DeleteEnvironment(
        self, request: pb.DeleteEnvironmentRequest, context: Context
    ) -> Empty:
        def work(tx: Transaction) -> Empty:
            projects.delete_environment(tx, request.name, request.etag, force=request.force)
            return Empty()

        return await self._app.mutate(call_of(request, Empty), work)


def _texts(message: pb.Project | pb.Environment) -> dict[str, Any]:
    return {name: getattr(message, name) for name in TEXTS}


def _changes(
    message: pb.Project | pb.Environment, mask: Sequence[str], violations: Violations
) -> dict[str, Any]:
    return select_fields(mask, _texts(message), present_fields(message, TEXTS), violations)


def project_message(project: entities.Project) -> pb.Project:
    """Return a project as the API shows it."""
    return pb.Project(
        name=project.name,
        uid=project.uid,
        display_name=project.display_name,
        description=project.description,
        etag=etag_of(project),
        create_time=timestamp(project.create_time),
        update_time=timestamp(project.update_time),
    )


def environment_message(environment: entities.Environment) -> pb.Environment:
    """Return an environment as the API shows it."""
    return pb.Environment(
        name=environment.name,
        uid=environment.uid,
        display_name=environment.display_name,
        description=environment.description,
        etag=etag_of(environment),
        create_time=timestamp(environment.create_time),
        update_time=timestamp(environment.update_time),
    )
