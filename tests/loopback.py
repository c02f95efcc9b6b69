"""HTTP servers on loopback for tests and benchmarks: started for a block, silent, gone after it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Quiet:
    """What makes a BaseHTTPRequestHandler log nothing; stands before it among the bases."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any, **__: Any) -> None:
        """Keep the output clean."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is part of the tests."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve while the block runs. Gives the server's address."""
    http = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_address[1]}"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
