"""A real, tiny training: the loss is finite, parameters move, the labels are right, and SIGKILL loses nothing."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_torch_file
from transformers import modeling_utils

from pipeline.hardware import training_precision
from tests.training.examples import problems, sft_row, write_run
from tests.training.students import save_student, template
from tests.training.tiny import moved
from training import distill
from training.exports import SftRow, read_sft
from training.loss_mask import IGNORED, labels_of
from training.packing import check_packing
from training.settings import Lora, Sft
from training.templates_check import PreflightError, Rendered, render
from training.trainer import build_trainer, last_whole_checkpoint, load_model, load_tokenizer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROWS = 16
LAYERS = 2
MARK = 123.0
SCRIPT = Path(distill.__file__)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers with a byte-level tokenizer and SmolLM2's chat template."""
    return save_student(tmp_path_factory.mktemp("student"), template("smollm2"))


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
    computed = {"autocast": "float32 weights, bfloat16 arithmetic", "float32": "float32"}[training_precision("auto")]
    assert card["arithmetic"] == computed
    assert len(json.loads((output / "trained_on.json").read_text())["problem_ids"]) == ROWS
    before, after = weights(student), weights(output)
    assert before.keys() == after.keys()
    assert [name for name in before if (before[name] == after[name]).all()] == []
    assert not list(output.glob("*.bin"))
    assert not (output / "checkpoints").exists()

    page = (output / "README.md").read_text()
    assert "hash of demo" in page
    assert "2 steps" in page


