"""What is told, and what is logged, of an exception that nobody expected."""

import logging
import uuid

from secretsync.domain.problems import Code, Problem, Reason
from secretsync.logs import describe_exception

log = logging.getLogger(__name__)


def unexpected(error: BaseException) -> Problem:
    """Log an exception that nobody expected, and return a problem that tells nothing of it."""
    correlation_id = str(uuid.uuid4())
    log.error("unexpected error %s: %s", correlation_id, describe_exception(error))
    return Problem(
        Code.INTERNAL,
        Reason.INTERNAL,
        f"an unexpected error ({type(error).__name__}); the server's log has more under"
        f" {correlation_id}",
        metadata={"correlation_id": correlation_id},
    )
