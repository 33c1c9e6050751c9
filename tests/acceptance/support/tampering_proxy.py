"""An HTTP proxy before an Octopus sandbox that spoils what is written: a stand-in for a bug."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

Tamper = Callable[[list[dict[str, Any]]], None]
"""Changes the rows of a variable set that is on its way to Octopus."""


@contextlib.contextmanager
def tampering_proxy(base_url: str, tamper: Tamper) -> Iterator[str]:
    """Run the proxy for the length of a `with` block, and return its address.

    Args:
        base_url: the sandbox's address.
        tamper: what is done to every PUT.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.command == "PUT":
                document = json.loads(body)
                tamper(document["Variables"])
                body = json.dumps(document).encode()
            kept = {
                name: value
                for name, value in self.headers.items()
                if name.lower() in {"x-octopus-apikey", "content-type"}
            }
            answer = client.request(self.command, self.path, headers=kept, content=body)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_PUT = handle_any  # noqa: N815  the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with (
        httpx.Client(base_url=base_url, timeout=60, trust_env=False) as client,
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
    ):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
