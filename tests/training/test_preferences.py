"""preferences.py: two real steps of DPO, a training gone on with, and the mistakes; TPO: test_tpo.py."""

import json
import math
import shutil
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from pipeline.config_files import parse_model
from pipeline.errors import GradatimError
from tests.training.examples import write_run
from tests.training.tiny import keep_gradient, moved, tiny_student
from training import dpo, outputs, preferences
from training.exports import open_export
from training.foreign_rows import ExportError
from training.pairs import read_pairs, render_pairs, within_ratio
from training.preference_settings import Judge, PreferenceConfig, Tpo
from training.scoring import response_scores
from training.templates_check import PreflightError
from training.trainer import load_tokenizer

CONFIGS = Path(preferences.__file__).parent / "configs"
TINY = {"max_steps": 2, "batch_size": 2, "learning_rate": 1e-3, "precision": "float32", "warmup": 0.0}


def pair(name: str, **changes: Any) -> dict[str, Any]:
    sides = {
        "chosen": [{"role": "assistant", "content": f"<think>\nsix sevens, {name}\n</think>\n\n\\boxed{{42}}"}],
        "rejected": [{"role": "assistant", "content": f"<think>\n{name}\n</think>\n\n\\boxed{{41}}"}],
    }
    ids = {"problem_id": name, "chosen_id": f"{name}-right", "rejected_id": f"{name}-wrong"}
    return {**ids, "prompt": [{"role": "user", "content": "What is 6 times 7?"}], **sides, **changes}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    held_out = [pair("kept apart")]
    rows = [pair(f"p{i}") for i in range(4)]
    return write_run(tmp_path / "run", preferences_train=[*rows, *held_out], grpo_test=held_out)


