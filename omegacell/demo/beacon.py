"""Part (c): a small service. Answers HTTP on a port of its own and says on standard output which, and who it is."""

from __future__ import annotations

import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Beacon(BaseHTTPRequestHandler):
    """Answers every GET with the replica's index."""

    def do_GET(self) -> None:
        """One line of text."""
        body = f"replica {os.environ.get('OMEGA_TASK_INDEX', '?')}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: standard output is for the one line that others read."""


def main() -> None:
    """Serve until killed."""
    with HTTPServer(("127.0.0.1", 0), Beacon) as server:
        print(json.dumps({"pid": os.getpid(), "port": server.server_port}), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
