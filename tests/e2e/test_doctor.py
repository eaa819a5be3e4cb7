"""`ossicle doctor`, with installations that are whole and ones that are broken on purpose."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ossicle.compute.device import pick_device, reason_for_device
from ossicle.doctor.machine import examine_folder
from ossicle.doctor.packages import examine_packages

UNDEFINED = "libtorchaudio.so: undefined symbol: _ZNK5torch8autograd4Node4nameEv"
Found = dict[str, dict[str, str]]


def doctor(path: Path | None = None, **environment: str) -> tuple[int, Found]:
    """Run the command in a process that finds the packages of a folder first."""
    paths = [str(path)] if path else []
    done = subprocess.run(
        [sys.executable, "-m", "ossicle", "doctor", "--json"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*paths, *filter(None, sys.path)]),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    assert answer["usable"] == (done.returncode == 0)
    return done.returncode, {one.pop("name"): one for one in answer["findings"]}


def package(folder: Path, name: str, code: str) -> Path:
    """Write a package into a folder, with the metadata of an installed one."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code)
    about = folder / f"{name}-2.6.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.6.0\n")
    (about / "top_level.txt").write_text(name)
    return folder


@pytest.mark.thorough
def test_a_whole_installation_is_usable() -> None:
    status, found = doctor()
    assert status == 0
    assert {name for name, one in found.items() if one["status"] == "broken"} == set()
    assert found["backbone"]["text"] == f"tiny-hubert runs on {pick_device('auto')}"
    assert reason_for_device() in found["device"]["text"]
    assert (
        "is " + ("bfloat16" if "has fast" in found["precision"]["text"] else "float32")
        in (found["precision"]["text"])
    )


@pytest.mark.thorough
def test_a_broken_torchaudio_is_named_as_the_reason(tmp_path: Path) -> None:
    status, found = doctor(package(tmp_path, "torchaudio", f"raise OSError({UNDEFINED!r})"))
    assert status == 1
    assert UNDEFINED in found["torchaudio"]["text"]
    assert found["torchaudio"]["fix"].startswith("pip uninstall torchaudio")
    broken = [name for name, one in found.items() if one["status"] == "broken"]
    assert broken in (["backbone", "torchaudio"], ["transformers", "torchaudio"])
    assert found[broken[0]]["fix"].startswith("pip uninstall torchaudio")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ImportError('libcudart.so.13 not found')", "ImportError: libcudart.so.13 not"),
        ("import os; os.abort()", "status -6"),
    ],
)
def test_a_broken_torch_is_told_without_a_traceback(tmp_path: Path, code: str, said: str) -> None:
    status, found = doctor(package(tmp_path, "torch", code))
    assert status == 1
    assert found["torch"]["status"] == "broken"
    assert said in found["torch"]["text"]
    assert "pytorch.org" in found["torch"]["fix"]
    assert found["packages"]["status"] == "ok"  # version 2.6.0 would do
    assert found["audio"]["status"] == "ok"  # needs no torch


def test_a_package_that_is_too_old_is_named_with_what_is_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "jiwer-2.6.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: jiwer\nVersion: 2.6.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = examine_packages()[0]
    assert (found.status, found.text) == ("broken", "jiwer is 2.6.0, expected >=4")
    assert found.fix == "pip install 'jiwer>=4'"


def test_a_folder_is_tried_by_writing_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    absent = tmp_path / "a" / "b"
    found = examine_folder("cache", absent, "OSSICLE_CACHE")
    assert (found.status, "will be created" in found.text) == ("ok", True)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    inside = examine_folder("cache", tmp_path / "file" / "c", "OSSICLE_CACHE")
    assert inside.status == "broken"
    assert inside.fix == "name another folder in OSSICLE_CACHE"


def test_every_extra_is_examined_by_the_metadata_of_the_package() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    names = [one.name for one in examine_packages()]
    assert names == ["packages", *(f"extra {extra}" for extra in sorted(extras))]
