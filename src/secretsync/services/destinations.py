"""Types of destination as the API shows them."""

from secretsync.operations.destinations import name_of
from secretsync.registry import FailedDestination, LoadedDestination
from secretsync.services.translate import struct
from secretsync.v1 import secret_sync_service_pb2 as pb


def destination_message(destination: LoadedDestination | FailedDestination) -> pb.Destination:
    """Return a type of destination, with its schemas if its plugin loaded."""
    name = f"destinations/{name_of(destination)}"
    if isinstance(destination, FailedDestination):
        return pb.Destination(
            name=name,
            title=destination.name,
            available=False,
            unavailable_reason=destination.reason,
            distribution=destination.distribution,
        )
    info = destination.info
    return pb.Destination(
        name=name,
        title=info.title,
        description=info.description,
        config_schema=struct(info.config_model.model_json_schema(by_alias=True)),
        methods=[
            pb.DestinationMethod(
                method=method, credentials_schema=struct(model.model_json_schema(by_alias=True))
            )
            for method, model in info.credential_models.items()
        ],
        capabilities=sorted(info.capabilities),
        option_lists=[
            pb.DestinationOptionList(
                option_list=each.name, description=each.description, parameters=each.parameters
            )
            for each in info.option_lists
        ],
        available=True,
        distribution=destination.distribution,
    )
