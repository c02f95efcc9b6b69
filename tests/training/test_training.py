"""A real, tiny training: the loss is finite, parameters move, the labels are right, and SIGKILL loses nothing."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.training.examples import CHATML, problems, sft_row, write_run
from training import distill
from training.exports import read_sft
from training.preflight import IGNORED, render
from training.settings import Sft
from training.trainer import build_trainer, last_whole_checkpoint, load_student

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROWS = 16
MARK = 123.0
SCRIPT = Path(distill.__file__)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers with a byte-level tokenizer and ChatML."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    start, end = special = ["<|im_start|>", "<|im_end|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*special, *alphabet])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=end, pad_token=end)
    tokenizer.add_special_tokens({"additional_special_tokens": [start]})
    tokenizer.chat_template = CHATML
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=1024,
        eos_token_id=1,
        pad_token_id=1,
        bos_token_id=0,
    )
    folder = tmp_path_factory.mktemp("student")
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def config(tmp_path: Path, student: Path) -> Path:
    made = problems(ROWS + 2)
    run = write_run(
        tmp_path / "demo",
        sft_train=[sft_row(p) for p in made[:ROWS]],
        sft_validation=[sft_row(p) for p in made[ROWS:]],
    )
    path = tmp_path / "student.yaml"
    path.write_text(
        f"student: {student}\ndata: [{run}]\noutput: {tmp_path / 'out'}\n"
        "sft: {batch_size: 4, epochs: 2, learning_rate: 0.01, checkpoint_steps: 1}\n"
    )
    return path


def weights(folder: Path) -> dict[str, Any]:
    from transformers import AutoModelForCausalLM

    return dict(AutoModelForCausalLM.from_pretrained(folder).state_dict())


def test_two_steps_train_what_they_should(config: Path, student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert distill.main(["--config", str(config), "--set", "sft.max_steps=2"]) == 0
    shown = capsys.readouterr().out
    assert "16 traces" in shown
    assert "2 steps" in shown
    assert "Next: python training/evaluate.py" in shown
    output = config.parent / "out"
    card = json.loads((output / "gradatim.json").read_text())
    assert card["metrics"]["steps"] == 2
    assert all(math.isfinite(card["metrics"][name]) for name in ("first_loss", "last_loss", "validation_loss"))
    assert card["data"] == [{"run": "demo", "hash": "hash of demo"}]
    assert set(card["packages"]) >= {"trl", "torch"}
    assert len(json.loads((output / "trained_on.json").read_text())["problem_ids"]) == ROWS
    before, after = weights(student), weights(output)
    assert before.keys() == after.keys()
    assert [name for name in before if (before[name] == after[name]).all()] == []
    assert not list(output.glob("*.bin"))
    assert not (output / "checkpoints").exists()


def test_the_trainer_masks_the_prompt_and_learns_the_end_of_turn(config: Path, tmp_path: Path, student: Path) -> None:
    rows = read_sft([tmp_path / "demo"]).train
    model, tokenizer, stops = load_student(student, "float32")
    trainer = build_trainer(
        model, tokenizer, rows, [], settings=Sft(batch_size=4), max_length=1024, folder=tmp_path / "c", seed=0
    )
    batch = next(iter(trainer.get_train_dataloader()))
    assert len(stops) == 1
    for tokens, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
        prompt = tokenizer.decode([t for t, label in zip(tokens, labels, strict=True) if label == IGNORED])
        learned = tokenizer.decode([label for label in labels if label != IGNORED])
        assert "<|im_start|>assistant\n" in prompt
        assert "\\boxed{}" in prompt  # of the instructions
        assert learned.startswith("<think>\nTry 1")
        assert learned.endswith("}<|im_end|>\n")
    assert [r["input_ids"] for r in trainer.train_dataset] == [render(tokenizer, row).tokens for row in rows]


def test_a_killed_training_goes_on_and_ends_with_the_same_student(config: Path) -> None:
    """The resumed student equals the uninterrupted one to the last bit: same rows in the same order, none twice."""
    output = config.parent / "out"
    command = [sys.executable, str(SCRIPT), "--config", str(config)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    assert "Going on" not in finish([*command, "--set", f"output={config.parent / 'whole'}"], environment)

    killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint = wait_for_checkpoint(output / "checkpoints", killed)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (output / "gradatim.json").exists()
    latest = last_whole_checkpoint(output / "checkpoints")
    assert latest is not None
    torn = output / "checkpoints" / "checkpoint-99"
    torn.mkdir()
    (torn / "trainer_state.json").write_text('{"global_step": 9')

    mark(latest / "trainer_state.json")
    assert f"Going on from {latest}" in finish(command, environment)
    card = json.loads((output / "gradatim.json").read_text())
    assert card["metrics"]["first_loss"] == MARK, "the checkpoint's state was not taken up"
    assert int(latest.name.split("-")[1]) >= checkpoint
    expected, found = weights(config.parent / "whole"), weights(output)
    assert [name for name in expected if not (expected[name] == found[name]).all()] == []

    assert finish(command, environment).startswith("Nothing to do")


def mark(state: Path) -> None:
    """Change the first loss that a checkpoint remembers."""
    content = json.loads(state.read_text())
    content["log_history"][0]["loss"] = MARK
    state.write_text(json.dumps(content))


def finish(command: list[str], environment: dict[str, str]) -> str:
    """Run a training to its end; returns what it said."""
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[bytes]) -> int:
    """Wait until the training has a whole checkpoint; returns its step."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        found = last_whole_checkpoint(folder)
        if found:
            return int(found.name.split("-")[1])
        assert process.poll() is None, "the training ended before it had a checkpoint"
        time.sleep(0.01)
    raise AssertionError("no checkpoint in time")
