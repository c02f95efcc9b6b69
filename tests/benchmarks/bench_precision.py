"""float32 against bfloat16 on this machine: the largest layer of a 1.5B model, decoding and in prefill (or training).

    python tests/benchmarks/bench_precision.py

What `dtype: auto` and `precision: auto` choose here is printed last.
"""

import time
from collections.abc import Callable
from typing import Final

import torch

from pipeline.hardware import training_precision, weights_type

SECONDS: Final = 2.0
LAYER: Final = (8960, 1536)
BATCHES: Final = (64, 512)
TYPES: Final = (torch.float32, torch.bfloat16)


def seconds(work: Callable[[], object]) -> float:
    """Return the mean seconds of a call, after one that does not count."""
    work()
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        work()
        calls += 1
    return (time.perf_counter() - began) / calls


def layer(rows: int, kind: torch.dtype) -> float:
    weight, given = torch.randn(*LAYER).to(kind), torch.randn(rows, LAYER[1]).to(kind)
    with torch.inference_mode():
        return seconds(lambda: torch.nn.functional.linear(given, weight))


def main() -> None:
    for rows in BATCHES:
        single, half = (layer(rows, kind) for kind in TYPES)
        print(f"layer, {rows:3} rows   float32 {single:.3f} s  bfloat16 {half:.3f} s  float32 is {half / single:.2f}x")
    print(f"auto is {weights_type('auto')} for an engine, {training_precision('auto')} for a training")


if __name__ == "__main__":
    main()
