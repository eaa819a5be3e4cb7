"""A hash of the code that decides results, so that trials are computed again after a change of it.

Of each module counts its syntax tree, without docstrings: comments, formatting and documentation
may change. Messages and help texts of options do count; telling them apart would not be safe.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

import ossicle

ROOMS: Final = (
    "anatomy",
    "methods",
    "backbones",
    "heads",
    "metrics",
    "data",
    "recipes",
    "adapters",
    "frozen",
    "compute",
    "tasks",
    "inference",
    "continual",
    "pruning",
    "training",
)
MODULES: Final = ("settings.py",)
PACKAGES: Final = ("torch", "transformers", "numpy", "scikit-learn")  # the last draws folds
_ROOT: Final = Path(ossicle.__file__).parent


@cache
def code_version(*others: Path) -> str:
    """Return a hash of the code of all `ROOMS` and `MODULES` and of the versions of `PACKAGES`.

    Args:
        others: Further modules that count.
    """
    files = [file for room in ROOMS for file in sorted((_ROOT / room).rglob("*.py"))]
    files += [_ROOT / name for name in MODULES]
    hashed = hashlib.blake2b(digest_size=16)
    for package in PACKAGES:
        hashed.update(f"{package} {metadata.version(package)}\n".encode())
    for file in (*files, *others):
        source = file.read_text(encoding="utf-8")
        hashed.update(f"{file.relative_to(_ROOT).as_posix()}\0{meaning(source)}\0".encode())
    return hashed.hexdigest()


def search_files() -> list[Path]:
    """Return the modules of `ossicle.search`, on which only trials that search depend."""
    return sorted((_ROOT / "search").rglob("*.py"))


def meaning(source: str) -> str:
    """Return the syntax tree of a module as text, without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = list(_without_docstring(node.body))
    return ast.dump(tree)


def _without_docstring(body: list[ast.stmt]) -> Iterable[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
    return body
