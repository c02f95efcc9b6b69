"""The probe kits falsepass and rewardlint, run on a TRL reward as their authors mean it: rows, runs, disputed probes.

falsepass calls a reward as GRPOTrainer does, on completions built from the rows of a dataset; rewardlint calls it on a
fixed corpus. A probe that contradicts the contract of the verifier is listed here by name with its reason, and nowhere
else; nothing is left out silently.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import rewardlint
from falsepass import report, runner

from generators.templates import FAMILIES
from generators.templates.family import generate_problem
from pipeline.prompts import PromptName, render_prompt
from tests.training.examples import grpo_row

Row = dict[str, Any]
CASES: Final = Path(__file__).parents[1] / "verifier_cases" / "math_dev.jsonl"
GATE: Final = ("ceiling>0", "lazy>0", "errors>0")


class Disputed(NamedTuple):
    """A falsepass probe that is wrong about the reward it expects: for one answer or, without one, for any."""

    probe: str
    variant: str
    answer: str | None
    reward: float | None
    reason: str


DISPUTED: Final = (
    Disputed("P10", "unclosed_tags", None, None, "thinking that never closes is cut off: None, which TRL leaves out"),
    Disputed("P5", "each_rendered", "2500000", 1.0, 'its wrong answers, 2499997 to 2500003 in %g, all read "2.5e+06"'),
)

# Right answers that are not paid. rewardlint's golds come without a type; each completion is put in a box.
REFUSED_FORMS: Final = {
    ("P2", "answer_case_swapped"): "a choice is a capital letter",
    ("S2", "search"): "a box with the answer in straight quotes, or with a choice in lower case",
}
REFUSED: Final = {
    "eq.frac.repeating": "a rounded decimal is not 1/3",
    "eq.text.article": "an article is part of a string",
    "eq.choice.case": "a choice is a capital letter; a lower-case one is a variable",
    "fmt.think_tags": "nothing is committed: prose is not searched for numbers",
    "fmt.markdown_heading": "nothing is committed: prose is not searched for numbers",
    "fmt.code_block": "nothing is committed: prose is not searched for numbers",
}

# What automatic mode leaves off: notes to a judge (P8). A reward that reads the whole completion could fall for them.
ADAPTER: Final = """
import tomllib
from pathlib import Path
from falsepass.auto import AutoAdapter
ADAPTER = AutoAdapter(tomllib.loads(Path(__file__).with_name("env.toml").read_text())["env"])
ADAPTER.has_judge = True
"""


def template_rows(prompt: PromptName = "boxed") -> list[Row]:
    """Two problems of every template family that the math verifier judges, as export/grpo has them."""
    made = [generate_problem(family, 0, index) for family in FAMILIES.values() for index in range(2)]
    return [_row(p.question, grpo_row(p), prompt) for p in made if p.verifier == "math"]


def typed_rows() -> list[Row]:
    """One row for every short gold of the verifier cases: all answer types, and golds without one."""
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    right = [case for case in cases if case["expected"] == ["correct"] and len(case["answer"]) < 60]
    columns = ("answer", "answer_type", "tolerance", "verifier")
    return [
        _row(case.get("question") or f"Problem {k}.", {name: case.get(name) for name in columns})
        for k, case in enumerate({(case["answer"], case["answer_type"]): case for case in right}.values())
    ]


def choice_rows() -> list[Row]:
    """Fifteen questions with five options: falsepass sees a closed set of labels."""
    options = "(A) 11 (B) 12 (C) 13 (D) 14 (E) 15"
    columns = {"verifier": "math", "answer_type": "choice"}
    return [
        _row(f"Which is {60 + k} - {49 + k - k % 5}? {options}", {"answer": "ABCDE"[k % 5], **columns})
        for k in range(15)
    ]


def _row(question: str, columns: Row, prompt: PromptName = "boxed") -> Row:
    """Columns for our reward and for TRL's own, which reads the gold from a solution."""
    messages = [{"role": m.role, "content": m.content} for m in render_prompt(prompt, question)]
    return {**columns, "prompt": messages, "solution": f"${columns['answer']}$"}


class Probed(NamedTuple):
    """A run of falsepass: all it wrote, the rows that count, and those of disputed probes."""

    payload: dict[str, Any]
    counted: list[dict[str, Any]]
    disputed: list[dict[str, Any]]

    @property
    def headline(self) -> dict[str, Any]:
        return dict(report.headline(self.counted))

    def failed_gate(self) -> list[str]:
        return list(report.gate(self.counted, GATE))


def run_falsepass(
    folder: Path,
    rows: Sequence[Row],
    functions: Sequence[str] = ("accuracy",),
    *,
    module: str = "training.rewards",
    weights: Sequence[float] = (),
    search: int = 0,
) -> Probed:
    """Run every probe on every row, and its mutation search with so many calls on three of them. Writes to folder."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = folder / "rows.jsonl"
    dataset.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    settings = {
        "id": f"local/{folder.name}",
        "framework": "reward",
        "task": module,
        "functions": list(functions),
        "weights": list(weights),
        "answer_column": "answer",
        "dataset": str(dataset.resolve()),
    }
    toml = "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    (folder / "env.toml").write_text(f"[env]\n{toml}", encoding="utf-8")
    (folder / "adapter.py").write_text(ADAPTER, encoding="utf-8")
    payload = runner.run(folder, n=len(rows), search_calls=search)
    counted: list[dict[str, Any]] = []
    disputed: list[dict[str, Any]] = []
    for result in payload["results"]:
        (disputed if _dispute(result, rows) else counted).append(result)
    return Probed(payload, counted, disputed)


def _dispute(result: dict[str, Any], rows: Sequence[Row]) -> Disputed | None:
    """Return the entry that excuses a result: this probe, for this answer, with just this reward."""
    key = result["example"].removeprefix("row-")
    answer = rows[int(key)]["answer"] if key.isdigit() else None
    for entry in DISPUTED:
        if (entry.probe, entry.variant, entry.reward) == (result["probe"], result["variant"], result["score"]):
            return entry if entry.answer in (None, answer) else None
    return None


def run_rewardlint(reward: Callable[..., Any], *, commit: bool) -> Any:
    """Run rewardlint's corpus on a reward: as it stands, or with every bare answer and plain sentence put in a box."""
    cases = rewardlint.load()
    return rewardlint.audit(reward, cases=[_committed(case) for case in cases] if commit else cases)


def _committed(case: rewardlint.Case) -> rewardlint.Case:
    shaped = case.category == "format" or "<" in case.completion or "\\boxed" in case.completion
    return case if shaped else replace(case, completion=f"\\boxed{{{case.completion}}}")
