"""What the machine computes fast in."""

from functools import cache


@cache
def bfloat16_is_native() -> bool:
    """Whether bfloat16 arithmetic is the machine's own: on a GPU of 2020 or later, and where a CPU has AVX-512 or AMX.

    An older CPU emulates it, two to five times slower than float32 (`python tests/benchmarks/bench_precision.py`).
    """
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def weights_type(wanted: str) -> str:
    """Return the type of weights an engine is to use: as wanted, or for `auto` what the machine is fast in."""
    if wanted != "auto":
        return wanted
    return "bfloat16" if bfloat16_is_native() else "float32"


def training_precision(wanted: str) -> str:
    """Return the precision of a training: as wanted, or for `auto` bfloat16 arithmetic where the machine has it."""
    if wanted != "auto":
        return wanted
    return "autocast" if bfloat16_is_native() else "float32"
