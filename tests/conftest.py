"""Closed sockets, a fixed seed, tensor shapes checked at run time, and tiny backbones."""

import atexit
import copy
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxtyping import install_import_hook

# Set before torch is imported, here and in child processes: results depend on it bit by bit, tiny
# models are not faster with more threads, and there is a worker for each core.
os.environ["OMP_NUM_THREADS"] = "1"
# Tests do not write to the user's cache; each worker has its own.
os.environ["OSSICLE_CACHE"] = tempfile.mkdtemp(prefix="ossicle-tests-")
atexit.register(shutil.rmtree, os.environ["OSSICLE_CACHE"], ignore_errors=True)
# Set before ossicle is imported, so that annotations such as Float[Tensor, "B T D"] are checked.
CHECKED = ["methods", "heads", "adapters", "frozen", "inference", "backbones", "tasks", "continual"]
install_import_hook([f"ossicle.{folder}" for folder in CHECKED], "shapecheck.shapecheck")

import numpy as np
import pytest
import pytest_socket
import torch
import transformers.modeling_utils  # noqa: F401 - below, the hook bypasses its bytecode
from hypothesis import settings
from numpy.typing import NDArray

import shapecheck  # noqa: F401 - the same of beartype
from kinds import KINDS, tiny_backbone
from ossicle.backbones import Backbone
from tones import write_backbone, write_corpus

settings.register_profile("ossicle", deadline=None)  # slow examples are not failures
settings.load_profile("ossicle")


def pytest_runtest_setup(item: pytest.Item) -> None:
    torch.manual_seed(0)
    if item.get_closest_marker("network"):
        pytest_socket.enable_socket()
    elif item.get_closest_marker("browser") or item.get_closest_marker("loopback"):
        pytest_socket.enable_socket()
        pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
    else:
        pytest_socket.disable_socket(allow_unix_socket=True)


@pytest.fixture(params=KINDS, scope="session")
def kind(request: pytest.FixtureRequest) -> str:
    """Name of a tiny backbone of each family, for some in post-norm and pre-norm form."""
    return request.param


@pytest.fixture(scope="session")
def build() -> Callable[..., Backbone]:
    """Function that returns a new tiny backbone of a kind, with changed settings."""
    made: dict[str, Backbone] = {}

    def built(kind: str, *, seed: int = 0, stochastic: bool = False, **changed: Any) -> Backbone:
        key = f"{kind} {seed} {stochastic} {changed}"
        if key not in made:
            made[key] = tiny_backbone(kind, seed=seed, stochastic=stochastic, **changed)
        return copy.deepcopy(made[key])  # takes a third of the time of building one

    return built


@pytest.fixture(scope="session")
def noise() -> Callable[..., list[NDArray[np.float32]]]:
    """Function from numbers of samples to waves of noise."""

    def made(*num_samples: int, seed: int = 0) -> list[NDArray[np.float32]]:
        rng = np.random.default_rng(seed)
        return [rng.normal(0, 0.1, size).astype(np.float32) for size in num_samples]

    return made


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a tiny backbone on disk."""
    return write_backbone(tmp_path_factory.mktemp("backbone"))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of two labels with a speaker a side, as an audiofolder."""
    root = tmp_path_factory.mktemp("data") / "tones"
    write_corpus(root)
    return root
