"""SecretService."""

from google.protobuf.empty_pb2 import Empty

from secretsync.adapter import SecretValue
from secretsync.domain import entities
from secretsync.operations import imports, secrets
from secretsync.operations.app import App
from secretsync.operations.secrets import SecretInput, SecretOutput
from secretsync.services.translate import Context, call_of, page_of, timestamp
from secretsync.store.protocol import Transaction
from secretsync.v1 import secret_service_pb2 as pb
from secretsync.v1.secret_service_pb2_grpc import SecretServiceServicer


class SecretServicer(SecretServiceServicer):
    """Translates between SecretService and `operations.secrets` and `operations.imports`."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def SetSecrets(
        self, request: pb.SetSecretsRequest, context: Context
    ) -> pb.SetSecretsResponse:
        inputs = [
            SecretInput(
                each.key,
                SecretValue(each.value),
                each.comment if each.HasField("comment") else None,
            )
            for each in request.secrets
        ]

        def work(tx: Transaction) -> pb.SetSecretsResponse:
            done = secrets.set_secrets(self._app, tx, request.parent, request.path or "/", inputs)
            return pb.SetSecretsResponse(
                secrets=[secret_message(SecretOutput(each)) for each in done.secrets],
                created_count=done.created,
                updated_count=done.updated,
                runs=[run.name for run in done.runs],
            )

        return await self._app.mutate(call_of(request, pb.SetSecretsResponse), work)

    async def GetSecret(self, request: pb.GetSecretRequest, context: Context) -> pb.Secret:
        return secret_message(
            await self._app.read(
                lambda tx: secrets.get_secret(
                    self._app,
                    tx,
                    request.parent,
                    request.path or "/",
                    request.key,
                    include_value=request.include_value,
                )
            )
        )

    async def ListSecrets(
        self, request: pb.ListSecretsRequest, context: Context
    ) -> pb.ListSecretsResponse:
        page = await self._app.read(
            lambda tx: secrets.list_secrets(
                self._app,
                tx,
                request.parent,
                request.path or "/",
                page_of(request),
                recursive=request.recursive,
                include_values=request.include_values,
            )
        )
        return pb.ListSecretsResponse(
            secrets=[secret_message(each) for each in page.items],
            next_page_token=page.next_token,
        )

    async def DeleteSecrets(self, request: pb.DeleteSecretsRequest, context: Context) -> Empty:
        def work(tx: Transaction) -> Empty:
            secrets.delete_secrets(
                self._app,
                tx,
                request.parent,
                request.path or "/",
                list(request.keys),
                allow_missing=request.allow_missing,
            )
            return Empty()

        return await self._app.mutate(call_of(request, Empty), work)

    async def CreateSecretImport(
        self, request: pb.CreateSecretImportRequest, context: Context
    ) -> pb.SecretImport:
        wanted = request.secret_import
        return await self._app.mutate(
            call_of(request, pb.SecretImport),
            lambda tx: import_message(
                imports.create_secret_import(
                    self._app,
                    tx,
                    request.parent,
                    wanted.path or "/",
                    wanted.import_environment,
                    wanted.import_path or "/",
                )
            ),
        )

    async def ListSecretImports(
        self, request: pb.ListSecretImportsRequest, context: Context
    ) -> pb.ListSecretImportsResponse:
        page = await self._app.read(
            lambda tx: imports.list_secret_imports(
                tx, request.parent, request.path, page_of(request)
            )
        )
        return pb.ListSecretImportsResponse(
            secret_imports=[import_message(each) for each in page.items],
            next_page_token=page.next_token,
        )

    async def DeleteSecretImport(
        self, request: pb.DeleteSecretImportRequest, context: Context
    ) -> Empty:
        def work(tx: Transaction) -> Empty:
            imports.delete_secret_import(self._app, tx, request.name)
            return Empty()

        return await self._app.mutate(call_of(request, Empty), work)


def secret_message(shown: SecretOutput) -> pb.Secret:
    """Return a secret as the API shows it, with its value only if there is one to show."""
    secret = shown.secret
    return pb.Secret(
        path=secret.path,
        key=secret.key,
        value=shown.value.reveal() if shown.value else "",
        value_included=shown.value is not None,
        comment=secret.comment,
        version=secret.version,
        create_time=timestamp(secret.create_time),
        update_time=timestamp(secret.update_time),
    )


def import_message(secret_import: entities.SecretImport) -> pb.SecretImport:
    """Return an import as the API shows it."""
    return pb.SecretImport(
        name=secret_import.name,
        path=secret_import.path,
        import_environment=(
            f"projects/{secret_import.project}/environments/{secret_import.import_environment}"
        ),
        import_path=secret_import.import_path,
        position=secret_import.position,
        create_time=timestamp(secret_import.create_time),
    )
