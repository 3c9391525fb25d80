"""An http server that answers late, as one at the other end of a network does."""

import contextlib
import functools
import re
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.measuring import start_process

BLOCK = 2**20


class SlowHandler(SimpleHTTPRequestHandler):
    """Files and parts of files, each request after a wait."""

    protocol_version = "HTTP/1.1"
    latency = 0  # s, as `slow_server` sets it
    disable_nagle_algorithm = True

    def do_GET(self, with_body=True):
        """Answer with a file, or from the byte on that a Range header names."""
        time.sleep(self.latency)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        try:
            file = open(self.translate_path(self.path), "rb")  # noqa: SIM115
        except OSError:
            self.send_error(404)
            return
        with file:
            size = file.seek(0, 2)
            begin = int(asked[1]) if asked else 0
            end = min(int(asked[2]) + 1, size) if asked and asked[2] else size
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{size}")
            self.send_header("Content-Length", str(end - begin))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", f'"{size}"')
            self.end_headers()
            if with_body and end > begin:
                with contextlib.suppress(ConnectionError):  # of a client that has gone
                    self.connection.sendfile(file, begin, end - begin)

    def do_HEAD(self):
        """The same without the file."""
        self.do_GET(with_body=False)

    def log_message(self, *args):
        """Say nothing."""


class SlowServer(ThreadingHTTPServer):
    """A server that says nothing of clients that go."""

    def handle_error(self, request, client_address):
        """Say nothing."""


def _run(folder, latency, pipe):
    SlowHandler.latency = latency
    handler = functools.partial(SlowHandler, directory=str(folder))
    with SlowServer(("127.0.0.1", 0), handler) as server:
        pipe.send(server.server_address[1])
        server.serve_forever()


@contextlib.contextmanager
def slow_server(folder, latency):
    """Serve a folder from a process of its own, with seconds before each answer; yields its URL."""
    process, pipe = start_process(_run, folder, latency)
    try:
        yield f"http://127.0.0.1:{pipe.recv()}"
    finally:
        process.terminate()
        process.join()
