"""A file of the web as an input."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.data.bindings import DataFailed
from tests.emulator.rooms import Rooms, fetch


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    """A web server with one file, and what it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            found = self.path.startswith("/data/iris.csv")
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", "4")
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(b"iris")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_of_the_web(rooms: Rooms, tmp_path: Path, site: tuple[str, list[str]]) -> None:
    url, asked = site
    file = fetch(rooms, tmp_path / "1", f"{url}/data/iris.csv?raw=1", "uri_file")
    assert (file.name, file.read_bytes(), asked) == ("iris.csv", b"iris", ["/data/iris.csv?raw=1"])
    with pytest.raises(DataFailed, match="/nothing.csv' cannot be read: the server answered 404"):
        fetch(rooms, tmp_path / "2", f"{url}/nothing.csv", "uri_file")
    with pytest.raises(DataFailed, match="only a uri_file"):
        fetch(rooms, tmp_path / "3", f"{url}/data/", "uri_folder")
    with pytest.raises(DataFailed, match="Is there a network"):
        fetch(rooms, tmp_path / "4", "http://127.0.0.1:9/x.csv", "uri_file")
