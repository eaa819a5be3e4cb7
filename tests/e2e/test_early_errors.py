"""Typing mistakes are reported before torch is imported."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LONG = "a" * 300
RAY_CLIENT = ("--engine=ray", "--address=ray://head:10001")
ALL = """
import contextlib, io, json, sys
from ossicle.cli.main import main
found = []
for arguments in json.load(sys.stdin):
    sys.argv = ["ossicle", *arguments]
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code
    heavy = sorted({"torch", "transformers", "scipy", "sklearn"} & set(sys.modules))
    found.append([status, said.getvalue(), heavy])
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, run: Path) -> dict[str, list[Any]]:
    """Return status, message and heavy modules of each command, all run in one new process."""
    folder = tmp_path_factory.mktemp("early")
    (folder / "taken").mkdir()
    (folder / "taken" / "notes.txt").write_text("mine")
    shutil.copytree(run, folder / "run")
    for name in ("unfinished", "damaged", "adapter"):
        shutil.copytree(run, folder / name)
    (folder / "unfinished/metrics.json").unlink()
    (folder / "adapter/config.json").unlink()
    damage(folder / "damaged/adapter.safetensors")
    train = ["train", "--backbone=tiny-hubert", "--recipe=lora"]
    new = [*train, f"--out={folder / 'new'}"]
    stage = ["train", f"--from={folder / 'run'}", "--data=demo"]
    stage_out = f"--out={folder / 'new'}"
    few_shot = ["study", "few-shot", "--recipes=lora", f"--out={folder / 'new'}"]
    taken = f"--out={folder / 'taken'}"
    compare = ["compare", "--recipes=lora", f"--out={folder / 'new'}"]
    commands = {
        "occupied": [*train, "--data=demo", f"--out={folder / 'taken'}"],
        "started": [*train, "--data=demo", f"--out={folder / 'run'}"],
        "long out": [*train, "--data=demo", f"--out={folder / LONG}"],
        "no user": [*train, "--data=demo", "--out=~no-such-user/run"],
        "no run": ["train", "--resume", f"--out={folder / 'new'}"],
        "data": [*new, "--data=audiofolder:gone"],
        "long data": [*new, f"--data={LONG}"],
        "long path": [*new, f"--data=audiofolder:{LONG}?valid=0.2"],
        "user data": [*new, "--data=fsdd:~no-such-user/x"],
        "backbone": [*new, "--data=demo", "--backbone=./gone"],
        "number": [*new, "--data=demo", "--lr=1e308"],
        "optimizer": [*new, "--data=demo", "--optimizer=adamw(beta1=2)"],
        "schedule": [*new, "--data=demo", "--schedule=step(epochs=0)"],
        "parent gone": ["train", "--from=gone", "--data=demo", stage_out],
        "parent unfinished": ["train", f"--from={folder / 'unfinished'}", "--data=demo", stage_out],
        "parent damaged": ["train", f"--from={folder / 'damaged'}", "--data=demo", stage_out],
        "parent adapter": ["train", f"--from={folder / 'adapter'}", "--data=demo", stage_out],
        "parent itself": [*stage, f"--out={folder / 'run'}"],
        "parent task": [*stage, stage_out, "--task=tagging"],
        "parent head": [*stage, stage_out, "--head=superb"],
        "parent members": [*stage, stage_out, "--ensemble=lora,bias"],
        "freeze alone": [*new, "--data=demo", "--freeze=lora"],
        "keep alone": [*new, "--data=demo", "--keep=l2-sp"],
        "freeze nothing": [*stage, stage_out, "--freeze=lroa"],
        "freeze site": [*stage, stage_out, "--freeze=lora@ffn"],
        "freeze layer": [*stage, stage_out, "--freeze=[9]"],
        "freeze text": [*stage, stage_out, "--freeze=lora+bias"],
        "freeze everything": [*stage, stage_out, "--freeze=@attn.q,@attn.v,head"],
        "frozen head": [*stage, stage_out, "--freeze=head", "--head-from=extend"],
        "labels twice": [*stage, stage_out, "--common-labels", "--head-from=extend"],
        "labels": [*new, "--data=demo", "--map-labels=stp=halt,left=links"],
        "no labels": [*new, "--data=demo?label=transcript", "--map-labels=stop=halt"],
        "labels file": [*new, "--data=demo", "--map-labels=gone.csv"],
        "labels alone": ["train", "--resume", "--map-labels=a=b", f"--out={folder / 'run'}"],
        "joined": [*new, "--data=demo + fsdd:gone"],
        "study labels": [*compare, "--backbone=tiny-hubert", "--data=demo", "--map-labels=a=b"],
        "predict": ["predict", str(folder / "gone"), "a.wav"],
        "evaluate": ["evaluate", str(folder / "gone"), "--data=demo"],
        "one member": ["ensemble", str(folder / "run"), f"--out={folder / 'new'}"],
        "same members": ["ensemble", *[str(folder / "run")] * 2, f"--out={folder / 'new'}"],
        "no member": ["ensemble", str(folder / "run"), "gone", f"--out={folder / 'new'}"],
        "ensemble out": ["train", "--backbone=x", "--data=demo", "--ensemble=lora,bias", taken],
        "vote alone": [*new, "--data=demo", "--vote=soft"],
        "abstain": ["predict", str(folder / "run"), "a.wav", "--abstain=2"],
        "evaluate data": ["evaluate", str(folder / "run"), "--data=audiofolder:gone"],
        "evaluate backbone": ["evaluate", str(folder / "run"), "--data=demo", "--backbone=./gone"],
        "compare data": [*compare, "--backbone=tiny-hubert", "--data=audiofolder:gone"],
        "compare backbone": [*compare, "--backbone=./gone", "--data=demo"],
        "compare number": [*compare, "--backbone=tiny-hubert", "--data=demo", "--epochs=0"],
        "study data": [*few_shot, "--backbone=tiny-hubert", "--data=demo", "--data=fsdd:gone"],
        "study option": [*few_shot, "--backbone=tiny-hubert", "--data=demo", "--shots=1,x"],
        "study budget": [*few_shot, "--backbone=tiny-hubert", "--data=demo", "--budget=9kk"],
        "study baseline": [*few_shot, "--backbone=tiny-hubert", "--data=demo", "--baseline=x"],
        "study shard": [*few_shot, "--backbone=tiny-hubert", "--data=demo", "--shard=17/16"],
        "study address": [*few_shot, "--backbone=tiny-hubert", "--data=demo", *RAY_CLIENT],
        "study out": [*few_shot[:-1], "--backbone=tiny-hubert", "--data=demo", taken],
        "report": ["report", str(folder / "run")],
        "params": ["params", "--backbone=./gone", "--recipe=lora"],
        "budget": ["params", "--backbone=tiny-hubert", "--recipe=lora", "--budget=many"],
        "derive": ["derive", "words", "--data=fsdd:gone", f"--out={folder / 'new'}"],
    }
    done = subprocess.run(
        [sys.executable, "-c", ALL],
        input=json.dumps(list(commands.values())),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "new").exists()
    return dict(zip(commands, json.loads(done.stdout), strict=True))


