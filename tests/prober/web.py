"""A web server for the tests: `python web.py PORT`. It keeps connections open, as most do."""

from __future__ import annotations

import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """`/` is a page, `/ID/` a redirect, `/broken` an error, `/big` more than anybody wants."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status = {"/broken": 503, "/missing": 404, "/moved": 301}.get(self.path, 200)
        body = b"x" * (1 << 22 if self.path == "/big" else 20)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Takes many connections at once."""

    address_family = socket.AF_INET6  # takes IPv4, too
    request_queue_size = 1024
    daemon_threads = True

    def handle_error(self, *_args: object) -> None:
        """A client that went away is none of our business."""


if __name__ == "__main__":
    server = Server(("::", int(sys.argv[1])), Handler)
    print("ready", flush=True)
    server.serve_forever()
