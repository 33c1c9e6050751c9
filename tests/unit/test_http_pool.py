"""The pooled client and its record, against a real server on a loopback port."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from secretsync.domain.entities import HttpRequest
from secretsync.engine.http import HttpPool
from secretsync.engine.pacing import Paused

Answer = Callable[[bytes, bytes, asyncio.StreamWriter], Awaitable[None]]


def response(body: bytes = b"", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Server:
    """Answers by path; `seen` has the head of each request."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.connections = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await self._head(reader):
                self.seen.append(head.decode())
                length = next(
                    (
                        int(line[15:])
                        for line in head.split(b"\r\n")
                        if line.startswith(b"content-length:")
                    ),
                    0,
                )
                await reader.readexactly(length)
                if not self._answer(head.split()[1].decode(), writer):
                    break
                await writer.drain()
        finally:
            writer.close()

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        name, _, rest = head.partition(b"\r\n")
        return name + b"\r\n" + rest.lower()

    def _answer(self, path: str, writer: asyncio.StreamWriter) -> bool:
        if path == "/cut":
            return False
        if path == "/cut-body":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b"x" * 10)
            return False
        answers = {
            "/cookie": response(b"ok", "200 OK", "set-cookie: session=secret; Path=/"),
            "/redirect": response(b"", "302 Found", "location: /elsewhere"),
            "/gzip": response(gzip.compress(b"a" * 1000), "200 OK", "content-encoding: gzip"),
            "/busy": response(b"later", "503 Service Unavailable"),
            "/limited": response(b"later", "429 Too Many Requests", "retry-after: 50"),
            "/closed": response(b"later", "503 Service Unavailable", "retry-after: 600"),
            "/silent": b"",
        }
        writer.write(answers.get(path, response(b"hello")))
        return True


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def pool(server: Server) -> AsyncIterator[HttpPool]:
    # It ends before the server, which waits for its connections.
    del server
    made = HttpPool()
    yield made
    await made.close()


def told(record: list[HttpRequest]) -> list[tuple[str, str, int, int, int]]:
    return [
        (each.method, each.path, each.status_code, each.request_bytes, each.response_bytes)
        for each in record
    ]


async def test_requests_are_recorded_in_order_with_their_bytes(
    server: Server, pool: HttpPool
) -> None:
    record: list[HttpRequest] = []
    async with pool.client("c", record) as http:
        assert (await http.get(f"{server.url}/a?key=not-recorded")).text == "hello"
        assert (await http.put(f"{server.url}/b", content=b"12345678")).status_code == 200
        assert (await http.get(f"{server.url}/busy")).status_code == 503
    assert told(record) == [
        ("GET", "/a", 200, 0, 5),
        ("PUT", "/b", 200, 8, 5),
        ("GET", "/busy", 503, 0, 5),
    ]
    assert all(0 < each.seconds < 60 for each in record)


async def test_compression_is_neither_asked_for_nor_accepted(
    server: Server, pool: HttpPool
) -> None:
    record: list[HttpRequest] = []
    async with pool.client("c", record) as http:
        with pytest.raises(httpx.RemoteProtocolError, match="compressed"):
            await http.get(f"{server.url}/gzip")
    assert "accept-encoding: identity" in server.seen[-1]
    assert told(record) == [("GET", "/gzip", 200, 0, 0)]


