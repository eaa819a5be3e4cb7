import subprocess
import sys
from pathlib import Path

import pytest

import ossicle

API = Path(__file__).parents[2] / "docs" / "reference" / "api.md"
MOST = 12


def test_all_is_exactly_what_is_public():
    script = "import ossicle; print(*(n for n in dir(ossicle) if not n.startswith('_')))"
    # names that the module itself uses
    own = {"TYPE_CHECKING", "Final", "lazy"}
    assert set(_run(script).split()) - own == set(ossicle.__all__)
    assert len(ossicle.__all__) <= MOST


@pytest.mark.parametrize("name", ossicle.__all__)
def test_a_public_name_resolves_to_its_object(name):
    assert getattr(ossicle, name).__name__ == name


def test_importing_ossicle_imports_no_framework():
    script = "import sys, ossicle; print(*({'torch', 'transformers', 'numpy'} & {*sys.modules}))"
    assert _run(script).split() == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ossicle' has no attribute 'merge'"):
        ossicle.merge  # noqa: B018


@pytest.mark.parametrize("name", ossicle.__all__)
def test_a_public_name_is_in_the_reference(name):
    text = API.read_text(encoding="utf-8")
    assert any(f"::: {module}.{name}\n" in text for module in _modules(name))


def _modules(name):
    return ("ossicle", getattr(ossicle, name).__module__)


def _run(script):
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout
