"""A small server of the hub's protocol on this machine, for tests of up- and downloads.

It speaks the part that `huggingface_hub` uses without xet: who am I, create a repository or branch,
check a card, which files are large, upload those (basic transfer of git LFS), commit, what a
revision is, its files, and download them. It keeps everything in memory.
"""

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_aSecretThatIsNeverToBeWritten"
USER = "me"
Files = dict[str, bytes]


@dataclass
class Repo:
    """A repository: its commits, and where its branches are."""

    private: bool = False
    gated: bool = False
    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commit("main", {".gitattributes": b"*.safetensors filter=lfs\n"})

    def commit(self, branch: str, files: Files) -> str:
        """Add a commit with these files, and return its hash."""
        text = f"{len(self.commits)}{branch}{sorted(files)}"
        sha = hashlib.sha1(text.encode()).hexdigest()
        self.commits[sha] = files
        self.branches[branch] = sha
        return sha

    def find(self, revision: str) -> str | None:
        """Return the commit of a branch or of its hash."""
        return self.branches.get(revision, revision if revision in self.commits else None)


@dataclass
class Hub:
    """What the server holds, what it was asked, and what is to go wrong.

    Attributes:
        cut_uploads: How many uploads of large files to cut in the middle.
        cut_downloads: How many downloads to cut in the middle.
        cut_commits: How many commits to take without an answer.
        failing: Status of every answer, if not 0.
    """

    endpoint: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    authorised: set[str] = field(default_factory=set)
    cut_uploads: int = 0
    cut_downloads: int = 0
    cut_commits: int = 0
    failing: int = 0

    def count(self, method: str, part: str) -> int:
        """Return how often something was asked."""
        return sum(one == method and part in path for one, path in self.asked)

    def files(self, repo: str, revision: str = "main") -> Files:
        """Return the files of a repository."""
        sha = self.repos[repo].find(revision)
        assert sha is not None
        return self.repos[repo].commits[sha]


class _Refused(Exception):
    def __init__(self, status: int, said: str, code: str = "") -> None:
        super().__init__(said)
        self.status, self.said, self.code = status, said, code


def _is_large(path: str) -> bool:
    return path.endswith(".safetensors")


