"""The file of tensors of an adapter: what is written is what is read."""

import gc
import json
import tracemalloc
from pathlib import Path

import pytest
import torch

from ossicle.adapters.saving import read_tensors, serialise_with_digest
from ossicle.checksums import seal_tensors
from ossicle.errors import AdapterFileError
from ossicle.files import replace_file


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int64])
def test_tensors_of_any_type_keep_their_bits_and_their_header(tmp_path, dtype):
    tensors = {"a": torch.arange(6).reshape(2, 3).to(dtype), "b": torch.tensor(3, dtype=dtype)}
    (tmp_path / "t").write_bytes(b"".join(serialise_with_digest(tensors, epoch="3")))
    found, header = read_tensors(tmp_path / "t")
    assert header["epoch"] == "3"
    assert all(
        torch.equal(found[key], value) and found[key].dtype == dtype
        for key, value in tensors.items()
    )


@pytest.mark.thorough
def test_reading_tensors_again_and_again_keeps_no_memory(tmp_path: Path) -> None:
    file = tmp_path / "tensors.safetensors"
    written = {str(number): torch.randn(300 + number, 2) for number in range(10)}
    replace_file(file, *serialise_with_digest(written))

    def grown(times: int) -> int:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(times):
            read_tensors(file)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    try:
        grown(20)
        assert grown(200) < 20_000  # bytes; two integers for each tensor would be 112,000
    finally:
        tracemalloc.stop()


@pytest.mark.thorough
def test_tensors_of_an_unknown_dtype_are_an_error_with_a_sentence(tmp_path: Path) -> None:
    header = {"a": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    file = tmp_path / "tensors.safetensors"
    replace_file(file, *seal_tensors(len(text).to_bytes(8, "little") + text + bytes(4), {}))
    with pytest.raises(AdapterFileError, match="tensors of the dtype 'F4'"):
        read_tensors(file)
