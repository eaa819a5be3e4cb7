"""`ossicle push`, against a hub on this machine: what goes up, and that it is used again."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from test_hub import Shell, hub, shell  # noqa: F401 - fixtures

from hub_server import TOKEN, Hub, Repo
from ossicle.checksums import unseal
from ossicle.reports.card import write_card
from ossicle.training.combine import make_ensemble
from ossicle.training.config import TrainConfig
from ossicle.training.run import train
from ossicle.training.shared import write_shared

pytestmark = [pytest.mark.thorough, pytest.mark.loopback]
SEVERAL = (
    "import json, sys, time; time.sleep = lambda _: None\n"
    "from ossicle.cli.main import main\n"
    "for one in json.loads(sys.argv[1]):\n"
    "    sys.argv = ['ossicle', *one]; status = 0\n"
    "    try: main()\n"
    "    except SystemExit as end: status = end.code or 0\n"
    "    for stream in (sys.stdout, sys.stderr): print(f'--- {status}', file=stream, flush=True)\n"
)


def several(shell: Shell, *commands: list[object], **environment: str) -> list[tuple[Any, ...]]:  # noqa: F811
    """Run commands one after the other in one process; return status, output and errors of each."""
    given = json.dumps([[str(word) for word in command] for command in commands])
    done = shell.python(SEVERAL, given, **environment)
    outs, errs = (re.split(r"--- (\d+)\n", text) for text in (done.stdout, done.stderr))
    assert len(outs) == 2 * len(commands) + 1, done.stderr
    return [(int(outs[2 * n + 1]), outs[2 * n], errs[2 * n]) for n in range(len(commands))]


@pytest.fixture(scope="session")
def pushed(backbone: str, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a folder as backbone and recordings of nobody else."""
    folder = tmp_path_factory.mktemp("secret-place") / "run"
    config = TrainConfig(
        backbone=backbone, recipe="lora", data=str(corpus), epochs=1, batch_size=4, device="cpu"
    )
    train(config, folder)
    return folder


def test_a_run_goes_up_once_and_is_used_from_there(
    hub: Hub,  # noqa: F811
    shell: Shell,  # noqa: F811
    pushed: Path,
    backbone: str,
    corpus: Path,
) -> None:
    command = ["push", pushed, "me/run", "--base", "someone/tiny-model"]
    hub.cut_uploads = 6  # as often as the client tries
    cut, done, again, shown, tested = several(
        shell,
        command,
        command,
        command,
        ["inspect", "hf:me/run"],
        ["evaluate", "hf:me/run", "--data", corpus, "--side", "all", "--backbone", backbone],
    )
    assert cut[0] == 2, cut
    assert len(cut[2].splitlines()) == 1
    assert "repeat the command, which goes on where it stopped" in cut[2]
    assert done[:1] == (0,), done
    assert "use it as hf:me/run" in done[1]
    assert again[0] == 0
    assert "nothing new" in again[1]
    assert hub.count("POST", "/commit/") == 1
    assert hub.count("PUT", "/large/") == 7
    assert (shown[0], "someone/tiny-model" in shown[1]) == (0, True)
    assert (tested[0], "would be a memory test" in tested[2]) == (2, True), tested
    assert set(hub.files("me/run")) == {
        ".gitattributes",
        "README.md",
        "adapter.safetensors",
        *(f"{name}.json" for name in ("config", "metrics", "recipe", "split", "versions")),
    }
    secrets = [str(pushed), str(pushed.parent), backbone, str(corpus), str(Path.home()), TOKEN]
    secrets += [file.name for file in corpus.glob("*.wav")] + ["anna", "cleo", str(Path.cwd())]
    for name, content in hub.files("me/run").items():
        for secret in secrets:
            assert secret.encode() not in content, (name, secret)
    for folder in (shell.home, pushed):
        for file in folder.rglob("*"):
            assert not file.is_file() or TOKEN.encode() not in file.read_bytes()
    for _, out, err in (cut, done, again, shown, tested):
        assert TOKEN not in out + err


def test_a_commit_whose_answer_is_lost_is_not_made_twice(
    hub: Hub,  # noqa: F811
    shell: Shell,  # noqa: F811
    pushed: Path,
) -> None:
    hub.cut_commits = 1
    command = ["push", pushed, "me/run", "--base", "tiny", "--private", "--revision", "v1"]
    lost, again = several(shell, command, command)
    assert (lost[0], "repeat the command" in lost[2]) == (2, True), lost
    assert (again[0], "nothing new" in again[1]) == (0, True), again
    assert hub.repos["me/run"].private
    assert set(hub.files("me/run")) == {".gitattributes"}
    assert "recipe.json" in hub.files("me/run", "v1")


