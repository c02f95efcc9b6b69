"""A Hub on loopback that speaks just enough of the real one's API for huggingface_hub's and datasets' own clients, with
faults on demand; and a watch over every host that a process looks up or connects to."""

import base64
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from tests.loopback import Quiet, serving

OWNER: Final = "someone"
LARGE: Final = (".parquet", ".safetensors")
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost", ""})
_SERVED: Final = re.compile(r"/(?P<kind>datasets/)?(?P<repo>[\w.-]+/[\w.-]+)/resolve/(?P<rev>[^/]+)/(?P<path>.+)")
_API: Final = re.compile(
    r"/api/(?P<kind>datasets|models)/(?P<repo>[\w.-]+/[\w.-]+)(?:/(?P<verb>[\w-]+))?(?:/(?P<rest>.*))?"
)


@dataclass
class Repo:
    """Commits in order, each with its tree (path to content), and tags."""

    url: str
    private: bool
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def main(self) -> dict[str, bytes]:
        """The files of main."""
        return self.commits[-1][1]

    def add(self, tree: dict[str, bytes]) -> str:
        """Put a tree on main. Returns its commit."""
        text = json.dumps([len(self.commits), sorted((path, git_hash(data)) for path, data in tree.items())])
        self.commits.append((hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), tree))
        return self.commits[-1][0]

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Return the commit and the tree of a revision."""
        wanted = self.commits[-1][0] if revision == "main" else self.tags.get(revision, revision)
        return next(((commit, tree) for commit, tree in self.commits if commit == wanted), None)


@dataclass
class FakeHub:
    """What a test may look at and steer. `faults` are taken in order, by operation (create, preupload, token, batch,
    upload, commit, tag, read): a status, if need be with a header ("429 Retry-After=7"), "after" (it happens, then
    500), "drop" (no answer), "kill" and "kill after" (the client dies), "race" (somebody else commits first), "race
    ours" (to a file of ours)."""

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    kill: Callable[[], None] = lambda: None


def git_hash(data: bytes) -> str:
    """Return git's hash of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextmanager
def serve_hub() -> Iterator[FakeHub]:
    """Run the hub while the block runs."""
    hub = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with serving(handler) as hub.url:
        yield hub


def watch_hosts(note: Callable[[str], object]) -> None:
    """Tell of every host but this one that the process looks up or connects to, from now to its end."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        host: Any = None
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        elif event == "socket.getaddrinfo":
            host = arguments[0]
        host = host.decode() if isinstance(host, bytes) else host
        if host is not None and host not in LOOPBACK:
            note(host)

    sys.addaudithook(hook)


Answer = tuple[int, Any]


