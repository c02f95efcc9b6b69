"""`gradatim preflight` on configurations of every kind: what is fit, and what the training would refuse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.training.examples import grpo_row, problems, sft_row, write_run
from tests.training.students import save_student, template
from tests.training.test_preferences import pair
from training import preflight, preflight_command
from training.exports import SftRow
from training.preflight_command import main
from training.templates_check import PreflightError
from training.trainer import tokenised_by_trl

CONFIGS = Path(preflight_command.__file__).parent / "configs"
PREFILLED = "qwen3_6"
MADE = problems(6)
GOLD = {"answer": "42", "verifier": "math", "answer_type": None, "tolerance": None}
Changed = dict[str, Any]
Fit = Callable[..., tuple[int, str, str]]


def sft(**changes: Any) -> Changed:
    wrong = sft_row(MADE[4]) | {"answer": "-1"}
    validation = [sft_row(MADE[4])] if changes.pop("fit", True) else [wrong]
    return {"tables": {"sft_train": [sft_row(p) for p in MADE[:4]], "sft_validation": validation}, "sft": changes}


def grpo(*rows: Changed, **changes: Any) -> Changed:
    pool = [grpo_row(p) for p in MADE[:4]]
    return {"tables": {"grpo_train": [*pool, *(grpo_row(MADE[4]) | row for row in rows)]}, "grpo": changes}


def dpo(changed: Changed | None = None, **changes: Any) -> Changed:
    rows = [pair(f"p{i}", **GOLD) for i in range(4)]
    return {"tables": {"preferences_train": [*rows, pair("p5", **{**GOLD, **(changed or {})})]}, "dpo": changes}


def tpo(**changes: Any) -> Changed:
    return {"instructions": ["Greet Ann.", "Greet Ben."], "tpo": changes, "judge": {"model": "any"}}


def star(**changes: Any) -> Changed:
    return {**yaml.safe_load((CONFIGS / "star.yaml").read_text()), "sft": changes}


@pytest.fixture(scope="module")
def students(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: save_student(tmp_path_factory.mktemp(name), template(name)) for name in ("smollm2", PREFILLED)}


@pytest.fixture
def fit(tmp_path: Path, students: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> Fit:
    """Write a configuration with its data and check it; returns the exit status, and what was said on both streams."""

    def run(given: Changed, student: str = "smollm2") -> tuple[int, str, str]:
        content = {**given, "student": str(students[student]), "output": str(tmp_path / "out")}
        if tables := content.pop("tables", None):
            content["data"] = [str(write_run(tmp_path / "run", **tables))]
        if instructions := content.pop("instructions", None):
            path = tmp_path / "instructions.jsonl"
            path.write_text("".join(json.dumps({"instruction": text}) + "\n" for text in instructions))
            content["tpo"]["instructions"] = [str(path)]
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
        status = main(["--config", str(tmp_path / "config.yaml")])
        assert not (tmp_path / "out").exists()
        return status, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (sft(), ["4 rows are fit to train on and 1 for validation.", "4 of 4 drawn rows accepted"]),
        (sft(packing=True), ["4 rows are fit to train on and 1 for validation."]),
        (grpo(), ["4 problems are fit to train on.", "4 of 4 drawn golds accepted, 0 undecided", "tokens, 0 learned"]),
        (grpo(algorithm="rloo"), ["4 problems are fit to train on."]),
        (dpo(), ["5 pairs are fit", "5 of 5 drawn rows accepted", "5 of 5 drawn rows refused", "10 rows, max_length"]),
        (dpo({"answer": "41"}, check_answers=0), ["5 pairs are fit to train on."]),
        (tpo(), ["2 instructions are fit to think about", "  - Instruction: Greet Ann.", "0 learned"]),
        (star(), ["an example trace is fit to train on", "1 of 1 drawn rows accepted", "  + \\boxed{42}"]),
    ],
)
def test_what_is_fit(fit: Fit, given: Changed, said: list[str]) -> None:
    status, shown, errors = fit(given)
    assert (status, errors) == (0, "")
    assert [text for text in said if text not in shown] == []
    assert 1 <= shown.count(" learned\n") <= 3


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (sft(fit=False), f"row {MADE[4].id}-0 of problem {MADE[4].id}: the verifier math calls what is learned"),
        (grpo({"answer": "\\frac{1}{"}), "the verifier math judges its own gold wrong"),
        (grpo({"verifier": "constraint", "answer": "[]]"}), "the verifier constraint cannot judge by its gold"),
        (grpo(max_completion_length=1000), "and grpo.max_completion_length 1000 are more than the model's 1024"),
        (dpo({"answer": "41"}), "row p5-right of problem p5: the verifier math calls what is learned incorrect"),
        (
            dpo({"rejected": [{"role": "assistant", "content": "It is \\boxed{42}."}]}),
            "row p5-wrong of problem p5: the verifier math calls what is to be avoided correct",
        ),
        (dpo(max_length=150), "so their answers would be cut: row p0-right"),
        (tpo(max_tokens=1000), "and tpo.max_tokens 1000 are more than the model's 1024 positions"),
    ],
)
def test_what_the_training_would_refuse(fit: Fit, given: Changed, reason: str) -> None:
    status, _, errors = fit(given)
    assert (status, errors.count("\n")) == (1, 1)
    assert reason in errors


@pytest.mark.parametrize("given", [sft(), dpo(), star()])
def test_a_mask_that_is_not_trls_own_is_found(fit: Fit, given: Changed, monkeypatch: pytest.MonkeyPatch) -> None:
    def unmasked(tokenizer: Any, rows: list[SftRow]) -> list[dict[str, Any]]:
        return [{**row, "labels": row["input_ids"]} for row in tokenised_by_trl(tokenizer, rows)]

    monkeypatch.setattr(preflight, "tokenised_by_trl", unmasked)
    status, _, errors = fit(given)
    assert status == 1 and "tokens of the prompt carry a label" in errors


@pytest.mark.parametrize("given", [sft(), dpo(), tpo(), star()])
def test_a_template_that_opens_the_thinking_is_refused(fit: Fit, given: Changed) -> None:
    status, _, errors = fit(given, PREFILLED)
    section = "sft" if "sft" in given else "dpo"
    assert status == 1 and f"if that is meant, say {section}.prefilled_think=allow" in errors
    allowed = {**given, section: {**given.get(section, {}), "prefilled_think": "allow"}}
    assert fit(allowed, PREFILLED)[0] == 0


def test_packing_is_tried_out_where_it_is_asked_for(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    def mixed(*_: Any, **__: Any) -> float:
        raise PreflightError("rows are mixed")

    monkeypatch.setattr(preflight_command, "check_packing", mixed)
    assert fit(sft())[0] == 0
    assert fit(sft(packing=True))[::2] == (1, "rows are mixed\n")


def test_reinforcement_may_begin_inside_a_thinking_block(fit: Fit) -> None:
    status, shown, _ = fit(grpo(), PREFILLED)
    assert status == 0 and "note: the chat template opens <think> itself" in shown


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (star(epochz=1), "unknown key sft.epochz"),
        (grpo(group_sizes=4), "unknown key grpo.group_sizes"),
        (tpo() | {"judge": {}}, "tpo needs judge.model"),
    ],
)
def test_a_mistake_is_one_line(fit: Fit, given: Changed, message: str) -> None:
    status, _, errors = fit(given)
    assert (status, errors.count("\n")) == (2, 1)
    assert message in errors