def damage(file: Path) -> None:
    """Change the last byte of a file."""
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("occupied", "taken' is not empty; choose another folder"),
        ("started", "is not empty; choose another folder, or continue its run with --resume"),
        ("long out", "cannot be created: File name too long; choose another folder"),
        ("no user", "cannot be created: there is no user 'no-such-user'; choose another folder"),
        ("no run", "is not a run folder: it has no config.json; leave --resume out to start one"),
        ("data", "gone does not exist (reader audiofolder). Correct the path in"),
        ("long data", "is neither a reader nor an existing folder"),
        ("long path", "cannot be read as audiofolder: File name too long. Correct the path in"),
        ("user data", "cannot be read as fsdd: there is no user 'no-such-user'. Correct the path"),
        ("backbone", "there is no folder './gone'"),
        ("number", "lr is 1e+308; expected a number above 0 and up to 1000"),
        ("optimizer", "beta1 of adamw is 2; expected a number from 0 to 0.999999"),
        ("schedule", "epochs of step is 0; expected a whole number from 1 to"),
        ("parent gone", "the parent run 'gone' cannot be read: it does not exist"),
        (
            "parent unfinished",
            "unfinished' is not finished: it has no metrics.json. Finish it with",
        ),
        ("parent damaged", "adapter.safetensors' is damaged (its content does not match its hash)"),
        ("parent adapter", "adapter' is not a run folder: it has no config.json. Start from a"),
        (
            "parent itself",
            "run', the folder of the run that it starts from; write to another folder",
        ),
        ("parent task", "the task is 'tagging' and that of the parent run 'classification'"),
        ("parent head", "the head is 'superb' and that of the parent run 'mean'; leave --head out"),
        ("parent members", "--ensemble trains every member from the start; leave --from out"),
        ("freeze alone", "--freeze belongs to a stage that starts from a run; add --from RUN"),
        ("keep alone", "--keep belongs to a stage that starts from a run; add --from RUN"),
        (
            "freeze nothing",
            "'lroa' names no part of the parent run. It has: lora@attn.q[0:2], lora",
        ),
        ("freeze nothing", "[0:2], head. Did you mean 'lora'?"),
        ("freeze site", "--freeze 'lora@ffn' names no part of the parent run"),
        ("freeze layer", "'[9]' names layer 9; this backbone has 2 layers, numbered from 0 to 1"),
        ("freeze text", "'lora+bias' in --freeze is not a part of a run; write a method (lora)"),
        ("freeze everything", "freezes everything, so nothing would train. Leave a part out"),
        ("frozen head", "--head-from extend gives it outputs that must be trained"),
        ("labels twice", "--common-labels leaves labels out that --head-from extend adds"),
        ("labels", "no recording has the label stp, which is to be renamed. Labels of 'demo': "),
        ("labels", "Did you mean 'stop'?"),
        ("no labels", "the label of 'demo?label=transcript' is 'transcript', which is not a class"),
        ("labels file", "the file of new labels 'gone.csv' does not exist"),
        ("labels alone", "--map-labels renames the labels of --data, which is missing"),
        ("joined", "gone does not exist (reader fsdd)"),
        ("study labels", "no recording has the label a, which is to be renamed"),
        ("predict", "there is no such folder"),
        ("evaluate", "there is no such folder"),
        ("one member", "an ensemble needs two or more members; name the folders of two runs"),
        ("same members", "run' is named twice; the members of an ensemble must differ"),
        ("no member", "'gone' is not an adapter folder: there is no such folder"),
        ("ensemble out", "taken' is not empty; choose another folder"),
        ("vote alone", "--vote is an option of an ensemble; add --ensemble R,R or leave it out"),
        ("abstain", "abstain is 2; expected a number from 0 to 1"),
        ("evaluate data", "gone does not exist (reader audiofolder)"),
        ("evaluate backbone", "there is no folder './gone'"),
        ("study data", "gone does not exist (reader fsdd)"),
        ("study option", "shots is 'x'; expected a whole number from 1"),
        ("study budget", "'9kk' is not a number of parameters"),
        ("study baseline", "there is no baseline x; available: mfcc"),
        ("study shard", "the shard is '17/16'; expected a number and how many there are"),
        ("study address", "give HOST:PORT of its head, or auto"),
        ("study out", "taken' is not empty; choose another folder"),
        ("report", "run' is not a study folder: it has no study.json"),
        ("compare data", "gone does not exist (reader audiofolder)"),
        ("compare backbone", "there is no folder './gone'"),
        ("compare number", "epochs is 0; expected a whole number from 1 to"),
        ("params", "there is no folder './gone'"),
        ("budget", "'many' is not a number of parameters; write a whole number from 1, such as"),
        ("derive", "gone does not exist (reader fsdd)"),
    ],
)
def test_a_typing_mistake_is_reported_without_torch(
    case: str, message: str, found: dict[str, list[Any]]
) -> None:
    status, said, heavy = found[case]
    assert (status, heavy) == (2, []), said
    assert message in said
    assert said.startswith("Error: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["train", "--learning-rate=0.1"], "--lr"),
        (["train", "--learning_rate", "0.1"], "--lr"),
        (["train", "--num-epochs=3"], "--epochs"),
        (["train", "--output-dir=x"], "--out"),
        (["train", "--model=x"], "--backbone"),
        (["compare", "--dataset=x"], "--data"),
        (["evaluate", "x", "--split=test"], "--side"),
        (["train", "--epohcs=3"], "--epochs"),
    ],
)
def test_an_option_of_another_tool_is_translated(
    arguments: list[str], option: str, ossicle: Callable[..., Any]
) -> None:
    done = ossicle(*arguments)
    assert done.status == 2
    assert f"'{option}'" in done.err or f"options: {option}" in done.err
