"""A small Hugging Face hub on loopback, for the real client libraries; `python tests/hub.py` starts it with all stand-ins.

It speaks what `huggingface_hub`, `transformers` and `datasets` ask for: repository information, file listing, metadata by HEAD,
files and their ranges, revisions, etags (git's blob hash; the SHA-256 of what a repository keeps outside git), and the hub's faults.
Every request is kept in ``Hub.requests``.
"""

import contextlib
import hashlib
import json
import socket
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit

OUTSIDE_GIT = (".parquet", ".safetensors", ".bin")  # what the hub's own .gitattributes hands to LFS
REFUSALS = {  # how a fault is answered: status, the hub's error code, its words
    "no repository": (401, "RepoNotFound", "Repository not found"),  # the hub says 401 to those who show no token
    "no revision": (404, "RevisionNotFound", "Invalid rev id"),
    "no file": (404, "EntryNotFound", "Entry not found"),
    "gated": (401, "GatedRepo", "Access to this repository is restricted. You must be authenticated to access it."),
    "not granted": (403, "GatedRepo", "Access to this repository is restricted and you are not in the authorized list."),
    "bad token": (401, None, "Invalid credentials in Authorization header"),
    "busy": (429, None, "Too many requests"),
    "down": (503, None, "Service unavailable"),
}


class Request(NamedTuple):
    method: str
    path: str
    range: str | None
    token: str | None  # as shown in the Authorization header
    status: int
    sent: int  # bytes of the body


class Refused(Exception):
    """A request is answered with one of `REFUSALS`."""


@dataclass
class Fault:
    """``how``: a key of `REFUSALS`, "cut" (the connection breaks in the middle of a file) or "wrong" (other bytes of the same length)."""

    how: str
    times: int = 10**9  # how often it happens
    retry_after: int | None = None  # seconds, with "busy"


def etag(path, content):
    if path.endswith(OUTSIDE_GIT):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def entry(path, content):
    """A file in a listing."""
    tag, found = etag(path, content), {"type": "file", "path": path, "rfilename": path, "size": len(content)}
    if path.endswith(OUTSIDE_GIT):
        return found | {"oid": "0" * 40, "lfs": {"oid": tag, "sha256": tag, "size": len(content), "pointerSize": 134}}
    return found | {"oid": tag}


