"""Problems to evaluate on: broken files name their line, and nothing that was trained on slips in."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.prompts import render_prompt
from pipeline.records import Message
from tests.training.examples import grpo_row, problems, write_run
from training.held_out import (
    TRAINED_ON,
    OverlapError,
    ProblemFileError,
    read_problem_file,
    read_test_splits,
    refuse_overlap,
    trained_on,
    training_record,
)

GOOD = {"question": "1+1?", "answer": "2"}


def write_lines(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def test_only_question_and_answer_are_needed(tmp_path: Path) -> None:
    (held,) = read_problem_file(write_lines(tmp_path / "p.jsonl", "", GOOD), "boxed")
    assert (held.problem.question, held.problem.answer, held.problem.verifier) == ("1+1?", "2", "math")
    assert held.prompt == render_prompt("boxed", "1+1?")


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "run"])
def test_problems_keep_their_ids_and_prompts(tmp_path: Path, kind: str) -> None:
    made = problems(3)
    rows = [{**grpo_row(p), "prompt": [{"role": "user", "content": f"Solve: {p.question}"}]} for p in made]
    if kind == "run":
        found = read_test_splits([write_run(tmp_path, grpo_test=rows)], "boxed")
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
        found = read_problem_file(tmp_path / "p.parquet", "boxed")
    else:
        found = read_problem_file(write_lines(tmp_path / "p.jsonl", *rows), "boxed")
    assert [held.problem.id for held in found] == [p.id for p in made]
    assert found[0].prompt == (Message("user", f"Solve: {made[0].question}"),)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", r"p.jsonl:2: not JSON"),
        ({"question": "1+1?"}, r"p.jsonl:2: answer: field required"),
        ({**GOOD, "answer": None}, r"p.jsonl:2: answer: input should be a valid string"),
        ({**GOOD, "answer": ["2"]}, r"p.jsonl:2: answer: input should be a valid string"),
        ({**GOOD, "answer": "1 + 1 = 2\n#### 2"}, r"p.jsonl:2: answer: the verifier would not accept it.*answer_after"),
        ({**GOOD, "answer_type": "number"}, r"p.jsonl:2: answer_type: input should be 'integer'"),
        ({**GOOD, "verifier": "oracle"}, r"p.jsonl:2: verifier: 'oracle' is none of .*math"),
        ({**GOOD, "prompt": "1+1?"}, r"p.jsonl:2: prompt: input should be a valid list"),
        ("[1]", r"p.jsonl:2: row: input should be a valid dictionary"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(ProblemFileError, match=message):
        read_problem_file(write_lines(tmp_path / "p.jsonl", GOOD, row), "boxed")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ProblemFileError, match="No such file"):
        read_problem_file(tmp_path / "absent.jsonl", "boxed")


def test_a_run_without_test_problems_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ProblemFileError, match=r"give a file \(evaluation.problems\)"):
        read_test_splits([write_run(tmp_path, grpo_train=[grpo_row(problems(1)[0])])], "boxed")


@pytest.mark.parametrize("by", ["id", "prompt"])
def test_problems_that_were_trained_on_are_refused(tmp_path: Path, by: str) -> None:
    made = problems(4)
    held = read_problem_file(write_lines(tmp_path / "p.jsonl", *map(grpo_row, made)), "boxed")
    ids = [made[1].id, made[2].id] if by == "id" else []
    prompts = [held[1].prompt, held[2].prompt] if by == "prompt" else []
    (tmp_path / TRAINED_ON).write_text(json.dumps(training_record(tmp_path / "base", ids, prompts)))
    with pytest.raises(OverlapError, match=f"trained on 2 of the 4 problems.*{made[1].id}.*--allow-overlap"):
        refuse_overlap(held, str(tmp_path))
    refuse_overlap([held[0], held[3]], str(tmp_path))


def test_what_the_model_before_was_trained_on_is_refused_too(tmp_path: Path) -> None:
    held = read_problem_file(write_lines(tmp_path / "p.jsonl", *map(grpo_row, problems(4))), "boxed")
    base = tmp_path / "no record"
    for number, (ids, prompts) in enumerate([([held[0].problem.id], []), ([], [held[1].prompt]), ([], [])]):
        (folder := tmp_path / f"student-{number}").mkdir()
        (folder / TRAINED_ON).write_text(json.dumps(training_record(base, ids, prompts)))
        base = folder
    assert trained_on(held, str(base)) == held[:2]


def test_a_model_that_does_not_say_is_not_refused(tmp_path: Path) -> None:
    held = read_problem_file(write_lines(tmp_path / "p.jsonl", GOOD), "boxed")
    assert trained_on(held, str(tmp_path)) is None
    refuse_overlap(held, str(tmp_path))


GSM8K = Path(__file__).parents[1] / "data" / "gsm8k_excerpt.jsonl"


def test_a_benchmark_file_with_worked_solutions(tmp_path: Path) -> None:
    found = read_problem_file(GSM8K, "boxed", answer_after="####")
    assert len(found) == 20 and {held.problem.family for held in found} == {"gsm8k_excerpt"}
    first = json.loads(GSM8K.read_text().splitlines()[0])["answer"]
    assert found[0].problem.answer == first.rpartition("####")[2].strip()
    with pytest.raises(ProblemFileError, match=r"p.jsonl:1: answer: expected the mark '####' before it"):
        read_problem_file(write_lines(tmp_path / "p.jsonl", GOOD), "boxed", answer_after="####")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(27, "27"), (27.0, "27"), (0.125, "0.125"), (-3.50, "-3.5"), (1e21, "1" + 21 * "0"), (0, "0"), ("27.0", "27.0")],
)
def test_other_columns_and_numbers_as_answers(tmp_path: Path, answer: Any, expected: str) -> None:
    path = write_lines(tmp_path / "p.jsonl", {"problem": "1+1?", "question": "not this", "gold": answer})
    (held,) = read_problem_file(path, "boxed", question="problem", answer="gold")
    assert (held.problem.question, held.problem.answer) == ("1+1?", expected)


def test_a_file_that_is_no_parquet_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "p.parquet").write_text("no")
    with pytest.raises(ProblemFileError, match=r"p\.parquet: "):
        read_problem_file(tmp_path / "p.parquet", "boxed")