def test_what_cannot_be_uploaded_is_said_and_changes_nothing(
    hub: Hub,  # noqa: F811
    shell: Shell,  # noqa: F811
    pushed: Path,
    tmp_path: Path,
) -> None:
    hub.repos["me/public"] = Repo()
    found = several(
        shell,
        ["push", pushed, "me/run"],
        ["push", pushed, "run", "--base", "tiny"],
        ["push", pushed, "me/run@v1", "--base", "tiny"],
        ["push", tmp_path, "me/run"],
        ["push", pushed, "you/run", "--base", "tiny"],
        ["push", pushed, "me/public", "--base", "tiny", "--private"],
        ["push", pushed, "me/run", "--base", "tiny", "--dry-run"],
    )
    said = (
        "which others do not have. Name where they find the same weights with --base",
        "'hf:run' does not name a repository on the hub; expected hf:USER/NAME",
        "give the branch with --revision",
        "is not an adapter folder",
        "use a token that may write to it",
        "exists and is public, so --private would not hide the run",
    )
    for (status, _, err), words in zip(found, said, strict=False):
        assert (status, len(err.splitlines())) == (2, 1), err
        assert words in err
    assert found[-1][0] == 0
    assert "checkpoint.safetensors          to resume the training" in found[-1][1]
    assert hub.count("POST", "/commit/") == 0
    assert set(hub.repos) == {"me/public"}
    for token, words in (
        ("", "needs a token of the hub"),
        ("hf_wrong", "does not accept the token"),
    ):
        ((status, _, err),) = several(
            shell, ["push", pushed, "me/run", "--base", "tiny"], HF_TOKEN=token
        )
        assert (status, words in err, "hf_wrong" in err) == (2, True, False), err


def test_the_card_has_the_test_metrics_in_the_form_of_the_hub(pushed: Path) -> None:
    card = ModelCard(write_card(pushed, "me/run", base="someone/tiny", licence="mit"))
    metrics = unseal(json.loads((pushed / "metrics.json").read_text()))["test"]
    assert (card.data.license, card.data.base_model) == ("mit", "someone/tiny")
    assert card.data.pipeline_tag == "audio-classification"
    found = {one.metric_type: one for one in card.data.eval_results}
    assert set(found) == {"macro_f1", "accuracy", "uar"}
    for key, one in found.items():
        assert one.metric_value == metrics[key]
        assert one.dataset_split == "test"
        if metrics["intervals"][key] is not None:
            assert one.metric_args["interval"] == metrics["intervals"][key]
    assert "| data `audiofolder:tones` | unknown |" in card.text
    assert "Recordings: 6 train, 6 valid, 6 test." in card.text
    shapes = json.loads((pushed / "recipe.json").read_text())["tensors"]
    sizes = {key: a * (b[0] if b else 1) for key, (a, *b) in shapes.items()}
    head = sum(size for key, size in sizes.items() if key.startswith("head/"))
    assert f"{sum(sizes.values()):,} with the head, {sum(sizes.values()) - head:,}" in card.text


def test_an_ensemble_keeps_its_checks_when_it_is_given_away(
    pushed: Path, run: Path, backbone: str, tmp_path: Path
) -> None:
    made = make_ensemble([pushed, run], tmp_path / "both", vote="soft", device="cpu")
    for place in ("one", "two"):
        write_shared(made.path, tmp_path / place, "someone/tiny")
    from ossicle.training.trained import Trained

    opened = Trained.open(tmp_path / "one", backbone=backbone, device="cpu")
    assert len(opened.members) == 2
    files = [file for file in (tmp_path / "one").rglob("*") if file.is_file()]
    assert len(files) == 2 * 5 + 1
    for file in files:
        assert (
            file.read_bytes()
            == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes()
        )
        assert str(pushed.parent).encode() not in file.read_bytes()
    text = write_card(made.path, "me/both", base="someone/tiny")
    assert "An ensemble of 2 adapters with the vote `soft`" in text
    assert yaml.safe_load(text.split("---\n")[1])["base_model"] == "someone/tiny"