class _Handler(Quiet, BaseHTTPRequestHandler):
    hub: FakeHub

    def do_GET(self) -> None:
        self._serve(b"")

    def do_HEAD(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._body())

    def do_PUT(self) -> None:
        self._serve(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _serve(self, body: bytes) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if bearer := self.headers.get("Authorization"):
            self.hub.tokens.add(bearer)
        if found := _SERVED.fullmatch(path):
            self._file(found)
            return
        operation, answer = _route(self.hub, self.command, path, body)
        fault = self.hub.faults[operation].pop(0) if self.hub.faults.get(operation) else None
        self._faulty(fault, answer) if fault else self._send(*answer())

    def _faulty(self, fault: str, answer: Callable[[], Answer]) -> None:
        if fault[0].isdigit():
            status, _, header = fault.partition(" ")
            name, _, value = header.partition("=")
            self._send(int(status), {"error": f"fault {status}"}, {name: value} if name else {})
            return
        if fault in ("after", "kill after"):
            answer()
        if fault.startswith("race"):
            repo = next(iter(self.hub.repos.values()))
            name = "README.md" if fault == "race ours" else "LICENSE"
            repo.add({**repo.main, name: b"somebody else's"})
            self._send(*answer())
        elif fault == "after":
            self._send(500, {"error": "after it happened"})
        else:
            if fault.startswith("kill"):
                self.hub.kill()
            self.close_connection = True

    def _file(self, found: re.Match[str]) -> None:
        repo = self.hub.repos.get(found["repo"])
        at = repo.at(found["rev"]) if repo else None
        if at is None or found["path"] not in at[1]:
            code = "EntryNotFound" if at else "RepoNotFound"
            self._send(404, {"error": "not found"}, {"X-Error-Code": code})
            return
        data = at[1][found["path"]]
        headers = {"X-Repo-Commit": at[0], "ETag": f'"{_etag(found["path"], data)}"', "Accept-Ranges": "bytes"}
        status = 200
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if wanted:
            total, start = len(data), int(wanted[1])
            data = data[start : int(wanted[2]) + 1 if wanted[2] else None]
            headers["Content-Range"] = f"bytes {start}-{start + len(data) - 1}/{total}"
            status = 206
        self._raw(status, data, {**headers, "Content-Type": "application/octet-stream"})

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        self._raw(status, json.dumps(content).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _raw(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _etag(path: str, data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if path.endswith(LARGE) else git_hash(data)


def _route(hub: FakeHub, method: str, path: str, body: bytes) -> tuple[str, Callable[[], Answer]]:
    """Return the name of the operation and what does it."""
    if path == "/api/repos/create":
        return "create", lambda: _create(hub, json.loads(body))
    if path == "/api/validate-yaml":
        return "validate", lambda: (200, {"errors": [], "warnings": []})
    if path.endswith(".git/info/lfs/objects/batch"):
        return "batch", lambda: _batch(hub, json.loads(body))
    if path.startswith("/lfs/"):
        return "upload", lambda: _upload(hub, path.removeprefix("/lfs/"), body)
    found = _API.fullmatch(path)
    repo = hub.repos.get(found["repo"]) if found else None
    if found is None or repo is None:
        return "read", lambda: (404, {"error": f"no {method} {path}"})
    verb, rest = found["verb"], found["rest"] or "main"
    actions: dict[str, tuple[str, Callable[[], Answer]]] = {
        "preupload": ("preupload", lambda: _preupload(repo, json.loads(body))),
        "commit": ("commit", lambda: _commit(hub, repo, body)),
        "tag": ("tag", lambda: _tag(repo, rest, json.loads(body)["tag"])),
        "xet-write-token": ("token", lambda: (200, {})),  # no token: nothing can be uploaded by Xet here
        "refs": ("read", lambda: _refs(repo)),
        "tree": ("read", lambda: _tree(repo, rest)),
        "paths-info": ("read", lambda: _paths_info(repo, rest, body)),
    }
    return actions.get(verb or "", ("read", lambda: _info(repo, found["repo"], rest)))


def _create(hub: FakeHub, asked: dict[str, Any]) -> Answer:
    name = f"{asked.get('organization') or OWNER}/{asked['name']}"
    url = f"{hub.url}/{'datasets/' if asked.get('type') == 'dataset' else ''}{name}"
    if name in hub.repos:
        return 409, {"error": "exists", "url": url}
    hub.repos[name] = Repo(url, asked.get("visibility") == "private" or bool(asked.get("private")))
    hub.repos[name].add({".gitattributes": b"*.parquet filter=lfs\n"})
    return 200, {"url": url}


def _preupload(repo: Repo, asked: dict[str, Any]) -> Answer:
    def row(file: dict[str, Any]) -> dict[str, Any]:
        path = file["path"]
        there = {"oid": _etag(path, repo.main[path])} if path in repo.main else {}
        return {"path": path, "uploadMode": "lfs" if path.endswith(LARGE) else "regular", "shouldIgnore": False} | there

    return 200, {"files": [row(file) for file in asked["files"]]}


def _batch(hub: FakeHub, asked: dict[str, Any]) -> Answer:
    def row(blob: dict[str, Any]) -> dict[str, Any]:
        upload = {"upload": {"href": f"{hub.url}/lfs/{blob['oid']}", "header": {}}}
        return {**blob, **({} if blob["oid"] in hub.blobs else {"actions": upload})}

    return 200, {"transfer": "basic", "objects": [row(blob) for blob in asked["objects"]]}


def _upload(hub: FakeHub, digest: str, data: bytes) -> Answer:
    if hashlib.sha256(data).hexdigest() != digest:
        return 400, {"error": "not the bytes that were announced"}
    hub.blobs[digest] = data
    return 200, {}


def _commit(hub: FakeHub, repo: Repo, body: bytes) -> Answer:
    lines = [json.loads(line) for line in body.splitlines()]
    header = next(line["value"] for line in lines if line["key"] == "header")
    if header.get("parentCommit") != repo.commits[-1][0]:
        return 412, {"error": "main has moved on"}
    tree = dict(repo.main)
    for line in lines:
        value = line["value"]
        if line["key"] == "file":
            tree[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            if value["oid"] not in hub.blobs:
                return 400, {"error": f"{value['path']} was never uploaded"}
            tree[value["path"]] = hub.blobs[value["oid"]]
        elif line["key"] == "deletedFile":
            del tree[value["path"]]
    commit = repo.add(tree)
    return 200, {"commitUrl": f"{repo.url}/commit/{commit}", "commitOid": commit}


def _tag(repo: Repo, revision: str, name: str) -> Answer:
    at = repo.at(revision)
    if name in repo.tags:
        return 409, {"error": "there is such a tag"}
    if at is None:
        return 404, {"error": "no such revision"}
    repo.tags[name] = at[0]
    return 200, {}


def _refs(repo: Repo) -> Answer:
    tags = [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": c} for n, c in repo.tags.items()]
    head = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.commits[-1][0]}
    return 200, {"branches": [head], "converts": [], "tags": tags}


def _entry(path: str, data: bytes) -> dict[str, Any]:
    row: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": git_hash(data)}
    if path.endswith(LARGE):
        row["lfs"] = {"oid": _etag(path, data), "size": len(data), "pointerSize": 130}
    return row


def _tree(repo: Repo, rest: str) -> Answer:
    revision, _, under = rest.partition("/")
    at = repo.at(revision)
    if at is None:
        return 404, {"error": "no such revision"}
    folders = sorted({path.rpartition("/")[0] for path in at[1] if "/" in path})
    rows = [_entry(path, data) for path, data in sorted(at[1].items())]
    rows += [{"type": "directory", "path": folder, "size": 0, "oid": git_hash(folder.encode())} for folder in folders]
    return 200, [row for row in rows if not under or row["path"].startswith(f"{under}/")]


def _paths_info(repo: Repo, revision: str, body: bytes) -> Answer:
    at = repo.at(revision)
    text = body.decode()
    asked = json.loads(text)["paths"] if text.startswith("{") else re.findall(r"paths=([^&]+)", text)
    wanted = [unquote(path) for path in asked]
    if at is None:
        return 404, {"error": "no such revision"}
    found = [_entry(path, at[1][path]) for path in wanted if path in at[1]]
    folders = [path for path in wanted if any(name.startswith(f"{path}/") for name in at[1])]
    return 200, [*found, *({"type": "directory", "path": path, "size": 0, "oid": "0" * 40} for path in folders)]


def _info(repo: Repo, name: str, rest: str) -> Answer:
    at = repo.at(rest)
    if at is None:
        return 404, {"error": "no such revision"}
    siblings = [{"rfilename": path} for path in at[1]]
    return 200, {"id": name, "sha": at[0], "private": repo.private, "siblings": siblings, "tags": [], "cardData": {}}