def write_config(folder: Path, **changes: Any) -> Path:
    path = folder / "preferences.yaml"
    whole = {"student": str(folder / "tiny"), "output": str(folder / "out"), "dpo": TINY}
    path.write_text(yaml.safe_dump({**whole, **changes}))
    return path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_steps_of_dpo(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student = tiny_student(tmp_path / "tiny")
    seen = watch_steps(monkeypatch)
    arguments = ["--config", str(write_config(tmp_path, data=[str(run)]))]
    assert preferences.main(arguments) == 0

    out = tmp_path / "out"
    card = json.loads((out / "gradatim.json").read_text())
    assert card["metrics"]["steps"] == 2
    assert all(math.isfinite(value) for value in card["metrics"].values())
    assert card["rows"]["train"] == 4
    assert card["lengths"]["chosen_longer"] == 1.0
    assert "DPOTrainer" in (out / "README.md").read_text()
    assert moved(student, out)
    tokenizer, _ = load_tokenizer(student)
    check_masks(tokenizer, seen)
    for side in (side for step in seen for side in learned_sides(tokenizer, step)):
        assert "6 times 7" in side.prompt
        assert side.learned.startswith("<think>\n")
        assert ("{42}" in side.learned, "{41}" in side.learned) == (side.chosen, not side.chosen)

    assert preferences.main(arguments) == 0
    assert len(seen) == 2, "a finished training is left alone"
    assert preferences.main([*arguments, "--set", "dpo.beta=0.2"]) == 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_killed_training_goes_on_from_its_checkpoint_and_ends_with_the_same_student(
    tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_student(tmp_path / "tiny")
    seen = watch_steps(monkeypatch)
    finish = outputs.finish
    config = write_config(tmp_path, data=[str(run)], dpo={**TINY, "checkpoint_steps": 1})
    arguments = ["--config", str(config)]
    assert preferences.main([*arguments, "--set", f"output={tmp_path / 'whole'}"]) == 0

    def killed(*_: object, **__: object) -> None:
        raise GradatimError("killed")

    monkeypatch.setattr(dpo, "finish", killed)
    assert preferences.main(arguments) == 1
    shutil.rmtree(tmp_path / "out" / "checkpoints" / "checkpoint-2")
    monkeypatch.setattr(dpo, "finish", finish)
    assert preferences.main(arguments) == 0
    assert f"Going on from {tmp_path / 'out' / 'checkpoints' / 'checkpoint-1'}" in capsys.readouterr().out
    assert len(seen) == 2 + 2 + 1, "only the second step is made again"
    assert (seen[1]["ids"] == seen[4]["ids"]).all()
    assert not moved(tmp_path / "whole", tmp_path / "out")


def watch_steps(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Note what every step computes its loss from, and the gradient of the loss at the last hidden states."""
    from trl import DPOTrainer

    seen: list[dict[str, Any]] = []
    compute_loss = DPOTrainer.compute_loss

    def compute(self: Any, model: Any, inputs: dict[str, Any], *rest: Any, **named: Any) -> Any:
        gradients: list[Any] = []
        hook = self.accelerator.unwrap_model(model).model.register_forward_hook(partial(keep_gradient, gradients))
        seen.append({"ids": inputs["input_ids"].clone(), "mask": inputs["completion_mask"].clone(), "at": gradients})
        try:
            return compute_loss(self, model, inputs, *rest, **named)
        finally:
            hook.remove()

    monkeypatch.setattr(DPOTrainer, "compute_loss", compute)
    return seen


def check_masks(tokenizer: Any, seen: list[dict[str, Any]]) -> None:
    """Of both sides the completion is learned, its end of turn included, and nothing of the prompt or the padding."""
    assert len(seen) == 2
    for step in seen:
        (gradient,) = step["at"]
        for mask, moving in zip(step["mask"].bool(), gradient.abs().sum(-1) > 0, strict=True):
            assert not moving[:-1][~mask[1:]].any(), "a token of the prompt or the padding is learned"
            assert moving[:-1][mask[1:]].any()
            assert not moving[-1]
        for side in learned_sides(tokenizer, step):
            assert side.prompt.startswith("<|im_start|>user\n")
            assert side.prompt.endswith("<|im_end|>\n<|im_start|>assistant\n")
            assert "<|im_start|>" not in side.learned
            assert side.learned.endswith("<|im_end|>\n")


class Side(NamedTuple):
    """A completion as a step learned it."""

    chosen: bool
    prompt: str
    learned: str


def learned_sides(tokenizer: Any, step: dict[str, Any]) -> list[Side]:
    """Return what a step had before the learned tokens and what it learned; TRL puts the chosen sides first."""
    found = []
    for place, (tokens, mask) in enumerate(zip(step["ids"], step["mask"].bool(), strict=True)):
        start = int(mask.nonzero()[0])
        found.append(
            Side(2 * place < len(step["ids"]), tokenizer.decode(tokens[:start]), tokenizer.decode(tokens[mask]))
        )
    return found


def test_pairs_are_read_without_what_any_run_holds_out(run: Path, tmp_path: Path) -> None:
    rows = read_pairs([open_export(run), open_export(run)])
    assert [row.problem_id for row in rows] == ["p0", "p1", "p2", "p3"]
    with pytest.raises(ExportError, match="no preference pairs; a pair needs a correct and an incorrect"):
        read_pairs([open_export(write_run(tmp_path / "none", grpo_train=[pair("p")]))])
    broken = write_run(tmp_path / "broken", preferences_train=[{"problem_id": "p", "prompt": "text"}])
    with pytest.raises(ExportError, match=r"preferences/train.parquet:1: not a preference pair"):
        read_pairs([open_export(broken)])


def test_lengths_are_the_students_and_a_ratio_leaves_pairs_out(tmp_path: Path, run: Path) -> None:
    tokenizer, special = load_tokenizer(tiny_student(tmp_path / "tiny"))
    rows = read_pairs([open_export(run)])
    long = pair("p9", chosen=[{"role": "assistant", "content": "word " * 60}])
    other = write_run(tmp_path / "other", preferences_train=[long])
    rendered = render_pairs(tokenizer, special.stops, [*rows, *read_pairs([open_export(other)])])
    sides = (rows[0].chosen[0].content, rows[0].rejected[0].content)  # a token a character, the end of turn, a line end
    assert rendered[0].lengths == tuple(len(text) + 2 for text in sides)
    assert [kept.row.problem_id for kept in within_ratio(rendered, 2.0)] == ["p0", "p1", "p2", "p3"]
    assert len(within_ratio(rendered, None)) == 5


def test_a_pair_that_would_be_cut_stops_the_training(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_student(tmp_path / "tiny")
    config = write_config(tmp_path, data=[str(run)], dpo={**TINY, "max_length": 40})
    assert preferences.main(["--config", str(config)]) == 1
    assert "longer than max_length 40, so their answers would be cut" in capsys.readouterr().err


def test_a_reward_model_scores_responses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from transformers import LlamaConfig, LlamaForSequenceClassification

    folder = tiny_student(tmp_path / "classifier")
    shape = LlamaConfig.from_pretrained(folder)
    LlamaForSequenceClassification(LlamaConfig.from_dict({**shape.to_dict(), "num_labels": 1})).save_pretrained(folder)
    asked = [("Greet Ann.", "Hello."), ("Greet Ann.", "Go away, whoever you are."), ("Greet Ann.", "Hello.")]
    together = response_scores(Judge(model=str(folder), kind="reward_model"), asked)
    alone = response_scores(Judge(model=str(folder), kind="reward_model", batch_size=1), asked)
    assert together == pytest.approx(alone, abs=1e-5), "padding must not change a score"
    assert together[0] == pytest.approx(together[2])
    assert together[0] != pytest.approx(together[1])
    with pytest.raises(PreflightError, match=r"longer than judge\.max_length 20"):
        response_scores(Judge(model=str(folder), kind="reward_model", max_length=20), asked)
    LlamaForSequenceClassification(shape).save_pretrained(folder)
    with pytest.raises(PreflightError, match="a reward model has one output, this one has 2"):
        response_scores(Judge(model=str(folder), kind="reward_model"), asked)


@pytest.mark.parametrize("name", ["dpo", "tpo"])
def test_the_presets_are_whole(name: str) -> None:
    parse_model(PreferenceConfig, CONFIGS / f"{name}.yaml", [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["dpo.betta=1"], "unknown key dpo.betta; allowed here: batch_size, beta"),
        (["tpo.ro=1"], "unknown key tpo.ro; allowed here: completions, engine"),
        (["data=[]"], "give either data (runs with pairs, DPO) or tpo.instructions (TPO)"),
        (["tpo.instructions=[a.jsonl]"], "give either data (runs with pairs, DPO) or tpo.instructions (TPO)"),
        (["data=[]", "tpo.instructions=[a.jsonl]"], "tpo needs judge.model"),
        (["dpo.beta=0"], "dpo.beta: input should be greater than 0, got 0"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_line_and_writes_nothing(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str], changes: list[str], message: str
) -> None:
    config = write_config(tmp_path, data=[str(run)])
    assert preferences.main(["--config", str(config), "--set", *changes]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "instructions.jsonl:2: not JSON"),
        ('{"question": "?"}', "instructions.jsonl:2: instruction: a text expected"),
        ('"text"', "instructions.jsonl:2: instruction: a text expected"),
    ],
)
def test_a_broken_line_of_instructions_is_named(tmp_path: Path, line: str, message: str) -> None:
    from training.tpo import InstructionFileError, read_instructions

    path = tmp_path / "instructions.jsonl"
    path.write_text(f'{{"instruction": "Greet Ann."}}\n{line}\n')
    with pytest.raises(InstructionFileError, match=message):
        read_instructions(Tpo(instructions=(path,)), 0)
