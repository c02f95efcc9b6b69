"""Models run in what the machine computes fast in, unless the configuration says otherwise."""

import pytest

from pipeline import hardware
from pipeline.config import VllmEngine
from pipeline.hardware import training_precision, weights_type
from pipeline.teacher_vllm import engine_arguments


@pytest.mark.parametrize(
    ("native", "weights", "precision"), [(True, "bfloat16", "autocast"), (False, *2 * ["float32"])]
)
def test_auto_is_what_the_machine_is_fast_in(
    native: bool, weights: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "bfloat16_is_native", lambda: native)
    assert (weights_type("auto"), training_precision("auto")) == (weights, precision)
    assert engine_arguments("made", VllmEngine())["dtype"] == weights
    assert engine_arguments("made", VllmEngine(dtype="float16"))["dtype"] == "float16"
    assert (weights_type("bfloat16"), training_precision("autocast")) == ("bfloat16", "autocast")
