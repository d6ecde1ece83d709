"""A Hub of Hugging Face on this machine: the endpoints that its client calls to publish and to load a set or a model.

Repositories live in memory. Every request is noted, and chosen ones fail as they are told to.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from huggingface_hub import DatasetCard

TOKEN = "hf_local"
LICENSES = ("apache-2.0", "cc-by-4.0", "mit", "other")


class HubServer:
    """A Hub at `url`, from `with` to the end of the block, for whoever has the `TOKEN`.

    `repos` maps names to repositories, `requests` holds "METHOD /path" of what came, in order.
    """

    def __enter__(self):
        self.repos, self.uploads, self.requests, self._faults = {}, {}, [], []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()

    def fail(self, pattern, *kinds):
        """Let the next requests whose "METHOD /path" holds the pattern fail.

        By a status, by "reset", or by "lost": what was asked is done, and the connection breaks before the answer.
        """
        self._faults += [(re.compile(pattern), kind) for kind in kinds]

    def fault(self, request):
        """The fault that is due for the request, once."""
        for number, (pattern, kind) in enumerate(self._faults):
            if pattern.search(request):
                del self._faults[number]
                return kind
        return None

    def files(self, repo):
        """The contents of the newest commit by their names."""
        return self.repos[repo].files


class Repository:
    """A data set or model: commits, each a whole set of files, the first of them empty but for what the Hub puts there."""

    def __init__(self, name, private):
        self.name, self.private, self.commits = name, private, []
        self.add({".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"})

    def add(self, files):
        """A new commit."""
        oid = hashlib.sha1(f"{self.name}/{len(self.commits)}".encode()).hexdigest()
        self.commits.append((oid, files))
        return oid

    @property
    def sha(self):
        """The newest commit."""
        return self.commits[-1][0]

    @property
    def files(self):
        """Its files."""
        return self.commits[-1][1]


class _Refused(Exception):
    """A status, with the words that the Hub has for it."""

    def __init__(self, status, message, **headers):
        super().__init__(message)
        self.status, self.headers = status, headers


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Keep the output of the tests clean."""

    def _serve(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        self.query, path = parse_qs(parts.query), unquote(parts.path)
        request = f"{self.command} {path}"
        self.hub.requests.append(request)
        fault = self.hub.fault(request)
        if fault == "lost":
            self.wfile = io.BytesIO()
            self._answer(request, None)
            fault = "reset"
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        else:
            self._answer(request, fault)

    def _answer(self, request, fault):
        if fault == 502:  # comes from a gateway, which knows nothing of the Hub's JSON
            self._send(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"})
            return
        try:
            if fault is not None:
                raise _Refused(fault, "it was told to fail")
            for pattern, answer in ROUTES:
                if found := re.fullmatch(pattern, request):
                    answer(self, **found.groupdict())
                    return
            raise _Refused(404, f"no such endpoint here: {request}")
        except _Refused as error:
            headers = {"X-Error-Message": str(error), **{k.replace("_", "-"): v for k, v in error.headers.items()}}
            self._send(error.status, {"error": str(error)}, headers)

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815 - the names that http.server looks for

    def _send(self, status, content, headers=()):
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(raw)),
            **dict(headers),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    @property
    def _known(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _writer(self):
        if not self._known:
            raise _Refused(401, "Invalid username or password.")

    def _repo(self, name):
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not self._known):
            raise _Refused(404, "Repository not found", X_Error_Code="RepoNotFound")
        return repo

    def create(self):
        self._writer()
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] != "me":
            raise _Refused(403, f"You don't have the rights to create a dataset under {asked['organization']}")
        if name in self.hub.repos:
            self._send(
                409, {"error": "You already created this dataset repo", "url": f"{self.hub.url}/datasets/{name}"}
            )
            return
        private = asked.get("private", asked.get("visibility") == "private")
        self.hub.repos[name] = Repository(name, private)
        self._send(200, {"url": f"{self.hub.url}/datasets/{name}", "name": name, "id": "1"})

    def check_yaml(self):
        if (DatasetCard(json.loads(self.body)["content"]).data.license or "mit") not in LICENSES:
            message = f'"license" must be one of {", ".join(LICENSES)}'
            self._send(400, {"errors": [{"message": message}], "warnings": []})
        else:
            self._send(200, {"errors": [], "warnings": []})

    def info(self, name, revision=None):
        repo = self._repo(name)
        siblings = [{"rfilename": path} for path in repo.files]
        about = {"_id": "1", "author": "me", "tags": [], "downloads": 0, "likes": 0, "disabled": False, "gated": False}
        self._send(200, {"id": name, "sha": repo.sha, "private": repo.private, "siblings": siblings, **about})

    def modes(self, name):
        self._writer()
        there = self._repo(name).files
        self._send(
            200,
            {
                "files": [
                    {
                        "path": one["path"],
                        "uploadMode": "lfs" if one["path"].endswith(".parquet") else "regular",
                        "shouldIgnore": False,
                        "oid": _oid(one["path"], there[one["path"]]) if one["path"] in there else None,
                    }
                    for one in json.loads(self.body)["files"]
                ]
            },
        )

    def batch(self, name):
        self._writer()
        objects = json.loads(self.body)["objects"]
        for one in objects:
            if one["oid"] not in self.hub.uploads:
                one["actions"] = {
                    "upload": {"href": f"{self.hub.url}/storage/{one['oid']}?signature=secret"},
                    "verify": {"href": f"{self.hub.url}/verify"},
                }
        self._send(200, {"transfer": "basic", "objects": objects})

    def store(self, oid):
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise _Refused(400, "the digest is another one")
        self.hub.uploads[oid] = self.body
        self._send(200, {})

    def verify(self):
        if json.loads(self.body)["oid"] not in self.hub.uploads:
            raise _Refused(404, "not uploaded")
        self._send(200, {})

    def commit(self, name):
        self._writer()
        repo = self._repo(name)
        lines = [json.loads(line) for line in self.body.splitlines()]
        if lines[0]["value"].get("parentCommit", repo.sha) != repo.sha:
            raise _Refused(412, "A commit has happened since. Please refresh and try again.")
        files = dict(repo.files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "deletedFile":
                del files[value["path"]]
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploads[value["oid"]]
            else:
                files[value["path"]] = base64.b64decode(value["content"])
        oid = repo.add(files)
        self._send(
            200, {"commitUrl": f"{self.hub.url}/datasets/{name}/commit/{oid}", "commitOid": oid, "success": True}
        )

    def tree(self, name, below=""):
        files = self._repo(name).files
        inside = f"{below.strip('/')}/" if below.strip("/") else ""
        self._send(200, _entries(files, inside, recursive=self.query.get("recursive", ["false"])[0].lower() == "true"))

    def paths(self, name):
        files = self._repo(name).files
        form = self.headers.get("Content-Type", "").startswith("application/json")
        asked = json.loads(self.body)["paths"] if form else parse_qs(self.body.decode())["paths"]
        everything = _entries(files, "", recursive=True)
        self._send(200, [one for one in everything if one["path"] in asked])

    def file(self, name, path):
        repo = self._repo(name)
        if path not in repo.files:
            raise _Refused(404, "Entry not found", X_Error_Code="EntryNotFound", X_Repo_Commit=repo.sha)
        oid = _oid(path, repo.files[path])
        content = repo.files[path]
        headers = {"ETag": f'"{oid}"', "X-Repo-Commit": repo.sha, "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and self.command == "GET":
            first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
            span = f"bytes {first}-{last}/{len(content)}"
            self._send(206, content[first : last + 1], {**headers, "Content-Range": span})
        else:
            self._send(200, content, {**headers, "Content-Type": "application/octet-stream"})


def _oid(path, content):
    """The name of a file's content: SHA-256 for large files, git's SHA-1 for the others."""
    if path.endswith(".parquet"):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entries(files, inside, *, recursive):
    """Files and folders as the Hub lists them."""
    found = {}
    for path, content in files.items():
        if not path.startswith(inside):
            continue
        rest = path.removeprefix(inside).split("/")
        for depth in range(1, len(rest)):
            folder = inside + "/".join(rest[:depth])
            if recursive or depth == 1:
                found[folder] = {"type": "directory", "path": folder, "size": 0, "oid": "0" * 40}
        if recursive or len(rest) == 1:
            found[path] = {"type": "file", "path": path, "size": len(content), "oid": _oid(path, content)}
    return list(found.values())


_NAME = r"(?P<name>[\w.-]+/[\w.-]+)"
_API = r"/api/(?:datasets|models)/"
ROUTES = [
    (r"POST /api/repos/create", _Handler.create),
    (r"POST /api/validate-yaml", _Handler.check_yaml),
    (rf"GET {_API}{_NAME}(/revision/(?P<revision>[^/]+))?", _Handler.info),
    (rf"POST {_API}{_NAME}/preupload/[^/]+", _Handler.modes),
    (rf"POST {_API}{_NAME}/commit/[^/]+", _Handler.commit),
    (rf"GET {_API}{_NAME}/tree/[^/]+(?P<below>/.*)?", lambda self, name, below: self.tree(name, below or "")),
    (rf"POST {_API}{_NAME}/paths-info/[^/]+", _Handler.paths),
    (r"POST (?:/datasets)?/(?P<name>[\w.-]+/[\w.-]+?)\.git/info/lfs/objects/batch", _Handler.batch),
    (r"PUT /storage/(?P<oid>\w+)", _Handler.store),
    (r"POST /verify", _Handler.verify),
    (rf"(?:GET|HEAD) (?:/datasets)?/{_NAME}/resolve/[^/]+/(?P<path>.+)", _Handler.file),
]
