"""A whole run written by hand, as large as wanted and as hostile: no model, no server, nothing random."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

from pipeline.assess import assess_problem, outside_band
from pipeline.config import Config
from pipeline.records import (
    Agreement,
    Assessment,
    Completion,
    Message,
    Problem,
    Provenance,
    Rejection,
    Trace,
    Verdict,
    VerdictValue,
    canonical_json,
    content_id,
    make_problem,
)
from pipeline.run import Run, Work, create_run, open_run

MODEL: Final = "someone/a-model"
HOSTILE: Final = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "<!-- ]]> --> &lt;b&gt; {{ 7 * 7 }} {% raw %}",
    "\\(\\text{<script>alert(3)</script>}\\) and \\(\\href{javascript:alert(4)}{x}\\)",
    "\u202ereversed\u202c \u2028 \x00 \x1b[31m",
    "\\boxed{" * 60 + "42" + "}" * 60,
)
VERDICTS: Final[tuple[VerdictValue, ...]] = ("correct", "incorrect", "correct", "undecided")


def made_config(folder: Path, name: str = "made", **changes: Any) -> Config:
    settings: dict[str, Any] = {
        "run": name,
        "runs_folder": folder,
        "generate": {"sources": [{"strategy": "template", "count": 1000, "families": ["travel"]}]},
        "teachers": [{"model": MODEL, "completions": 4}],
    }
    return Config.model_validate(settings | changes)


def make_run(folder: Path, problems: int, *, shard_rows: int = 50, hostile: Sequence[str] = HOSTILE) -> Run:
    """Write a run of so many problems of two families, "rare" one in ten of them, four completions each; one problem
    leaves as a duplicate and one as a leak, and every third is unsolved."""
    run = create_run(made_config(folder))
    numbers = count()
    for part, first in enumerate(range(0, problems, shard_rows)):
        rows = [_problem(next(numbers), hostile) for _ in range(min(shard_rows, problems - first))]
        _commit_shard(run, f"0-{part:05}", rows)
    run.commit(Work("export", "0", "0"), {}, taken=1, kept=1)
    return open_run(run.folder)


def _problem(number: int, hostile: Sequence[str]) -> Problem:
    text = f"Problem {number}: what is \\(\\frac{{{number}}}{{2}}\\)? {hostile[number % len(hostile)]}"
    return make_problem(
        text,
        f"{number}/2",
        domain="arithmetic",
        family="rare" if number % 10 == 0 else "common",
        level=number % 3 + 1,
        strategy="template",
        provenance=Provenance("template/made", "1", seed=0, index=number),
    )


def _commit_shard(run: Run, shard: str, problems: list[Problem]) -> None:
    out = [_duplicate(problems[1], problems[0]), _leak(problems[2])] if len(problems) > 4 else []
    gone = {rejection.record_id for rejection in out}
    kept = [problem for problem in problems if problem.id not in gone]
    n, left = len(problems), len(kept)
    run.commit(Work("generate", shard, "0"), {"problems": (Problem, problems)}, taken=n, kept=n)
    run.commit(Work("screen", shard, "0"), {"screened": (Problem, kept)}, taken=n, kept=left, rejections=out)
    judged = [(p, c, _verdict(p, c)) for p in kept for c in _completions(p)]
    completions = [c for _, c, _ in judged]
    size, tokens = len(completions), sum(c.completion_tokens for c in completions)
    solved = {"completions": (Completion, completions)}
    run.commit(Work("solve", f"0-{shard}", "0"), solved, taken=size, kept=size, tokens=tokens)
    golds = [Agreement(p.id, "proved", p.answer or "", p.answer, "{}", (), None) for p in kept]
    tables: dict[str, Any] = {"settled": (Problem, kept), "agreements": (Agreement, golds)}
    run.commit(Work("agree", shard, "0"), tables, taken=left, kept=left)
    verdicts = {"verdicts": (Verdict, [verdict for _, _, verdict in judged])}
    run.commit(Work("verify", f"0-{shard}", "0"), verdicts, taken=size, kept=size)
    _commit_assessed(run, shard, kept, judged)


def _commit_assessed(
    run: Run, shard: str, kept: list[Problem], judged: list[tuple[Problem, Completion, Verdict]]
) -> None:
    panel: dict[str, list[tuple[Completion, Verdict]]] = {}
    for problem, completion, verdict in judged:
        panel.setdefault(problem.id, []).append((completion, verdict))
    found = [a for p in kept for a in assess_problem(p, panel[p.id], run.config.assess)]
    unsolved = [
        Rejection(a.problem_id, "assess", "unsolved", "nobody reached it", 0.0) for a in found if not a.successes
    ]
    outside = [r for a in found if a.successes and (r := outside_band(a, run.config.assess.band))]
    solved = len(kept) - len(unsolved)
    rows = {"assessments": (Assessment, found)}
    run.commit(Work("assess", shard, "0"), rows, taken=len(kept), kept=solved, rejections=unsolved)
    run.commit(Work("pool", shard, "0"), {}, taken=solved, kept=solved - len(outside), rejections=outside)
    traces = [_trace(p, c) for p, c, v in judged if v.verdict == "correct"]
    details = {"verification": f"{len(traces)}/{len(traces)}", "backtracking": f"0/{len(traces)}"}
    size = len(traces)
    run.commit(Work("select", shard, "0"), {"traces": (Trace, traces)}, taken=size, kept=size, details=details)


def _duplicate(problem: Problem, original: Problem) -> Rejection:
    evidence = canonical_json({"duplicate_of": original.id, "question": original.question, "from": "this run"})
    return Rejection(problem.id, "screen", "near duplicate", "the question shares 93 % of its words", 0.93, evidence)


def _leak(problem: Problem) -> Rejection:
    told = {"matched_id": "7", "matched_text": "How many miles?", "from": "amc.jsonl", "shared": "miles per hour"}
    return Rejection(problem.id, "screen", "contaminated", "the text shares n-grams", 0.4, canonical_json(told))


def _completions(problem: Problem) -> list[Completion]:
    sampling = canonical_json({"temperature": 0.7})
    text = f"{problem.question}\n\n\\[ x = \\sqrt{{{problem.level}}} \\]\n\nSo it is \\(\\boxed{{{problem.answer}}}\\)."
    return [
        Completion(
            id=content_id("completion", problem.id, place),
            problem_id=problem.id,
            model=MODEL,
            revision="main",
            prompt_version="boxed/1",
            sampling=sampling,
            sample_index=place,
            reasoning=None,
            text=text,
            finish_reason="length" if verdict == "undecided" else "stop",
            prompt_tokens=50,
            completion_tokens=100 + place,
            engine="vllm",
            engine_version="0",
        )
        for place, verdict in enumerate(VERDICTS)
    ]


def _verdict(problem: Problem, completion: Completion) -> Verdict:
    value = VERDICTS[completion.sample_index]
    if problem.level == 3 and value == "correct":
        value = "incorrect"
    answer = None if value == "undecided" else problem.answer
    return Verdict(completion.id, problem.id, value, answer, f"it is {value}", "math", "1")


def _trace(problem: Problem, completion: Completion) -> Trace:
    turns = (Message("user", problem.question), Message("assistant", completion.text))
    tags = (problem.family, "keep", "behaviour:verification")
    return Trace(problem.id, completion.id, turns, tags, 50, completion.completion_tokens, "shortest of 2 correct")
