"""The few routes of GitHub's API that a comment needs, on loopback: pulls and comments."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


class FakeGitHub:
    """Holds pulls by `owner:branch` and comments by number; `requests` are method and path of each call."""

    def __init__(self) -> None:
        self.pulls: dict[str, list[dict[str, Any]]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.requests: list[tuple[str, str]] = []
        self.tokens: set[str | None] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def comment(self, number: int, login: str, body: str) -> int:
        identifier = 100 + sum(map(len, self.comments.values()))
        self.comments.setdefault(number, []).append(
            {"id": identifier, "user": {"login": login}, "body": body}
        )
        return identifier

    def answer(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        parts, query = urlsplit(path), parse_qs(urlsplit(path).query)
        place = parts.path.removeprefix("/repos/our/project/")
        page = int(query.get("page", ["1"])[0]) - 1
        size = int(query.get("per_page", ["30"])[0])
        if method == "GET" and place == "pulls":
            return self.pulls.get(query["head"][0], [])[page * size : (page + 1) * size]
        if method == "PATCH" and place.startswith("issues/comments/"):
            wanted = int(place.rpartition("/")[2])
            (found,) = [one for some in self.comments.values() for one in some if one["id"] == wanted]
            found["body"] = (body or {})["body"]
            return found
        number = int(place.split("/")[1])
        if method == "POST":
            return {"id": self.comment(number, "github-actions[bot]", (body or {})["body"])}
        return self.comments.get(number, [])[page * size : (page + 1) * size]


def _handler(fake: FakeGitHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            fake.requests.append((self.command, self.path))
            fake.tokens.add(self.headers.get("Authorization"))
            data = json.dumps(fake.answer(self.command, self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = _serve  # noqa: N815 - the base class looks for these names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