async def test_a_body_has_a_limit(
    server: Server, pool: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secretsync.engine.http.MAX_BODY_BYTES", 4)
    async with pool.client("c", []) as http:
        with pytest.raises(httpx.RemoteProtocolError, match="larger than 4 bytes"):
            await http.get(f"{server.url}/a")


async def test_owners_do_not_share_connections(server: Server, pool: HttpPool) -> None:
    for owner in ("one", "other"):
        async with pool.client(owner, []) as http:
            await http.get(f"{server.url}/a")
    assert server.connections == 2


async def test_a_cut_connection_has_status_0(server: Server, pool: HttpPool) -> None:
    record: list[HttpRequest] = []
    async with pool.client("c", record) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(f"{server.url}/cut")
    assert told(record) == [("GET", "/cut", 0, 0, 0)]


async def test_a_body_that_breaks_off_is_recorded_as_far_as_it_came(
    server: Server, pool: HttpPool
) -> None:
    record: list[HttpRequest] = []
    async with pool.client("c", record) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(f"{server.url}/cut-body")
    assert told(record) == [("GET", "/cut-body", 200, 0, 10)]


async def test_an_unreachable_server_has_status_0(server: Server, pool: HttpPool) -> None:
    await server.stop()
    record: list[HttpRequest] = []
    async with pool.client("c", record) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{server.url}/a")
    assert told(record) == [("GET", "/a", 0, 0, 0)]


async def test_a_response_that_is_left_half_read_is_recorded(
    server: Server, pool: HttpPool
) -> None:
    record: list[HttpRequest] = []
    async with pool.client("c", record) as http, http.stream("GET", f"{server.url}/a"):
        assert record == []
    assert told(record) == [("GET", "/a", 200, 0, 0)]


async def test_clients_share_connections_and_no_cookies(server: Server, pool: HttpPool) -> None:
    async with pool.client("c", []) as first:
        await first.get(f"{server.url}/cookie")
        await first.get(f"{server.url}/a")
        assert "cookie: session=secret" in server.seen[-1]
    async with pool.client("c", []) as second:
        await second.get(f"{server.url}/a")
        assert "cookie:" not in server.seen[-1]
    assert server.connections == 1


async def test_a_closed_client_leaves_the_others_at_work(server: Server, pool: HttpPool) -> None:
    record: list[HttpRequest] = []
    async with pool.client("c", record) as first:
        async with pool.client("c", []) as second:
            await second.get(f"{server.url}/a")
        assert (await first.get(f"{server.url}/a")).is_success
    assert len(record) == 1


async def test_redirects_are_not_followed(server: Server, pool: HttpPool) -> None:
    record: list[HttpRequest] = []
    async with pool.client("c", record) as http:
        answer = await http.get(f"{server.url}/redirect", headers={"x-api-key": "k"})
    assert answer.status_code == 302
    assert [path for _, path, *_ in told(record)] == ["/redirect"]
    assert len(server.seen) == 1


async def test_proxies_and_netrc_of_the_environment_are_not_used(
    server: Server, pool: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with pool.client("c", []) as http:
        assert (await http.get(f"{server.url}/a")).is_success
    assert "authorization:" not in server.seen[-1]


async def test_the_time_limits_are_long_enough_for_large_documents(pool: HttpPool) -> None:
    async with pool.client("c", []) as http:
        assert http.timeout == httpx.Timeout(connect=10, read=300, write=120, pool=None)


async def test_the_time_limits_can_be_set(server: Server) -> None:
    pool = HttpPool(httpx.Timeout(connect=7, read=0.05, write=7, pool=None))
    record: list[HttpRequest] = []
    async with pool.client("c", record) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get(f"{server.url}/silent")
    await pool.close()
    assert told(record) == [("GET", "/silent", 0, 0, 0)]


def slept(pool: HttpPool, monkeypatch: pytest.MonkeyPatch, owner: str) -> list[float]:
    """Return what an owner's waits come to; they take no time."""
    waits: list[float] = []
    pacer = pool._pacers[owner]
    now = pacer._clock()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(pacer, "_clock", lambda: now + sum(waits))
    monkeypatch.setattr(pacer, "_sleep", sleep)
    return waits


async def test_all_clients_of_an_owner_keep_to_its_pause_and_no_others(
    server: Server, pool: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pool.pause("c") == 0
    async with pool.client("c", []) as http:
        assert (await http.get(f"{server.url}/limited")).status_code == 429
    assert 40 < pool.pause("c") <= 50
    waits = slept(pool, monkeypatch, "c")
    record: list[HttpRequest] = []
    async with pool.client("c", record) as first, pool.client("other", []) as other:
        assert (await other.get(f"{server.url}/a")).is_success
        assert waits == []
        assert (await first.get(f"{server.url}/a")).is_success
    assert 40 < waits[0] <= 50
    # The wait is no part of the request.
    assert record[0].seconds < 30
    assert pool.pause("other") == 0


async def test_a_request_that_would_wait_too_long_is_not_sent(
    server: Server, pool: HttpPool
) -> None:
    record: list[HttpRequest] = []
    async with pool.client("c", record) as http:
        await http.get(f"{server.url}/closed")
        with pytest.raises(Paused) as caught:
            await http.get(f"{server.url}/a")
        with pytest.raises(Paused):
            await http.take_turn()
    assert 500 < (caught.value.retry_after or 0) <= 600
    assert told(record) == [("GET", "/closed", 503, 0, 5)]
    assert len(server.seen) == 1


async def test_a_turn_that_was_taken_is_the_next_requests(
    server: Server, pool: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with pool.client("c", []) as http:
        await http.take_turn()
        pool._pacers["c"]._rest(30)
        assert (await http.get(f"{server.url}/a")).is_success
        waits = slept(pool, monkeypatch, "c")
        assert (await http.get(f"{server.url}/a")).is_success
    assert 20 < waits[0] <= 30
