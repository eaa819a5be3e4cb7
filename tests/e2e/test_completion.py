"""Completion of the command line, as the three shells ask for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

OSSICLE = [sys.executable, "-m", "ossicle"]


def complete(shell: str, line: str) -> str:
    """Return what the command line answers to a shell that asks how a line may go on."""
    asked = {
        "_OSSICLE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,  # bash
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": line,  # zsh and fish
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        OSSICLE, env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    return done.stdout


@pytest.mark.thorough
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "offered", "not_offered"),
    [
        ("ossicle pr", ("predict", "prune"), "train"),
        ("ossicle train --ba", ("--backbone", "--batch-size", "--batch-seconds"), "--data"),
    ],
)
def test_a_command_and_an_option_are_completed(
    shell: str, line: str, offered: tuple[str, ...], not_offered: str
) -> None:
    answer = complete(shell, line)
    assert all(one in answer for one in offered), answer
    assert f"{not_offered}\n" not in answer


@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_with_the_script_that_is_shown(tmp_path: Path) -> None:
    program = tmp_path / "ossicle"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ossicle "$@"\n')
    program.chmod(0o755)
    script = """
        script=$(ossicle --show-completion) && eval "$script" || exit 1
        COMP_WORDS=(ossicle study meth) COMP_CWORD=2
        _ossicle_completion ossicle && echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("methods\n", 0), done.stderr
