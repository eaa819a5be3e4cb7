"""Runs on the hub, against a server on this machine: `hf:USER/NAME[@REVISION]`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import ossicle
from hub_server import TOKEN, Hub, Repo, served

pytestmark = [pytest.mark.thorough, pytest.mark.loopback]
MAIN = "import time; time.sleep = lambda _: None\nfrom ossicle.cli.main import main\nmain()"
SHIPPED = Path(ossicle.__file__).parent / "backbones" / "pretrained" / "tiny-hubert"
Said = subprocess.CompletedProcess[str]


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub of its own for each test."""
    with served() as made:
        yield made


@dataclass(frozen=True)
class Shell:
    """Runs programs as a user of the hub does, with a home of their own.

    The hub's address and cache are constants of its client, so each is a process.
    """

    hub: Hub
    home: Path

    def python(self, code: str, *arguments: object, **environment: str) -> Said:
        """Run a program; it does not wait between retries."""
        own = {
            "HF_ENDPOINT": self.hub.endpoint,
            "HF_HOME": str(self.home / "hf"),
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "COLUMNS": "200",
        }
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            env={**kept, **own, **environment},
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def __call__(self, *arguments: object, **environment: str) -> Said:
        """Run a command of ossicle."""
        return self.python(MAIN, *arguments, **environment)


@pytest.fixture
def shell(hub: Hub, tmp_path: Path) -> Shell:
    """The command line of a user of the hub."""
    (tmp_path / "home").mkdir()
    return Shell(hub, tmp_path / "home")


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a run that are needed to use it."""
    names = ("adapter.safetensors", "recipe.json", "config.json", "split.json", "metrics.json")
    return {name: (folder / name).read_bytes() for name in names}


def upload(hub: Hub, folder: Path, repo: str = "me/run", **about: bool) -> None:
    """Put a run on the hub, without the command that is tested elsewhere."""
    hub.repos[repo] = Repo(**about)
    hub.repos[repo].commit("main", {**files_of(folder), "evil.bin": b"pickled", "a.wav": b"RIFF"})


def test_a_run_on_the_hub_is_used_like_a_folder(
    hub: Hub, shell: Shell, run: Path, corpus: Path
) -> None:
    upload(hub, run)
    shown = shell("inspect", "hf:me/run")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == shell("inspect", run).stdout
    assert not list(shell.home.rglob("evil.bin")) + list(shell.home.rglob("a.wav"))
    wav = next(corpus.glob("*.wav"))
    code = (
        "import sys; from ossicle import Trained; *names, wav = sys.argv[1:]\n"
        "for one in map(Trained.open, names): print(*one.predict([wav]), one.members[0].name)"
    )
    found = shell.python(code, "hf:me/run@main", run, wav)
    assert found.returncode == 0, found.stderr
    there, here = found.stdout.splitlines()
    assert there == here
    assert "'label'" in here


@pytest.mark.parametrize(("form", "written"), [("onnx", "run.onnx"), ("peft", "adapter")])
def test_a_run_on_the_hub_is_exported(
    hub: Hub, shell: Shell, run: Path, form: str, written: str
) -> None:
    upload(hub, run)
    done = shell("export", form, "hf:me/run", "--out", shell.home / written)
    assert done.returncode == 0, done.stderr
    assert (shell.home / written).exists()


def test_without_a_connection_the_copy_of_before_is_used_and_said_to_be(
    hub: Hub, shell: Shell, run: Path
) -> None:
    upload(hub, run)
    assert shell("inspect", "hf:me/run").returncode == 0
    hub.failing = 503
    again = shell("inspect", "hf:me/run")
    assert again.returncode == 0
    sha = hub.repos["me/run"].find("main")
    assert f"The copy downloaded before is used: commit {sha}" in again.stderr
    assert shell("inspect", "hf:me/other").returncode == 2


def test_a_download_that_was_cut_is_completed_and_half_a_copy_is_never_used(
    hub: Hub, shell: Shell, run: Path
) -> None:
    upload(hub, run)
    hub.cut_downloads = 1000
    cut = shell("inspect", "hf:me/run")
    assert (cut.returncode, len(cut.stderr.splitlines())) == (2, 1), cut.stderr
    assert "the connection to http://127.0.0.1:" in cut.stderr
    offline = shell("inspect", "hf:me/run", HF_HUB_OFFLINE="1")
    assert (offline.returncode, "no whole copy" in offline.stderr) == (2, True), offline.stderr
    hub.cut_downloads = 0
    assert shell("inspect", "hf:me/run").returncode == 0


@pytest.mark.parametrize(
    ("name", "environment", "said"),
    [
        ("hf:me", {}, "expected hf:USER/NAME or hf:USER/NAME@REVISION"),
        ("hf:me/none", {}, "'hf:me/none' is not on the hub, or it is private"),
        ("hf:me/private", {"HF_TOKEN": ""}, "log in with `hf auth login`"),
        ("hf:me/gated", {"HF_TOKEN": ""}, "'hf:me/gated' is gated: ask for access"),
        ("hf:me/run@v9", {}, "'hf:me/run@v9': the repository has no such branch, tag or commit"),
        ("hf:me/model", {}, "is not a run of ossicle: it has no recipe.json and no ensemble.json"),
        ("hf:me/run", {"HF_ENDPOINT": "http://127.0.0.1:9"}, "connection to http://127.0.0.1:9"),
        ("hf:me/run", {"HF_TOKEN": "hf_wrong"}, "the hub does not accept the token"),
    ],
)
def test_what_cannot_be_downloaded_is_said_in_one_line(
    name: str, environment: dict[str, str], said: str, hub: Hub, shell: Shell, run: Path
) -> None:
    upload(hub, run)
    upload(hub, run, "me/private", private=True)
    upload(hub, run, "me/gated", gated=True)
    hub.repos["me/model"] = Repo()
    hub.repos["me/model"].commit("main", {"config.json": b"{}", "model.safetensors": b"0" * 10})
    done = shell("inspect", name, **environment)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert said in done.stderr
    assert TOKEN not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_backbone_on_the_hub_is_named_with_its_revision(hub: Hub, shell: Shell) -> None:
    hub.repos["me/tiny"] = Repo()
    hub.repos["me/tiny"].commit("v1", {one.name: one.read_bytes() for one in SHIPPED.iterdir()})
    code = (
        "import sys; from ossicle import load_backbone, OssicleError\n"
        "for one in sys.argv[1:]:\n"
        "    try: print(load_backbone(one).fingerprint)\n"
        "    except OssicleError as error: print(error)\n"
    )
    names = (
        "tiny-hubert",
        "hf:me/tiny@v1",
        "hf:me/tiny",
        "hf:me/none",
        "hf:me/tiny@v1?revision=v2",
    )
    done = shell.python(code, *names)
    assert done.returncode == 0, done.stderr
    shipped, there, empty, none, twice = done.stdout.splitlines()
    assert shipped == there
    assert "config.json cannot be read" in empty
    assert "'hf:me/none' is not on the hub, or it is private" in none
    assert twice.endswith("names two revisions; give one of them")
