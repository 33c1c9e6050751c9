"""The yardstick: what the HTTP calls of a run take when they are made without secretsync."""

import statistics
import time
from http import HTTPStatus

import httpx
from checks import ensure

from secretsync_octopus_deploy.sandbox.process import Sandbox

SAMPLES = 5
TIMEOUT = 120.0


def bare_calls(octopus: Sandbox, path: str, samples: int = SAMPLES) -> dict[str, float]:
    """Return the median seconds of a GET and of a PUT of a variable set, which stays as it is.

    Args:
        octopus: who is called.
        path: where the variables are.
        samples: how often each is called.
    """
    seconds: dict[str, list[float]] = {"GET": [], "PUT": []}
    headers = {"X-Octopus-ApiKey": octopus.api_key, "Content-Type": "application/json"}
    with httpx.Client(
        base_url=octopus.base_url, headers=headers, timeout=TIMEOUT, trust_env=False
    ) as client:
        for _ in range(samples):
            began = time.perf_counter()
            answer = client.get(path)
            seconds["GET"].append(time.perf_counter() - began)
            began = time.perf_counter()
            answer = client.put(path, content=answer.content)
            seconds["PUT"].append(time.perf_counter() - began)
            ensure(answer.status_code == HTTPStatus.OK, "Octopus takes back what it gave")
    return {method: statistics.median(each) for method, each in seconds.items()}
