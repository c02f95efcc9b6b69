"""float32 against bfloat16 on this machine: a layer of the teacher's as an engine asks it, and a training step.

    python tests/benchmarks/bench_precision.py

The layer is the largest of a 1.5B model's, decoding and in prefill. The step is forward and backward of a
student of 135M (its shape, random weights) on two rows of 128 tokens. What `dtype: auto` and `precision: auto` choose
here is printed last.
"""

import time
from collections.abc import Callable
from typing import Final

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from pipeline.hardware import training_precision, weights_type

SECONDS: Final = 2.0
LAYER: Final = (8960, 1536)
BATCHES: Final = (64, 512)
TYPES: Final = (torch.float32, torch.bfloat16)
STUDENT: Final = LlamaConfig(
    vocab_size=49_152,
    hidden_size=576,
    intermediate_size=1536,
    num_hidden_layers=30,
    num_attention_heads=9,
    num_key_value_heads=3,
    tie_word_embeddings=True,
)


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


def step(*, autocast: bool) -> float:
    torch.manual_seed(0)
    model = LlamaForCausalLM(STUDENT)
    tokens = torch.randint(0, STUDENT.vocab_size, (2, 128))

    def work() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        model.zero_grad()

    return seconds(work)


def main() -> None:
    for rows in BATCHES:
        single, half = (layer(rows, kind) for kind in TYPES)
        print(f"layer, {rows:3} rows   float32 {single:.3f} s  bfloat16 {half:.3f} s  float32 is {half / single:.2f}x")
    single, half = step(autocast=False), step(autocast=True)
    print(f"training step     float32 {single:.3f} s  autocast {half:.3f} s  float32 is {half / single:.2f}x")
    print(f"auto is {weights_type('auto')} for an engine, {training_precision('auto')} for a training")


if __name__ == "__main__":
    main()