def test_a_collator_that_unmasks_the_prompt_stops_the_training(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    collate = DataCollatorForLanguageModeling.torch_call

    def unmasking(self: Any, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = collate(self, examples)
        return {**batch, "labels": batch["input_ids"]}

    monkeypatch.setattr(DataCollatorForLanguageModeling, "torch_call", unmasking)
    assert distill.main(["--config", str(config)]) == 1
    assert "the trainer's collator changes what is learned" in capsys.readouterr().err


@pytest.mark.parametrize("merge", [True, False])
def test_two_steps_with_low_rank_adapters(config: Path, student: Path, merge: bool) -> None:
    changes = ["sft.max_steps=2", f"sft.lora={{r: 4, merge: {str(merge).lower()}}}", "sft.mixture={keep: 2}"]
    assert distill.main(["--config", str(config), "--set", *changes]) == 0
    output = config.parent / "out"
    card = json.loads((output / "gradatim.json").read_text())
    assert card["rows"]["train"] == 2 * ROWS
    assert all(math.isfinite(card["metrics"][name]) for name in ("first_loss", "last_loss", "validation_loss"))
    adapter = output / "adapter" if merge else output
    assert (adapter / "adapter_model.safetensors").is_file()
    trained = load_file(adapter / "adapter_model.safetensors")
    outputs = {name for name in trained if "lora_B" in name}  # zero before the first step
    assert outputs
    assert {name for name in outputs if trained[name].any()} == outputs
    assert (output / "model.safetensors").is_file() == merge
    assert "hash of demo" in (output / "README.md").read_text()
    assert not list(output.rglob("*.bin"))
    if merge:
        before, after = weights(student), weights(output)
        changed = {name for name in before if not (before[name] == after[name]).all()}
        assert changed == {name for name in before if name.endswith("_proj.weight")}


def test_two_steps_with_gradient_checkpointing(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The activations are computed again, and the student is the same."""
    again: list[object] = []
    checkpoint = modeling_utils.checkpoint

    def watched(*given: Any, **named: Any) -> Any:
        again.append(given[0])
        return checkpoint(*given, **named)

    monkeypatch.setattr(modeling_utils, "checkpoint", watched)
    command = ["--config", str(config), "--set", "sft.max_steps=2", "sft.precision=float32"]
    assert distill.main([*command, f"output={config.parent / 'plain'}"]) == 0
    assert not again
    assert distill.main([*command, "sft.gradient_checkpointing=true"]) == 0
    assert len(again) >= 2 * LAYERS
    assert not moved(config.parent / "plain", config.parent / "out")


def test_two_steps_in_bfloat16(config: Path, student: Path) -> None:
    assert distill.main(["--config", str(config), "--set", "sft.max_steps=2", "sft.precision=bfloat16"]) == 0
    output = config.parent / "out"
    card = json.loads((output / "gradatim.json").read_text())
    assert all(math.isfinite(card["metrics"][name]) for name in ("first_loss", "last_loss", "validation_loss"))
    assert card["arithmetic"].startswith("bfloat16")
    saved = load_torch_file(output / "model.safetensors")
    assert {str(value.dtype) for value in saved.values()} == {"torch.bfloat16"}
    assert moved(student, output)


def tiny_trainer(student: Path, folder: Path, rows: list[SftRow], settings: Sft) -> tuple[Any, Any, list[Rendered]]:
    tokenizer, special = load_tokenizer(student)
    rendered = render(tokenizer, special.stops, rows)
    trainer = build_trainer(
        load_model(student, "float32"),
        tokenizer,
        rendered,
        [],
        settings=settings,
        max_length=1024,
        folder=folder,
        seed=0,
    )
    return trainer, tokenizer, rendered


@pytest.mark.parametrize("settings", [Sft(batch_size=4), Sft(batch_size=4, packing=True), Sft(lora=Lora())])
def test_a_batch_masks_the_prompt_and_learns_the_end_of_turn(
    config: Path, tmp_path: Path, student: Path, settings: Sft
) -> None:
    trainer, tokenizer, _ = tiny_trainer(student, tmp_path / "c", read_sft([tmp_path / "demo"]).train, settings)
    batch = next(iter(trainer.get_train_dataloader()))
    assert ("position_ids" in batch) == settings.packing
    for tokens, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
        prompt = tokenizer.decode([t for t, label in zip(tokens, labels, strict=True) if label == IGNORED])
        learned = tokenizer.decode([label for label in labels if label != IGNORED])
        assert "<|im_start|>assistant\n" in prompt
        assert "\\boxed{}" in prompt  # of the instructions
        assert "Try" not in prompt
        assert "<|im_start|>" not in learned
        assert learned.startswith("<think>\nTry 1")
        assert learned.endswith("}<|im_end|>\n")


def test_the_labels_are_those_of_trl(config: Path, tmp_path: Path, student: Path) -> None:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = read_sft([tmp_path / "demo"]).train
    tokenizer, special = load_tokenizer(student)
    plain = SFTTrainer(
        model=str(student),
        args=SFTConfig(str(tmp_path / "plain"), use_cpu=True, bf16=False, report_to="none"),
        train_dataset=Dataset.from_list([sft_row(p) for p in problems(ROWS)]).select_columns(["prompt", "completion"]),
    )
    ours = [(row.tokens, labels_of(row)) for row in render(tokenizer, special.stops, rows)]
    assert [(row["input_ids"], row["labels"]) for row in plain.train_dataset] == ours


def test_packing_is_tried_out_on_the_student(config: Path, tmp_path: Path, student: Path) -> None:
    """Rows do not see each other here; with a mask that lets them, the training is refused."""
    tokenizer, special = load_tokenizer(student)
    rows = render(tokenizer, special.stops, read_sft([tmp_path / "demo"]).train)
    model = load_model(student, "float32")
    assert check_packing(model, rows, autocast=False) < 1e-4
    assert check_packing(model, rows, autocast=True) < 0.02
    forward = model.forward

    def mixing(**given: Any) -> Any:
        return forward(given["input_ids"], use_cache=False)

    model.forward = mixing
    with pytest.raises(PreflightError, match=r"packed behind another row its logits change by .* mixes packed rows"):
        check_packing(model, rows, autocast=False)


def test_two_steps_on_packs(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert distill.main(["--config", str(config), "--set", "sft.packing=true", "sft.max_length=1024"]) == 0
    card = json.loads((config.parent / "out" / "gradatim.json").read_text())
    assert math.isfinite(card["metrics"]["last_loss"])
    assert card["metrics"]["last_loss"] < card["metrics"]["first_loss"]
    packs = re.search(r"16 traces in (\d+) packs", capsys.readouterr().out)
    assert packs is not None
    assert ROWS // 4 < int(packs[1]) < ROWS


def test_two_processes_train_one_student(config: Path) -> None:
    """As `accelerate launch` does: each process holds half of every batch, the first alone locks and writes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    shown = finish([*command, str(SCRIPT), "--config", str(config), "--set", "sft.max_steps=2"], environment)
    assert shown.count("Next: python") == 1
    output = config.parent / "out"
    assert json.loads((output / "gradatim.json").read_text())["metrics"]["steps"] == 2
    assert not (output / "checkpoints").exists()


@pytest.mark.parametrize("change", ["sft.lora=null", "sft.lora={r: 4, dropout: 0.1}"], ids=["full", "lora"])
def test_a_killed_training_goes_on_and_ends_with_the_same_student(config: Path, change: str) -> None:
    """The resumed student equals the uninterrupted one to the last bit: same rows in the same order, none twice."""
    output = config.parent / "out"
    command = [sys.executable, str(SCRIPT), "--config", str(config), "--set", change]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    assert "Going on" not in finish([*command, f"output={config.parent / 'whole'}"], environment)

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
    """Run a training to its end; returns what it said. None of its processes outlives a failure."""
    started = subprocess.Popen(
        command, env=environment, text=True, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        shown, errors = started.communicate(timeout=240)
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
    assert started.returncode == 0, errors
    return shown


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
