"""Models side by side, end to end, with models that are functions: real verifiers, real files, no engine."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline import config
from pipeline.records import Completion, Problem, Verdict
from pipeline.store import read_records
from pipeline.teacher import Answered, Request, TeacherError
from tests.training.examples import grpo_row, problems, write_run
from training import answering, evaluate
from training.evaluation_plan import Row, read_rows
from training.held_out import TRAINED_ON
from training.settings import CARD

MADE = problems(12)
GOLD = {problem.id: str(problem.answer) for problem in MADE}
CUT = MADE[0].id
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class Asked:
    """What the models were asked, and after how many answers they die."""

    loaded: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    dies_after: int | None = None


@dataclass
class FunctionTeacher:
    """A student knows every answer, the base every third; both are cut off at the first problem. Of sampled completions
    only the first four of eight are as the greedy one; the others are wrong."""

    model: str
    asked: Asked
    revision: str = "1"
    engine: str = "function"
    engine_version: str = "1"
    window: int = 4

    async def answer(self, request: Request) -> Answered:
        if self.asked.dies_after is not None and len(self.asked.requests) >= self.asked.dies_after:
            raise TeacherError("the engine died")
        self.asked.requests.append(request)
        if request.problem_id == CUT:
            return Answered("I begin by", None, "length", 10, 5)
        knows = "student" in self.model or list(GOLD).index(request.problem_id) % 3 == 1
        wrong = f"-{request.sample_index}" if request.sample_index >= 4 else "-1"
        answer = GOLD[request.problem_id] if knows and request.sample_index < 4 else wrong
        return Answered(f"\\boxed{{{answer}}}", "adding rates", "stop", 10, 5)


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()

    @asynccontextmanager
    async def open_function(settings: config.Teacher) -> AsyncIterator[FunctionTeacher]:
        found.loaded.append(settings.model)
        yield FunctionTeacher(settings.model, found)

    monkeypatch.setattr(answering, "open_teacher", open_function)
    monkeypatch.setattr(evaluate, "identity_of", lambda settings: (settings.model, "1"))
    return found


def write_problems(folder: Path, **columns: list[Any]) -> Path:
    """Write the problems as JSONL, with other columns by place."""
    path = folder / "problems.jsonl"
    rows = [{**grpo_row(p), **{name: cells[i] for name, cells in columns.items()}} for i, p in enumerate(MADE)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def flags(folder: Path, *models: str, changes: tuple[str, ...] = ()) -> list[str]:
    problems_file = folder / "problems.jsonl"
    if not problems_file.is_file():
        write_problems(folder)
    found = ["--models", *models, "--problems", str(problems_file), "--output", str(folder / "results")]
    return [*found, "--set", *changes] if changes else found


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results" / "results.json").read_text())
    return found


def value(estimate: dict[str, Any] | None) -> float | None:
    if estimate is None:
        return None
    assert set(estimate) == {"value", "low", "high", "method"}
    assert 0 <= estimate["low"] <= estimate["value"] <= estimate["high"] <= 1
    return float(estimate["value"])


def test_two_models_greedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(flags(tmp_path, "base", "a-student")) == 0
    found = results(tmp_path)
    assert set(found) == {"models", "pairs"}
    assert found["models"]["base"]["models"] == [{"model": "base", "revision": "1"}]
    line = found["models"]["base"]["lines"][0]
    assert set(line) == {"group", "problems", "greedy", "pass@k", "cons@k", "undecided", "floor"}
    assert (line["group"], line["problems"], line["undecided"]) == ("all", 12, pytest.approx(1 / 12))
    assert [value(line["greedy"]), value(line["floor"])] == pytest.approx([4 / 11, 4 / 12])
    assert (line["pass@k"], line["cons@k"]) == ({"1": None, "8": None}, {"8": None})
    (pair,) = found["pairs"]
    assert (pair["base"], pair["student"], pair["paired"]) == ("base", "a-student", 11)
    assert pair["difference"]["value"] == pytest.approx(7 / 11)
    assert pair["difference"]["low"] > 0
    assert pair["mcnemar_p"] == pytest.approx(2 / 2**7)
    said = "a-student is better than base: greedy pass@1 changes by +63.6 points ["
    assert said in capsys.readouterr().out
    page = (tmp_path / "results" / "results.md").read_text()
    assert said in page and "| base | 12 | 36.4 % [" in page
    assert (tmp_path / "results" / "results.png").read_bytes().startswith(PNG)


def test_greedy_and_sampled_completions_come_of_one_loading(tmp_path: Path, asked: Asked) -> None:
    assert evaluate.main(flags(tmp_path, "s=a-student", changes=("evaluation.completions=8",))) == 0
    assert asked.loaded == ["a-student"]
    temperatures = [request.sampling.temperature for request in asked.requests]
    assert (temperatures.count(0.0), temperatures.count(0.7)) == (12, 96)
    line = results(tmp_path)["models"]["s"]["lines"][0]
    # four of eight are right, and agree; the four others are wrong in four ways
    found = [line["greedy"], line["pass@k"]["1"], line["pass@k"]["8"], line["cons@k"]["8"]]
    assert [value(estimate) for estimate in found] == [1.0, 0.5, 1.0, 1.0]
    assert results(tmp_path)["pairs"] == []


def test_sampled_alone(tmp_path: Path, asked: Asked) -> None:
    changes = ("evaluation.greedy=false", "evaluation.completions=4", "evaluation.k=[2,16]", "evaluation.cons=[4]")
    assert evaluate.main(flags(tmp_path, "base", "a-student", changes=changes)) == 0
    assert {request.sampling.temperature for request in asked.requests} == {0.7}
    line = results(tmp_path)["models"]["base"]["lines"][0]
    assert (line["greedy"], line["pass@k"]["16"]) == (None, None)
    assert [value(line["pass@k"]["2"]), value(line["cons@k"]["4"])] == pytest.approx([4 / 11, 4 / 11])
    (pair,) = results(tmp_path)["pairs"]
    assert (pair["paired"], pair["mcnemar_p"]) == (11, None)
    assert "Not measured with so few completions: k = 8, 16." not in (tmp_path / "results" / "results.md").read_text()
    assert "so few completions: k = 16." in (tmp_path / "results" / "results.md").read_text()


def test_seeds_of_one_row_by_family_and_level(tmp_path: Path) -> None:
    write_problems(tmp_path, family=["x", "y"] * 6, level=[1, 1, 2] * 4)
    assert evaluate.main(flags(tmp_path, "base", "sft=student-0,student-1,weak")) == 0
    found = results(tmp_path)["models"]["sft"]
    assert [model["model"] for model in found["models"]] == ["student-0", "student-1", "weak"]
    counts = [(line["group"], line["problems"]) for line in found["lines"]]
    assert counts == [("all", 12), ("family: x", 6), ("family: y", 6), ("level: 1", 8), ("level: 2", 4)]
    greedy = found["lines"][0]["greedy"]
    assert value(greedy) == pytest.approx((2 + 4 / 11) / 3)
    assert "11 problems and 3 seeds" in greedy["method"]
    assert results(tmp_path)["pairs"][0]["mcnemar_p"] is None
    assert "| family: x | 6 |" in (tmp_path / "results" / "results.md").read_text()


def test_a_killed_evaluation_asks_for_the_rest_only(
    tmp_path: Path, asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = flags(tmp_path, "base", "a-student", changes=("evaluation.completions=2",))
    asked.dies_after = 50
    assert evaluate.main(arguments) == 1
    assert "the engine died" in capsys.readouterr().err
    assert asked.loaded == ["base", "a-student"] and not (tmp_path / "results" / "results.json").exists()
    with (tmp_path / "results" / answering.JOURNAL).open("a") as journal:
        journal.write('{"id": "torn')
    asked.dies_after = None
    assert evaluate.main(arguments) == 0
    assert asked.loaded == ["base", "a-student", "a-student"]
    assert len(asked.requests) == len({request.id for request in asked.requests}) == 72
    assert evaluate.main(arguments) == 0
    assert "Nothing to do" in capsys.readouterr().out and len(asked.requests) == 72
    assert not (tmp_path / "results" / answering.JOURNAL).exists()


def test_other_estimates_and_models_ask_for_no_more_than_is_missing(tmp_path: Path, asked: Asked) -> None:
    assert evaluate.main(flags(tmp_path, "base", "s=a-student")) == 0
    asked.requests.clear()
    asked.loaded.clear()
    assert evaluate.main(flags(tmp_path, "s=a-student", changes=("evaluation.level=0.8",))) == 0
    assert asked.loaded == [] and list(results(tmp_path)["models"]) == ["s"]
    assert evaluate.main(flags(tmp_path, "base", changes=("evaluation.completions=1",))) == 0
    assert asked.loaded == ["base"] and len(asked.requests) == 12
    rows = read_records(Completion, tmp_path / "results" / answering.COMPLETIONS)
    assert len(rows) == len({row.id for row in rows}) == 36  # nothing that was paid for is thrown away
    verdicts = read_records(Verdict, tmp_path / "results" / answering.VERDICTS)
    undecided = {row.id for row in rows if row.finish_reason == "length" and row.model != "base"}
    assert {v.completion_id for v in verdicts} == {row.id for row in rows} - undecided and undecided
    assert {p.id for p in read_records(Problem, tmp_path / "results" / answering.PROBLEMS)} == set(GOLD)


def test_a_result_that_is_gone_is_made_again(tmp_path: Path, asked: Asked) -> None:
    assert evaluate.main(flags(tmp_path, "base")) == 0
    picture = tmp_path / "results" / "results.png"
    picture.unlink()
    assert evaluate.main(flags(tmp_path, "base")) == 0
    assert picture.is_file() and len(asked.requests) == 12


def test_a_problem_and_a_completion_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(flags(tmp_path, "base", "a-student")) == 0
    folder = tmp_path / "results"
    capsys.readouterr()
    assert evaluate.main(["--explain", str(folder), MADE[2].id[:10]]) == 0
    shown = capsys.readouterr().out
    assert f"problem {MADE[2].id}" in shown and "problems.jsonl:3" in shown
    assert "  | \\boxed{-1}" in shown and f"  | \\boxed{{{GOLD[MADE[2].id]}}}" in shown
    assert "verdict    incorrect, answered -1: " in shown and "verdict    correct, answered " in shown
    (completion, *_) = read_records(Completion, folder / answering.COMPLETIONS)
    assert evaluate.main(["--explain", str(folder), completion.id]) == 0
    shown = capsys.readouterr().out
    assert "I begin by" in shown and "verdict    undecided" in shown and shown.count("\ncompletion ") == 1
    assert evaluate.main(["--explain", str(folder), "0123456789"]) == 1
    assert "no problem or completion has this id" in capsys.readouterr().err


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "demo", grpo_test=[grpo_row(p) for p in MADE])


CONFIGS = {
    "distill.py": "sft: {epochs: 1, lora: {}}",
    "grpo.py": "grpo: {group_size: 4}",
    "preferences.py": "dpo: {limit: 3}",
}


def write_config(tmp_path: Path, run: Path, section: str = "", data: bool = True) -> Path:
    """Write the configuration of a student that is trained already."""
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / CARD).write_text("{}")
    path = tmp_path / "student.yaml"
    lines = ["student: base", *([f"data: [{run}]"] if data else []), f"output: {tmp_path / 'student'}", section]
    path.write_text("\n".join(lines) + "\nevaluation: {level: 0.9}\n")
    return path


@pytest.mark.parametrize("section", ["", *CONFIGS.values()])
def test_the_configuration_of_any_training_gives_base_and_student(tmp_path: Path, run: Path, section: str) -> None:
    path = write_config(tmp_path, run, section)
    assert evaluate.main(["--config", str(path), "--set", "evaluation.limit=8", "seed=3"]) == 0
    output = tmp_path / "student" / "evaluation"
    found = json.loads((output / "results.json").read_text())
    models = {label: row["models"][0]["model"] for label, row in found["models"].items()}
    assert models == {"base": "base", "student": str(tmp_path / "student")}
    card = json.loads((output / evaluate.CARD).read_text())
    assert (card["problems"], card["seed"], card["settings"]["level"]) == (8, 3, 0.9)


@pytest.mark.parametrize(
    ("given", "label", "models"),
    [
        ("a", "a", (("a", None),)),
        ("organisation/a@v2", "organisation/a@v2", (("organisation/a", "v2"),)),
        ("x=a@sha256:0f,b", "x", (("a", "sha256:0f"), ("b", None))),
        ("@served/a", "@served/a", (("@served/a", None),)),
        ("folder@v2", "folder@v2", (("folder@v2", None),)),
    ],
)
def test_a_model_may_be_pinned_to_a_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, label: str, models: tuple[Any, ...]
) -> None:
    (tmp_path / "folder@v2").mkdir()
    monkeypatch.chdir(tmp_path)
    assert read_rows([given]) == (Row(label, models),)


def test_thought_preferences_need_a_file_of_problems(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    section = "tpo: {instructions: [i.jsonl]}\njudge: {model: base}"
    arguments = ["--config", str(write_config(tmp_path, run, section, data=False))]
    assert evaluate.main(arguments) == 2
    assert "no problems to evaluate on; give evaluation.problems" in capsys.readouterr().err
    assert evaluate.main([*arguments, "--problems", str(write_problems(tmp_path))]) == 0


def test_problems_that_were_trained_on_are_refused_unless_allowed(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--config", str(write_config(tmp_path, run))]
    student = tmp_path / "student"
    (student / TRAINED_ON).write_text(json.dumps({"problem_ids": [MADE[3].id, MADE[4].id], "prompts": []}))
    assert evaluate.main(arguments) == 1
    assert f"{student}: trained on 2 of the 12 problems" in capsys.readouterr().err
    assert not (student / "evaluation").exists()
    assert evaluate.main([*arguments, "--allow-overlap"]) == 0
    card = json.loads((student / "evaluation" / evaluate.CARD).read_text())
    assert card["trained_on"] == {"base": None, str(student): 2}


@pytest.fixture
def in_folder(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_config(tmp_path, run)
    write_problems(tmp_path)
    (tmp_path / "adapter").mkdir()
    for name in (CARD, "adapter_config.json"):
        (tmp_path / "adapter" / name).write_text("{}")
    monkeypatch.chdir(tmp_path)


MODELS = ["--problems", "problems.jsonl", "--output", "new", "--models"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--models", "a", "b"], 2, "give --config, or all of --models, --problems and --output"),
        ([*MODELS, "a", "a"], 2, "--models: two rows are called a; name them: NAME=a"),
        ([*MODELS, "a=b,"], 2, "--models a=b,: expected MODEL, NAME=MODEL or NAME=MODEL,MODEL,..."),
        ([*MODELS, "a", "--set", "sft.epochs=2"], 2, "--set: unknown key sft; allowed here: evaluation, seed"),
        ([*MODELS, "a", "--set", "evaluation.greedy=no"], 2, "greedy false needs completions, else there is nothing"),
        (["--config", "student.yaml", "--set", "evaluation.j=2"], 2, "unknown key evaluation.j; allowed here: answ"),
        (["--config", "student.yaml", "--set", "evaluation.prompt=cot"], 2, "evaluation.prompt: input should"),
        (["--config", "student.yaml", "--set", "output=new"], 2, "new: no trained student; first: python training/di"),
        (["--config", "student.yaml", "--set", "output=new", "grpo={}"], 2, "student; first: python training/grpo.py"),
        (["--config", "student.yaml", "--set", "output=adapter"], 2, "adapter: an adapter alone cannot be evaluated"),
        (["--config", "absent.yaml"], 2, "absent.yaml: cannot be read"),
        (["--config", "student.yaml", "--problems", "absent.jsonl"], 1, "absent.jsonl: No such file or directory"),
        (["--explain", "student", "abcdef"], 1, "student: holds no finished evaluation"),
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
    assert not Path("new").exists()
