"""A server on this machine that serves one file, in good and in faulty ways."""

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATA = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(DATA).hexdigest()


class FileServer(ThreadingHTTPServer):
    """Serves `DATA` at /whole. Every other path has its own fault, see `Handler`.

    Attributes:
        log: path, Range header and User-Agent header of each request.
        breaks: how many times /breaks still breaks the connection.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.log = []
        self.breaks = 2

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    """Answers with a whole file, a range of it, or a fault.

    /missing: error 404. /page: a web page. /other: another file of the same size. /forgetful: ignores the range.
    /unknown-length: sends no length. /never: sends nothing. /breaks: stops after 300 kB.
    """

    def do_GET(self):
        path, byte_range = self.path.strip("/"), self.headers.get("Range")
        self.server.log.append((path, byte_range, self.headers["User-Agent"]))
        if path == "missing":
            return self.send_error(404)
        data = {"page": b"<html>moved</html>", "other": bytes(len(DATA))}.get(path, DATA)
        start = 0
        if byte_range and path != "forgetful":
            start = int(byte_range.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                return self.send_error(416)
            self.send_response(206)
        else:
            self.send_response(200)
        if path != "unknown-length":
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        stop = len(data)
        if path == "never" or (path == "breaks" and self.server.breaks > 0):
            self.server.breaks -= 1
            stop = start if path == "never" else start + 300_000
        self.wfile.write(data[start:stop])
        self.close_connection = True
        return None

    def log_message(self, *args):
        """Print nothing."""


class DyingHandler(Handler):
    """Answers the first request, and closes every later connection without an answer."""

    def do_GET(self):
        if self.server.log:
            self.close_connection = True
        else:
            super().do_GET()
