"""Checksums of whole files, which detect damage anywhere in them.

    JSON           the entry `blake2b` is a hash of the values of all other entries, in any order
    safetensors    the entry `blake2b` in the metadata of the header is a hash of all bytes of the
                   file, computed with zeros in place of the hash

This is a checksum, not a signature: anyone who changes a file on purpose can recompute it.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ossicle import strict_json

DIGEST: Final = "blake2b"
MISMATCH: Final = "its content does not match its hash"
MAX_HEADER: Final = 100_000_000  # bytes, as in safetensors
_METADATA: Final = "__metadata__"
_BLANK: Final = "0" * 32
_CHUNK: Final = 1 << 20


def seal(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain data as JSON represents them, with an entry for their hash."""
    plain = json.loads(strict_json.dumps(dict(data)))
    return {**plain, DIGEST: _hash_of(plain)}


def unseal(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data without their hash, after comparing the two.

    Raises:
        ValueError: the content does not match the hash, or the hash is missing.
    """
    plain = {key: value for key, value in data.items() if key != DIGEST}
    if data.get(DIGEST) != _hash_of(plain):
        raise ValueError(MISMATCH)
    return plain


def _hash_of(plain: Mapping[str, Any]) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def seal_tensors(content: bytes, metadata: Mapping[str, str]) -> tuple[bytes, memoryview]:
    """Return a safetensors file in two parts, with metadata and a hash in its header.

    Args:
        content: The file as safetensors writes it, without metadata.
        metadata: Entries to add to the header.
    """
    end = 8 + int.from_bytes(content[:8], "little")
    tensors = json.loads(content[8:end])
    data = memoryview(content)[end:]
    hashed = _new_hash(_header(tensors, metadata, _BLANK))
    hashed.update(data)
    return _header(tensors, metadata, hashed.hexdigest()), data


def check_tensors(file: Path) -> dict[str, str]:
    """Return the metadata of a file of `seal_tensors`, after verifying its hash.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or not a safetensors file with a hash.
    """
    with _open(file) as opened:
        size, header, metadata = _read_header(opened)
        digest = metadata.get(DIGEST, "")
        blank = header.replace(_field(digest), _field(_BLANK), 1)
        hashed = _new_hash(size + blank)
        while chunk := opened.read(_CHUNK):
            hashed.update(chunk)
    if digest != hashed.hexdigest():
        raise ValueError(MISMATCH)
    return metadata


def read_metadata(file: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file, without reading or verifying the rest.

    Raises:
        OSError: it cannot be read.
        ValueError: its header is not that of a safetensors file.
    """
    with _open(file) as opened:
        return _read_header(opened)[2]


def _open(file: Path) -> Any:
    if file.exists() and not file.is_file():  # a pipe would block
        raise OSError("it is not a regular file")
    return file.open("rb")


def _read_header(opened: Any) -> tuple[bytes, bytes, dict[str, str]]:
    """Return the eight bytes of the header's size, the header, and its metadata."""
    size = opened.read(8)
    length = int.from_bytes(size, "little")
    if len(size) < 8 or length > MAX_HEADER:
        raise ValueError("its header is damaged")
    header = opened.read(length)
    if len(header) < length:
        raise ValueError("it is cut short")
    facts = strict_json.loads(header.decode())
    metadata = facts.get(_METADATA, {}) if isinstance(facts, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("its header is damaged")
    return size, header, metadata


def _header(tensors: Mapping[str, Any], metadata: Mapping[str, str], digest: str) -> bytes:
    """Return the header after its size, padded to eight bytes as safetensors does."""
    facts = {_METADATA: {DIGEST: digest, **metadata}, **tensors}
    text = json.dumps(facts, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _field(digest: str) -> bytes:
    return f'"{DIGEST}":"{digest}"'.encode()


def _new_hash(start: bytes) -> "hashlib.blake2b":
    return hashlib.blake2b(start, digest_size=16)
