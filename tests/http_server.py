"""A web server on this machine that is as slow and as unreliable as a test wants.

Usage
-----
> python tests/http_server.py FOLDER --latency 0.005    # prints its address; ends with its stdin
"""

import argparse
import base64
import functools
import os
import sys
import threading
import time
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class HttpServer:
    """Serves a folder while the `with` block runs.

    Arguments
    ---------
    folder : Path
    latency : float
        Seconds before each answer.
    ranges : bool
        Honour Range headers; python -m http.server does not.
    listing : bool
        List folders, otherwise answer 404.
    login : str
        "name:password" that it wants; "" for none.
    """

    def __init__(self, folder, latency=0.0, ranges=True, listing=True, login=""):
        self.latency = latency
        self.ranges = ranges
        self.listing = listing
        self.login = f"Basic {base64.b64encode(login.encode()).decode()}" if login else None
        self.requests = []  # (method, path, Range header or "")
        self.faults = []
        handler = functools.partial(_Handler, self, directory=str(folder))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def gets(self, name=""):
        """The GET requests so far for paths that hold a name."""
        return [made for made in self.requests if made[0] == "GET" and name in made[1]]

    def fail(self, name, status, times=1, method=""):
        """Answer the next requests for paths that hold `name` with a status."""
        self.faults.append([name, method, times, {"status": status}])

    def drop(self, name, after, times=1):
        """Cut the connection in the next answers after so many bytes of content."""
        self.faults.append([name, "GET", times, {"after": after}])

    def stall(self, name, after, seconds, times=1):
        """Send nothing for a while after so many bytes of content, then cut the connection."""
        self.faults.append([name, "GET", times, {"after": after, "seconds": seconds}])

    def fault(self, method, path):
        """What is to go wrong with a request, if anything; counts it."""
        for fault in self.faults:
            if fault[0] in path and fault[1] in ("", method) and fault[2] > 0:
                fault[2] -= 1
                return fault[3]
        return {}


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, owner, *args, **options):
        self.owner = owner
        super().__init__(*args, **options)

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._answer("GET")

    def do_HEAD(self):
        self._answer("HEAD")

    def _answer(self, method):
        wanted = self.headers.get("Range", "")
        self.owner.requests.append((method, self.path, wanted))
        time.sleep(self.owner.latency)
        fault = self.owner.fault(method, self.path)
        path = self.translate_path(self.path)
        if "status" in fault:
            self.send_error(fault["status"])
        elif self.owner.login not in (None, self.headers.get("Authorization")):
            self.send_error(HTTPStatus.UNAUTHORIZED)
        elif os.path.isdir(path) and self.owner.listing:
            getattr(super(), f"do_{method}")()
        elif not os.path.isfile(path):
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            self._send_file(method, path, wanted if self.owner.ranges else "", fault)

    def _send_file(self, method, path, wanted, fault):
        state = os.stat(path)
        start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
        if start > state.st_size:
            self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            return
        self.send_response(HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{state.st_size - 1}/{state.st_size}")
        self.send_header("Content-Length", str(state.st_size - start))
        self.send_header("ETag", f'"{state.st_mtime_ns:x}-{state.st_size:x}"')
        self.end_headers()
        if method == "GET":
            with open(path, "rb") as file:
                file.seek(start)
                if "after" in fault:
                    self.wfile.write(file.read(fault["after"]))
                    time.sleep(fault.get("seconds", 0))
                else:
                    self.copyfile(file, self.wfile)

    def copyfile(self, source, outputfile):
        """In larger pieces; a client that has gone away is none of the server's business."""
        try:
            while chunk := source.read(1 << 18):
                outputfile.write(chunk)
        except OSError:
            self.close_connection = True


def main():
    """Serve a folder until stdin ends, so that it never outlives who has started it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    args = parser.parse_args()
    with HttpServer(args.folder, args.latency) as server:
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
