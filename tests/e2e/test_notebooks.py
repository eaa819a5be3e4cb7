"""The notebooks in examples/ run, show what they promise, and are stored without outputs."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
Run = Callable[[str], NotebookNode]
PLOT = "application/vnd.plotly.v1+json"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a notebook in the folder of the test, with this Python and no settings of the user."""
    from nbclient import NotebookClient

    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": command, "display_name": "", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    def executed(name: str) -> NotebookNode:
        notebook = nbformat.read(ROOT / "examples" / name, as_version=4)
        place = {"metadata": {"path": str(tmp_path)}}
        return NotebookClient(notebook, timeout=300, resources=place).execute()

    return executed


def shown(notebook: NotebookNode, cell: str, kind: str) -> str:
    """Return what a cell has shown: `stdout`, or data of a MIME type."""
    (outputs,) = (one.outputs for one in notebook.cells if one.id == cell)
    texts = [one.text for one in outputs if one.get("name") == kind]
    return "".join(texts + [str(one.data[kind]) for one in outputs if kind in one.get("data", {})])


def heat_map(notebook: NotebookNode, cell: str) -> NotebookNode:
    """Return the trace of the plot of a confusion matrix."""
    (outputs,) = (one.outputs for one in notebook.cells if one.id == cell)
    (plot,) = (one.data[PLOT] for one in outputs if PLOT in one.get("data", {}))
    (trace,) = plot["data"]
    assert trace["type"] == "heatmap"
    return trace


@pytest.mark.thorough
@pytest.mark.loopback
@pytest.mark.slow
def test_the_first_notebook_goes_from_a_folder_to_mistakes_and_a_prediction(
    run: Run, tmp_path: Path
) -> None:
    made = run("first_classifier.ipynb")
    classes = sorted(one.name for one in (tmp_path / "recordings").iterdir() if one.is_dir())
    assert len(classes) == 8
    assert "audio/ogg" in shown(made, "open-folder", "text/html")
    assert shown(made, "train", "stdout").count("accuracy") == 3
    assert "<progress value=48 max=48></progress> test" in shown(made, "train", "text/html")
    assert "95 % interval" in shown(made, "show-result", "text/html")
    trace = heat_map(made, "show-confusions")
    assert trace["x"] == classes
    assert sum(map(sum, trace["text"])) == 48
    assert "audio/ogg" in shown(made, "predict", "text/html")
    file, *answers = shown(made, "predict", "stdout").splitlines()
    assert len(answers) == 3
    assert file.rpartition(": ")[2] == answers[0].split()[-1]


@pytest.mark.exhaustive
@pytest.mark.thorough
@pytest.mark.loopback
@pytest.mark.slow
def test_the_second_notebook_compares_methods_and_shows_the_report(
    run: Run, tmp_path: Path
) -> None:
    made = run("compare_methods.ipynb")
    assert "12 of 12 runs" in shown(made, "run-study", "text/html")
    report = json.loads((tmp_path / "studies/methods/report.json").read_text(encoding="utf-8"))
    table = shown(made, "show-study", "text/html")
    assert all(sentence in table for sentence in report["verdict"])
    assert "p over repeats" in table
    seeds = shown(made, "show-seeds", "stdout").splitlines()
    assert [line.partition(":")[0] for line in seeds] == [f"seed {n}" for n in range(6)]
    trace = heat_map(made, "show-plots")
    assert trace["x"] == ["asking", "calm", "excited", "tired"]
    assert sum(map(sum, trace["text"])) == 6 * 128
    assert "ossicle study methods" in shown(made, "show-command", "stdout")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_valid_stored_without_outputs_and_named_in_the_documentation(
    path: Path,
) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.metadata == {}
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    page = (ROOT / "docs/tutorials/notebooks.md").read_text(encoding="utf-8")
    assert f"examples/{path.name}" in page
