"""Base beside student end to end, with models that are functions: real verifiers, real files, no engine."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import config
from pipeline.records import Completion, Verdict
from pipeline.store import read_records
from pipeline.teacher import Answered, Request
from tests.training.examples import grpo_row, problems, write_run
from training import evaluate
from training.held_out import TRAINED_ON
from training.settings import CARD

MADE = problems(12)
GOLD = {problem.id: str(problem.answer) for problem in MADE}
CUT = MADE[0].id


@dataclass
class FunctionTeacher:
    """The student knows every answer, the base every third; both are cut off at the first problem."""

    model: str
    revision: str = "1"
    engine: str = "function"
    engine_version: str = "1"
    window: int = 4

    async def answer(self, request: Request) -> Answered:
        if request.problem_id == CUT:
            return Answered("I begin by", None, "length", 10, 5)
        knows = "student" in self.model or list(GOLD).index(request.problem_id) % 3 == 1
        answer = GOLD[request.problem_id] if knows else "-1"
        return Answered(f"\\boxed{{{answer}}}", "adding rates", "stop", 10, 5)


@pytest.fixture(autouse=True)
def teachers(monkeypatch: pytest.MonkeyPatch) -> list[config.Teacher]:
    opened: list[config.Teacher] = []

    @asynccontextmanager
    async def open_function(settings: config.Teacher) -> AsyncIterator[FunctionTeacher]:
        opened.append(settings)
        yield FunctionTeacher(settings.model)

    monkeypatch.setattr(evaluate, "open_teacher", open_function)
    return opened


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "demo", grpo_test=[grpo_row(p) for p in MADE])


def write_config(tmp_path: Path, run: Path) -> Path:
    """Write the configuration of a student that is trained already."""
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / CARD).write_text("{}")
    path = tmp_path / "student.yaml"
    path.write_text(f"student: base\ndata: [{run}]\noutput: {tmp_path / 'student'}\n")
    return path


def test_base_beside_student(tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(["--config", str(write_config(tmp_path, run))]) == 0
    output = tmp_path / "student" / "evaluation"
    results = json.loads((output / "results.json").read_text())
    (line,) = results["lines"]
    assert (line["base"]["correct"], line["student"]["correct"], line["base"]["problems"]) == (4, 11, 12)
    assert (line["base"]["undecided"], line["student"]["undecided"], line["paired"]) == (1, 1, 11)
    assert line["student"]["pass_at_1"]["value"] == 1.0
    assert line["base"]["pass_at_1"]["value"] == pytest.approx(4 / 11)
    assert line["difference"]["value"] == pytest.approx(7 / 11)
    assert line["difference"]["low"] > 0
    shown = capsys.readouterr().out
    assert "The student is better: pass@1 changes by +63.6 % [" in shown
    assert "| all | 12 | 36.4 % [" in (output / "results.md").read_text()
    completions = read_records(Completion, output / "completions-student.parquet")
    verdicts = read_records(Verdict, output / "verdicts-student.parquet")
    assert [v.completion_id for v in verdicts] == [c.id for c in completions]
    assert {c.problem_id for c in completions} == set(GOLD)


@pytest.mark.parametrize(("completions", "temperature"), [(1, 0.0), (3, 0.7)])
def test_one_completion_is_greedy_several_are_sampled(
    tmp_path: Path, run: Path, teachers: list[config.Teacher], completions: int, temperature: float
) -> None:
    changes = [f"evaluation.completions={completions}", "evaluation.limit=5"]
    assert evaluate.main(["--config", str(write_config(tmp_path, run)), "--set", *changes]) == 0
    assert [settings.sampling.temperature for settings in teachers] == [temperature, temperature]
    rows = read_records(Completion, tmp_path / "student" / "evaluation" / "completions-base.parquet")
    assert len({row.id for row in rows}) == 5 * completions
    assert sorted(row.sample_index for row in rows) == sorted([*range(completions)] * 5)


def test_problems_that_were_trained_on_are_refused_unless_allowed(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--config", str(write_config(tmp_path, run))]
    student = tmp_path / "student"
    (student / TRAINED_ON).write_text(json.dumps({"problem_ids": [MADE[3].id, MADE[4].id], "prompts": []}))
    assert evaluate.main(arguments) == 1
    shown = capsys.readouterr().err
    assert f"{student}: trained on 2 of the 12 problems" in shown
    assert not (student / "evaluation").exists()
    assert evaluate.main([*arguments, "--allow-overlap"]) == 0
    results = json.loads((student / "evaluation" / "results.json").read_text())
    assert results["trained_on"] == {"base": None, str(student): 2}


def test_flags_are_enough_without_a_configuration(tmp_path: Path, teachers: list[config.Teacher]) -> None:
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps({**grpo_row(p), "family": f"f{i % 2}"}) + "\n" for i, p in enumerate(MADE)))
    output = tmp_path / "results"
    flags = ["--models", "base", "a-student", "--problems", str(path), "--output", str(output)]
    assert evaluate.main(flags) == 0
    assert [settings.model for settings in teachers] == ["base", "a-student"]
    lines = json.loads((output / "results.json").read_text())["lines"]
    assert [line["name"] for line in lines] == ["all", "f0", "f1"]


@pytest.fixture
def in_folder(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_config(tmp_path, run)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--models", "a", "b"], 2, "give --config, or all of --models, --problems and --output"),
        (["--config", "student.yaml", "--set", "evaluation.k=2"], 2, "unknown key evaluation.k; allowed here: compl"),
        (["--config", "student.yaml", "--set", "evaluation.prompt=cot"], 2, "evaluation.prompt: input should"),
        (
            ["--config", "student.yaml", "--set", "output=new"],
            2,
            "new: no trained student; first: python training/dist",
        ),
        (["--config", "student.yaml", "--problems", "absent.jsonl"], 1, "absent.jsonl: No such file or directory"),
    ],
)
def test_mistakes_are_one_line(
    in_folder: None, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    try:
        ended = evaluate.main(arguments)
    except SystemExit as error:  # argparse's own
        ended = int(error.code or 0)
    assert ended == code
    assert message in capsys.readouterr().err