def _oid(path: str, content: bytes) -> str:
    """Return what git names a file by, or git LFS a large one."""
    if _is_large(path):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[Hub]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - the names that http.server calls

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((self.command, path))
        if self.headers.get("Authorization"):
            self.hub.authorised.add(path)
        if self.command == "PUT" and self.hub.cut_uploads:
            self.hub.cut_uploads -= 1
            self.rfile.read(int(self.headers["Content-Length"]) // 2)
            self._hang_up()
            return
        self.body = self._read_body()
        try:
            if self.hub.failing:
                raise _Refused(self.hub.failing, "made to fail")
            if self.headers.get("Authorization") and not self._is_me:
                raise _Refused(401, "Invalid credentials in Authorization header")
            for (method, pattern), does in _ROUTES.items():
                if method == self.command and (found := re.fullmatch(pattern, path)):
                    does(self, *found.groups())
                    return
            raise _Refused(404, f"no such page: {self.command} {path}")
        except _Refused as refused:
            self._send(refused.status, {"error": refused.said}, code=refused.code)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, data: Any, *, code: str = "", **head: str) -> None:
        content = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", data["error"])
        for name, value in head.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.hub.cut_downloads and "/resolve/" in self.path and len(content) > 1000:
            self.hub.cut_downloads -= 1
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self._hang_up()
            return
        self.wfile.write(content)

    @property
    def _is_me(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _must_be_me(self, repo: str = f"{USER}/") -> None:
        if not self.headers.get("Authorization"):
            raise _Refused(401, "Invalid username or password.")
        if not repo.startswith(f"{USER}/"):
            raise _Refused(403, f"You do not have the rights to write to {repo}", "")

    def _repo(self, name: str) -> Repo:
        found = self.hub.repos.get(name)
        if found is None or (found.private and not self._is_me):
            raise _Refused(401 if not self._is_me else 404, "Repository not found", "RepoNotFound")
        return found

    def _commit(self, name: str, revision: str) -> tuple[Repo, str]:
        repo = self._repo(name)
        sha = repo.find(revision)
        if sha is None:
            raise _Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return repo, sha

    def who(self) -> None:
        self._must_be_me()
        self._send(200, {"name": USER, "type": "user", "auth": {"type": "access_token"}})

    def create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked.get('organization') or USER}/{asked['name']}"
        self._must_be_me(name)
        url = {"url": f"{self.hub.endpoint}/{name}", "name": name}
        if name in self.hub.repos:
            self._send(409, {"error": "You already created this model repo", **url})
            return
        self.hub.repos[name] = Repo(private=asked.get("visibility") == "private")
        self._send(200, url)

    def branch(self, name: str, branch: str) -> None:
        self._must_be_me(name)
        repo = self._repo(name)
        if branch in repo.branches:
            raise _Refused(409, "Reference already exists")
        repo.branches[branch] = repo.branches["main"]
        self._send(200, {})

    def check_card(self) -> None:
        content = json.loads(self.body)["content"]
        found = re.match(r"---\n(.*?\n)---\n", content, re.DOTALL)
        try:
            data = yaml.safe_load(found[1]) if found else None
        except yaml.YAMLError as error:
            data = str(error)
        if not isinstance(data, dict):
            self._send(400, {"errors": [{"message": f"no metadata: {data}"}], "warnings": []})
            return
        self._send(200, {"errors": [], "warnings": []})

    def ask_upload(self, name: str, revision: str) -> None:
        self._must_be_me(name)
        repo, sha = self._commit(name, revision)
        files = [
            {
                "path": one["path"],
                "uploadMode": "lfs" if _is_large(one["path"]) else "regular",
                "shouldIgnore": False,
                "oid": _oid(one["path"], has) if has is not None else None,
            }
            for one in json.loads(self.body)["files"]
            for has in [repo.commits[sha].get(one["path"])]
        ]
        self._send(200, {"files": files})

    def ask_large(self, name: str) -> None:
        self._must_be_me(name)
        objects = []
        for one in json.loads(self.body)["objects"]:
            about = {"oid": one["oid"], "size": one["size"]}
            if one["oid"] not in self.hub.large:
                at = self.hub.endpoint
                about["actions"] = {
                    "upload": {"href": f"{at}/large/{one['oid']}"},
                    "verify": {"href": f"{at}/verify/{one['oid']}"},
                }
            objects.append(about)
        self._send(200, {"transfer": "basic", "objects": objects})

    def put_large(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise _Refused(400, "not what it is named by")
        self.hub.large[oid] = self.body
        self._send(200, {})

    def verify(self, oid: str) -> None:
        self._must_be_me()
        if oid not in self.hub.large:
            raise _Refused(404, "not uploaded")
        self._send(200, {})

    def commit(self, name: str, branch: str) -> None:
        self._must_be_me(name)
        repo, sha = self._commit(name, branch)
        files = dict(repo.commits[sha])
        for line in self.body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        sha = repo.commit(branch, files)
        if self.hub.cut_commits:
            self.hub.cut_commits -= 1
            self._hang_up()
            return
        url = f"{self.hub.endpoint}/{name}/commit/{sha}"
        self._send(200, {"success": True, "commitOid": sha, "commitUrl": url})

    def info(self, name: str, revision: str | None = None) -> None:
        repo, sha = self._commit(name, revision or "main")
        siblings = [{"rfilename": path} for path in repo.commits[sha]]
        about = {"id": name, "sha": sha, "private": repo.private, "siblings": siblings}
        self._send(200, about)

    def tree(self, name: str, revision: str) -> None:
        repo, sha = self._commit(name, revision)
        listed = []
        for path, content in repo.commits[sha].items():
            oid = _oid(path, content)
            about = {"type": "file", "path": path, "size": len(content), "oid": oid}
            if _is_large(path):
                about["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 130}
            listed.append(about)
        self._send(200, listed)

    def resolve(self, name: str, revision: str, path: str) -> None:
        repo, sha = self._commit(name, revision)
        if repo.gated and not self._is_me:
            raise _Refused(401, "Access to this model is restricted", "GatedRepo")
        if path not in repo.commits[sha]:
            raise _Refused(404, "Entry not found", "EntryNotFound")
        content = repo.commits[sha][path]
        head = {"ETag": f'"{_oid(path, content)}"', "X_Repo_Commit": sha, "Accept_Ranges": "bytes"}
        start = re.fullmatch(r"bytes=(\d+)-.*", self.headers.get("Range", ""))
        if start is None:
            self._send(200, content, **head)
            return
        first = int(start[1])
        head["Content_Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        self._send(206, content[first:], **head)


_MODEL = r"/api/models/([^/]+/[^/]+)"
_ROUTES: dict[tuple[str, str], Callable[..., None]] = {
    ("GET", "/api/whoami-v2"): _Handler.who,
    ("POST", "/api/repos/create"): _Handler.create,
    ("POST", _MODEL + "/branch/(.+)"): _Handler.branch,
    ("POST", "/api/validate-yaml"): _Handler.check_card,
    ("POST", _MODEL + "/preupload/(.+)"): _Handler.ask_upload,
    ("POST", r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch"): _Handler.ask_large,
    ("PUT", r"/large/(\w+)"): _Handler.put_large,
    ("POST", r"/verify/(\w+)"): _Handler.verify,
    ("POST", _MODEL + "/commit/(.+)"): _Handler.commit,
    ("GET", _MODEL): _Handler.info,
    ("GET", _MODEL + "/revision/(.+)"): _Handler.info,
    ("GET", _MODEL + "/tree/(.+)"): _Handler.tree,
    ("HEAD", "/([^/]+/[^/]+)/resolve/([^/]+)/(.+)"): _Handler.resolve,
    ("GET", "/([^/]+/[^/]+)/resolve/([^/]+)/(.+)"): _Handler.resolve,
}


@contextmanager
def served() -> Iterator[Hub]:
    """A hub that answers on a free port of this machine."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
