"""A server on this machine that serves one file, in good and in faulty ways."""

import contextlib
import hashlib
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATA = bytes(range(256)) * 4000
BREAKING = ("breaks", "half", "shifted", "silent", "renewed")
SHA256 = hashlib.sha256(DATA).hexdigest()


class FileServer(ThreadingHTTPServer):
    """Serves `DATA` at /whole. Every other path has its own fault, see `Handler`.

    Attributes:
        log: path, Range header and User-Agent header of each request.
        breaks: how many times a faulty path still breaks the connection.
        closing: ends answers without end.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.log = []
        self.breaks = 2
        self.closing = False

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    """Answers with a whole file, a range of it, or a fault.

    /missing: error 404. /page: a web page. /other: another file of the same size. /forgetful: ignores the range.
    /unknown-length: sends no length. /never: sends nothing. /breaks: stops after 300 kB. /half: stops after 300 kB, and
    refuses every range. /shifted: stops after 300 kB, and then sends another range. /silent: sends a range without
    saying which. /renewed: stops after 300 kB, and is another version afterwards. /endless: sends bytes for ever.
    /drip: sends a byte every tenth of a second.
    """

    def do_GET(self):
        path, byte_range = self.path.strip("/"), self.headers.get("Range")
        self.server.log.append((path, byte_range, self.headers["User-Agent"]))
        if path == "missing":
            return self.send_error(404)
        if path == "half" and byte_range:
            return self.send_error(503)
        if path in ("endless", "drip"):
            return self.send_for_ever(b"x" if path == "drip" else bytes(1 << 16), 0.1 if path == "drip" else 0)
        data = {"page": b"<html>moved</html>", "other": bytes(len(DATA))}.get(path, DATA)
        start = 0
        if byte_range and path != "forgetful":
            start = int(byte_range.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                return self.send_error(416)
            self.send_response(206)
            if path != "silent":
                first = start - 1 if path == "shifted" else start
                self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        if path == "renewed":
            self.send_header("ETag", f'"{self.server.breaks}"')
        if path != "unknown-length":
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        stop = len(data)
        if path == "never" or (path in BREAKING and self.server.breaks > 0):
            self.server.breaks -= 1
            stop = start if path == "never" else start + 300_000
        self.wfile.write(data[start:stop])
        self.close_connection = True
        return None

    def send_for_ever(self, data, pause):
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.server.closing:
                self.wfile.write(data)
                time.sleep(pause)

    def log_message(self, *args):
        """Print nothing."""


class DyingHandler(Handler):
    """Answers the first request, and closes every later connection without an answer."""

    def do_GET(self):
        if self.server.log:
            self.close_connection = True
        else:
            super().do_GET()
