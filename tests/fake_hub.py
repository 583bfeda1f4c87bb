"""A stand-in for the Hugging Face hub on loopback: what its HTTP API answers for dataset repositories."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_planted2d7f91c0"  # in no real service


@dataclass
class Repo:
    """A dataset repository: its files at the one commit there is, and who may read it."""

    files: Mapping[str, bytes]
    branches: tuple[str, ...] = ("main",)
    gated: bool = False
    private: bool = False

    @property
    def sha(self) -> str:
        content = b"".join(name.encode() + body for name, body in sorted(self.files.items()))
        return hashlib.sha1(content).hexdigest()


@dataclass
class FakeHub:
    """The server's state: repositories by id, requests as they came, a status that answers everything."""

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    broken: int | None = None

    def fetched(self) -> list[str]:
        """The data files that were downloaded, in order."""
        names = [one.rpartition("/resolve/")[2].partition("/")[2] for one in self.requests]
        return [
            name
            for name, one in zip(names, self.requests, strict=True)
            if one.startswith("GET /datasets/") and not name.endswith((".md", ".yaml", "infos.json"))
        ]


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """Run the server for the time of a block."""
    state = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token:
            self.hub.tokens.add(token)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.hub.broken is not None:
            self._send(self.hub.broken, b"{}")
            return
        is_api = path.startswith("/api/datasets/")
        name, what, rest = _split(path.removeprefix("/api").removeprefix("/datasets/"))
        repo = self.hub.repos.get(name)
        allowed = token == TOKEN
        if repo is None or (repo.private and not allowed):
            self._refuse(404 if token else 401, "RepoNotFound")
        elif is_api:
            self._api(repo, name, what, rest, sent)
        elif repo.gated and not allowed:
            self._refuse(403 if token else 401, "GatedRepo")
        else:
            revision, file = _revision(repo, rest)
            self._file(repo, revision, file)

    def _api(self, repo: Repo, name: str, what: str, rest: str, sent: bytes) -> None:
        revision, inside = _revision(repo, rest)
        if rest and revision is None:
            self._refuse(404, "RevisionNotFound")
        elif what == "tree":
            deep = parse_qs(urlsplit(self.path).query).get("recursive", ["False"])[0].lower() == "true"
            self._send(200, json.dumps(_tree(repo, inside, deep=deep)).encode())
        elif what == "paths-info":
            wanted = parse_qs(sent.decode()).get("paths", [])
            known = {str(one["path"]): one for one in _tree(repo, "", deep=True)}
            self._send(200, json.dumps([known[one] for one in wanted if one in known]).encode())
        else:
            siblings = [{"rfilename": file} for file in repo.files]
            answer = {"id": name, "sha": repo.sha, "siblings": siblings, "private": repo.private}
            self._send(200, json.dumps(answer).encode())

    def _file(self, repo: Repo, revision: str | None, file: str) -> None:
        if revision is None:
            self._refuse(404, "RevisionNotFound")
        elif file not in repo.files:
            self._refuse(404, "EntryNotFound", {"X-Repo-Commit": repo.sha})
        else:
            body = repo.files[file]
            self._send(200, body, {"ETag": f'"{_etag(body)}"', "X-Repo-Commit": repo.sha})

    def _refuse(self, status: int, code: str, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, b'{"error": "refused"}', {"X-Error-Code": code, **(headers or {})})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _split(path: str) -> tuple[str, str, str]:
    """Return repository, kind (revision, tree, resolve) and what follows it."""
    for what in ("revision", "tree", "paths-info", "resolve"):
        name, separator, rest = path.partition(f"/{what}/")
        if separator:
            return name, what, rest
    return path, "", ""


def _revision(repo: Repo, rest: str) -> tuple[str | None, str]:
    """Return the revision that a path begins with, and the path behind it."""
    for revision in (repo.sha, *repo.branches):
        if rest == revision or rest.startswith(f"{revision}/"):
            return revision, rest.removeprefix(revision).removeprefix("/")
    return None, rest


def _tree(repo: Repo, inside: str, *, deep: bool) -> list[dict[str, object]]:
    """Return the files and folders inside a folder, all levels or the first."""
    above = f"{inside}/" if inside else ""
    found: dict[str, dict[str, object]] = {}
    for file, body in repo.files.items():
        if not file.startswith(above):
            continue
        parts = file.removeprefix(above).split("/")
        for depth in range(1, len(parts) if deep else min(2, len(parts))):
            folder = above + "/".join(parts[:depth])
            found[folder] = {"type": "directory", "path": folder, "oid": _etag(folder.encode())}
        if deep or len(parts) == 1:
            found[file] = {"type": "file", "path": file, "size": len(body), "oid": _etag(body)}
    return list(found.values())


def _etag(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
