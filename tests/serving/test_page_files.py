"""The files of the page, and the recordings to try it with."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ossicle.errors import OssicleError
from ossicle.serving.app import _on_error
from ossicle.serving.endpoints import page
from ossicle.serving.guard import Guard

PAGE = Path(str(files("ossicle.serving"))) / "page"
DEMO = Path(str(files("ossicle.data"))) / "demo" / "audio"


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI(docs_url=None)
    app.include_router(page.router)
    app.add_middleware(Guard)
    app.add_exception_handler(OssicleError, _on_error)
    return TestClient(app)


def test_every_file_of_the_page_is_sent_as_what_it_is(client: TestClient) -> None:
    kinds = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
    for file in sorted(PAGE.iterdir()):
        response = client.get(f"/page/{file.name}")
        kind = kinds.get(file.suffix, "image/svg+xml")
        assert response.headers["content-type"].partition(";")[0] == kind
        assert response.content == file.read_bytes()
    assert client.get("/").content == (PAGE / "index.html").read_bytes()
    assert client.get("/docs").content == (PAGE / "docs.html").read_bytes()


def test_no_page_holds_a_script_or_style_and_the_policy_allows_none(client: TestClient) -> None:
    for path in ("/", "/docs"):
        response = client.get(path)
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["permissions-policy"].startswith("microphone=(self)")
        assert (
            re.findall(r"<script(?! type=\"module\" src=\"page/\w+\.js\"></script>)", response.text)
            == []
        )
        assert re.findall(r"<style|\sstyle=|\son\w+=|https?:", response.text) == []


def test_scripts_make_no_html_of_texts_and_name_no_other_server() -> None:
    for file in PAGE.glob("*.js"):
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|https?:",
            file.read_text(),
        )
        assert (file.name, found) == (file.name, [])


def test_every_module_that_is_imported_is_there() -> None:
    for file in PAGE.glob("*.js"):
        for name in re.findall(r'(?:from|URL\()\s*"(?:\./)?([\w.]+\.js)"', file.read_text()):
            assert (PAGE / name).is_file(), (file.name, name)


@pytest.mark.parametrize(
    "path",
    [
        "/page/app.py",
        "/page/..%2fapp.py",
        "/page/%2e%2e%2fguard.py",
        "/page/",
        "/examples/..%2fREADME.md",
    ],
)
def test_no_other_file_is_sent(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404


def test_examples_are_the_recordings_of_the_demo(client: TestClient) -> None:
    found = client.get("/examples").json()["examples"]
    assert [one["name"] for one in found] == sorted(file.name for file in DEMO.iterdir())
    response = client.get("/examples/stop-david-calm.ogg")
    assert response.headers["content-type"] == "audio/ogg"
    assert response.content == (DEMO / "stop-david-calm.ogg").read_bytes()
    missing = client.get("/examples/stop.ogg")
    assert missing.status_code == 404
    assert "stop.ogg" in missing.json()["error"]["message"]
