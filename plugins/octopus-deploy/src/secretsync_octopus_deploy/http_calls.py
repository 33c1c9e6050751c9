"""Sends one HTTP request, and says what is wrong if no answer comes."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from secretsync.adapter import AdapterRequest, Unavailable


async def call(
    request: AdapterRequest,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    params: Mapping[str, str] | None = None,
    body: str | None = None,
) -> httpx.Response:
    """Return the answer to a request, whatever its status; redirects are not followed.

    Args:
        request: gives the HTTP client and the logger.
        method: of HTTP.
        url: the whole address.
        headers: besides `Accept` and `Content-Type`.
        params: query parameters.
        body: JSON text.

    Raises:
        Unavailable: there is no answer.
    """
    sent = {"Accept": "application/json", **headers}
    if body is not None:
        sent["Content-Type"] = "application/json"
    try:
        response = await request.http.request(
            method,
            url,
            params=params,
            headers=sent,
            content=None if body is None else body.encode(),
            follow_redirects=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        failure = _unreachable(urlsplit(url).netloc, error)
    else:
        request.logger.debug("%s %s: %d", method, urlsplit(url).path, response.status_code)
        return response
    # Raised out here so that the exception of httpx, whose request has the credentials among its
    # headers and the values in its body, is not its context.
    raise failure


def _unreachable(host: str, error: Exception) -> Unavailable:
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        what = "no connection could be made in time"
    elif isinstance(error, httpx.TimeoutException):
        what = "it did not answer in time"
    elif isinstance(error, httpx.ConnectError):
        what = "no connection could be made (wrong host or port, or the server is down)"
    else:
        what = f"the connection failed ({type(error).__name__})"
    return Unavailable(
        f"Octopus at {host} cannot be reached: {what}.",
        hint="Check the instanceUrl of the connection, and whether the server is up.",
    )