class Hub(ThreadingHTTPServer):
    """``with Hub() as hub:`` serves at ``hub.address`` until the end of the block."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.repositories = {}  # ("models" or "datasets", name) -> {revision: {path: bytes}}
        self.renamed, self.faults, self.requests, self.connections = {}, {}, [], set()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """From now on nobody listens there, nor on the connections that clients keep open."""
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request, address):
        self.connections.add(request)
        super().process_request(request, address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def add(self, kind, name, files, revision="main"):
        """Put ``files`` {path: bytes} under a name; a new content of the same revision is a new commit."""
        self.repositories.setdefault((kind, name), {})[revision] = files

    def fail(self, where, how, **settings):
        """Answer requests about ``where``, a repository's name or ``name/path/of/a/file``, with a `Fault`."""
        self.faults[where] = Fault(how, **settings)

    def find(self, kind, name, revision):
        """(commit, {path: bytes}) of a branch, a reference or a commit."""
        for branch, files in self.repositories[kind, name].items():
            commit = hashlib.sha1(json.dumps([name, branch, {p: etag(p, b) for p, b in files.items()}]).encode()).hexdigest()
            if revision in (branch, commit):
                return commit, files
        raise Refused("no revision")

    def fault(self, *places):
        """The `Fault` that is due at one of the places, or None."""
        return next((f for f in map(self.faults.get, places) if f and f.times > 0), None)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.commit = {}
        self.form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        try:
            self.route()
        except Refused as refused:
            self.refuse(Fault(str(refused)))
        except ConnectionError:  # the client had enough
            self.close_connection = True

    do_HEAD = do_POST = do_GET

    def route(self):
        """[/api]/[datasets|models]/<name>/<action>[/<revision>[/<path>]]; a name has one part or two, as the repositories tell."""
        url = urlsplit(self.path)
        parts = [unquote(p) for p in url.path.strip("/").split("/")]
        api, storage = parts[0] == "api", parts[0] == "storage"
        parts = parts[api or storage:]
        kind = parts.pop(0) if parts[:1] in (["datasets"], ["models"]) else "models"
        known = [n for n in ("/".join(parts[:2]), "/".join(parts[:1])) if (kind, n) in self.server.repositories or n in self.server.renamed]
        if not known:
            raise Refused("no repository")
        name = known[0]
        if name in self.server.renamed:
            return self.answer(307, headers={"Location": self.path.replace(name, self.server.renamed[name], 1)})
        rest = parts[name.count("/") + 1:]
        action, revision = (rest + ["", "main"][len(rest):])[:2]
        path = "/".join(rest[2:])
        fault = self.server.fault(name, f"{name}/{path}")
        if fault and fault.how in REFUSALS:
            return self.refuse(fault)
        commit, files = self.server.find(kind, name, revision)
        if action == "resolve":
            self.resolve(commit, files, path, storage, fault)
        elif api:
            self.describe(action, name, commit, files, path, parse_qs(url.query))
        else:
            raise Refused("no file")

    def describe(self, action, name, commit, files, path, query):
        """The JSON answers: a repository, the files below a folder, the files asked for."""
        if action in ("", "revision"):
            keys = ("rfilename", "size", "lfs") if "blobs" in query else ("rfilename",)
            siblings = [{k: v for k, v in entry(p, b).items() if k in keys} for p, b in files.items()]
            self.answer(200, {"_id": commit[:24], "id": name, "sha": commit, "private": False, "gated": False, "disabled": False,
                              "downloads": 1, "likes": 0, "tags": [], "lastModified": "2026-01-01T00:00:00.000Z", "siblings": siblings})
        elif action in ("tree", "paths-info"):
            folders = {str(f) for p in files for f in PurePosixPath(p).parents[:-1]}
            entries = [{"type": "directory", "path": f, "oid": "0" * 40, "size": 0} for f in sorted(folders)] + [entry(*f) for f in files.items()]
            if action == "paths-info":
                return self.answer(200, [e for e in entries if e["path"] in self.form.get("paths", [])])
            if path and path not in folders:
                raise Refused("no file")
            deep, depth = "true" in query.get("recursive", []), len(PurePosixPath(path).parts)
            below = [e for e in entries if not path or e["path"].startswith(path + "/")]
            self.answer(200, [e for e in below if deep or e["path"].count("/") == depth])
        else:
            raise Refused("no file")

    def resolve(self, commit, files, path, storage, fault):
        """A file or its metadata; what is kept outside git is announced here and fetched from another address."""
        self.commit = {"X-Repo-Commit": commit}
        if path not in files:
            raise Refused("no file")
        content, tag = files[path], f'"{etag(path, files[path])}"'
        headers = {"ETag": tag, "X-Repo-Commit": commit, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        if path.endswith(OUTSIDE_GIT) and not storage:
            headers |= {"X-Linked-ETag": tag, "X-Linked-Size": str(len(content)), "Location": f"{self.server.address}/storage{quote(self.path)}"}
            return self.answer(302, headers=headers)
        if fault and fault.how == "wrong":
            content = content[:len(content) // 2] + bytes([content[len(content) // 2] ^ 1]) + content[len(content) // 2 + 1:]
        start, status = 0, 200
        if asked := self.headers.get("Range"):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end, status = int(first), int(last or len(content) - 1), 206
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            content = content[start:end + 1]
        if fault and self.command == "GET":
            fault.times -= 1
        self.answer(status, content, headers, cut=bool(fault) and fault.how == "cut")

    def refuse(self, fault):
        fault.times -= 1
        status, code, words = REFUSALS[fault.how]
        headers = {"X-Error-Message": words} | ({"X-Error-Code": code} if code else {}) | self.commit
        if fault.retry_after:
            headers["Retry-After"] = str(fault.retry_after)
        self.answer(status, {"error": words}, headers)

    def answer(self, status, body=b"", headers=None, cut=False):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = b"" if self.command == "HEAD" else body[:len(body) // 2] if cut else body
        self.server.requests.append(Request(self.command, self.path, self.headers.get("Range"), self.headers.get("Authorization"), status, len(sent)))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection |= cut
        self.wfile.write(sent)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from standins import fill

    with Hub() as hub:
        fill(hub)
        print(hub.address, flush=True)
        threading.Event().wait()
