"""Read a GGUF file: its metadata, and its tensors as views of the mapped file, dequantised a few rows at a time.

Written out because the `gguf` package's own reader needs 7 s for a large vocabulary; dequantisation is that package's.
The caller has checked the file's hash. Format: docs/gguf.md of ggml-org/ggml, version 3.
"""

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

ROWS_AT_ONCE: Final = 1024
ALIGNMENT: Final = 32
SCALARS: Final = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
STRING, ARRAY = 8, 9


@dataclass(frozen=True)
class Tensor:
    """One tensor: `data` holds a row of quantised bytes for each row of `shape` (a vector is one row)."""

    name: str
    shape: tuple[int, ...]
    quantization: Any
    data: npt.NDArray[np.uint8]

    def rows(self, order: npt.NDArray[np.intp] | None = None) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the values, up to ROWS_AT_ONCE rows at a time; `order` rearranges the rows."""
        from gguf.quants import dequantize

        data = self.data if order is None else self.data[order]
        for start in range(0, len(data), ROWS_AT_ONCE):
            values = dequantize(data[start : start + ROWS_AT_ONCE], self.quantization)
            yield np.ascontiguousarray(values, dtype=np.float32)


@dataclass(frozen=True)
class Gguf:
    """A file's metadata and tensors by name."""

    metadata: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def architecture(self) -> str:
        """The architecture, such as `llama`."""
        return str(self.metadata["general.architecture"])

    def __getitem__(self, key: str) -> Any:
        """The value under the architecture's own prefix, such as `block_count`."""
        return self.metadata[f"{self.architecture}.{key}"]


def read_gguf(path: Path) -> Gguf:
    """Read the header and map the tensors. ValueError if it is no GGUF file of version 3."""
    with path.open("rb") as handle:
        mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
    cursor = _Cursor(mapped)
    if cursor.take("4sI") != (b"GGUF", 3):
        raise ValueError(f"{path.name} is not a GGUF file of version 3")
    tensors, keys = cursor.take("QQ")
    metadata = {cursor.string(): cursor.value(*cursor.take("I")) for _ in range(keys)}
    headers = [_header(cursor) for _ in range(tensors)]
    data = np.frombuffer(mapped, np.uint8)[math.ceil(cursor.at / ALIGNMENT) * ALIGNMENT :]
    return Gguf(metadata, {name: _tensor(data, name, shape, kind, at) for name, shape, kind, at in headers})


class _Cursor:
    """Reads little-endian values one after the other."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 0

    def take(self, codes: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{codes}", self.data, self.at)
        self.at += struct.calcsize(f"<{codes}")
        return values

    def string(self) -> str:
        (length,) = self.take("Q")
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            kind, length = self.take("IQ")
            return [self.value(kind) for _ in range(length)]
        return self.take(SCALARS[kind])[0]


def _header(cursor: _Cursor) -> tuple[str, tuple[int, ...], int, int]:
    name = cursor.string()
    (dimensions,) = cursor.take("I")
    shape = cursor.take("Q" * dimensions)[::-1]
    kind, offset = cursor.take("IQ")
    return name, shape, kind, offset


def _tensor(data: npt.NDArray[np.uint8], name: str, shape: tuple[int, ...], kind: int, offset: int) -> Tensor:
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    quantization = GGMLQuantizationType(kind)
    block, block_bytes = GGML_QUANT_SIZES[quantization]
    rows, row_bytes = math.prod(shape[:-1]), shape[-1] // block * block_bytes
    return Tensor(name, shape, quantization, data[offset : offset + rows * row_bytes].reshape(rows, row_bytes))
