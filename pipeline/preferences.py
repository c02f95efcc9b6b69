"""Preference pairs for DPO: of one problem, a correct completion beside an incorrect one of the same model and prompt.

Only decided verdicts make pairs: what could not be judged is on neither side, nor is what was cut off. Both sides end
with a committed answer unless `unparsable` allows otherwise. All but `shard_rows` are pure functions.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import product
from statistics import fmean, median
from typing import Any, Final

import pyarrow as pa

from pipeline.assess import Judged, judged_completions
from pipeline.config import Preferences, Select
from pipeline.manifest import Unit
from pipeline.prompts import WHOLE_REPLY, render_prompt
from pipeline.records import Assessment, Problem, Rejection
from pipeline.run import Run
from pipeline.seeds import rng_for
from pipeline.store import read_records
from pipeline.traces import trace_text

Pair = tuple[Judged, Judged]  # chosen, rejected
PAIR_COLUMNS: Final = (
    ("chosen_id", pa.string()),
    ("rejected_id", pa.string()),
    ("chosen_tokens", pa.int64()),
    ("rejected_tokens", pa.int64()),
    ("rejected_answer", pa.string()),
    ("rejected_verdict", pa.string()),
    ("model", pa.string()),
    ("revision", pa.string()),
)
LEAKED: Final = "contaminated"  # the select stage's rejections of completions that hold a benchmark's question
FIT: Final = frozenset({"surplus", "same trace"})  # the select stage's rejections of completions with nothing wrong


def unfit(rejections: Sequence[Rejection]) -> set[str]:
    """Return the completions that the select stage found something wrong with: none of them is to be preferred."""
    return {rejection.record_id for rejection in rejections if rejection.filter not in FIT}


def preference_pairs(panel: Sequence[Judged], settings: Preferences, *, refused: Collection[str] = ()) -> list[Pair]:
    """Return up to `pairs_per_problem` pairs of one problem's completions; no completion is in two pairs.

    `refused` completions are never chosen. Both sides are of one model, revision and prompt: a pair of two models
    would teach to tell the models apart.
    """
    pairs: list[Pair] = []
    for correct, incorrect in _sides(panel, settings, refused):
        free = [pair for pair in product(correct, incorrect) if _text(pair[0]) != _text(pair[1])]
        pairs += _disjoint(sorted(_allowed(free, settings), key=_ORDERS[settings.length]))
    return sorted(pairs, key=_ORDERS[settings.length])[: settings.pairs_per_problem]


def _sides(
    panel: Sequence[Judged], settings: Preferences, refused: Collection[str]
) -> list[tuple[list[Judged], list[Judged]]]:
    """Return the correct and the incorrect completions of each model, revision and prompt."""
    groups: dict[tuple[str, str, str], tuple[list[Judged], list[Judged]]] = {}
    for completion, verdict in panel:
        key = (completion.model, completion.revision, completion.prompt_version)
        correct, incorrect = groups.setdefault(key, ([], []))
        if completion.finish_reason != "stop":
            continue
        if verdict.verdict == "correct" and verdict.extracted and completion.id not in refused:
            correct.append((completion, verdict))
        wrong = verdict.verdict == "incorrect" and verdict.extracted
        if wrong or (settings.unparsable and verdict.verdict == "unparsable"):
            incorrect.append((completion, verdict))
    return list(groups.values())


def _text(judged: Judged) -> tuple[str | None, str]:
    return judged[0].reasoning, judged[0].text


def _allowed(pairs: Sequence[Pair], settings: Preferences) -> list[Pair]:
    if settings.length != "matched":
        return list(pairs)
    return [pair for pair in pairs if _length_ratio(pair) <= settings.max_length_ratio]


def _disjoint(ordered: Sequence[Pair]) -> list[Pair]:
    """Take the pairs in order, each completion once."""
    taken: set[str] = set()
    pairs = []
    for pair in ordered:
        ids = {pair[0][0].id, pair[1][0].id}
        if not ids & taken:
            pairs.append(pair)
            taken |= ids
    return pairs


def _tokens(pair: Pair) -> tuple[int, int]:
    return max(pair[0][0].completion_tokens, 1), max(pair[1][0].completion_tokens, 1)


def _length_ratio(pair: Pair) -> float:
    short, long = sorted(_tokens(pair))
    return long / short


def _ids(pair: Pair) -> tuple[str, str]:
    return pair[0][0].id, pair[1][0].id


def _matched(pair: Pair) -> tuple[Any, ...]:
    return (_length_ratio(pair), *_ids(pair))


def _penalised(pair: Pair) -> tuple[Any, ...]:
    """Put the shortest correct completion beside the longest incorrect one first."""
    chosen, rejected = _tokens(pair)
    return (chosen / rejected, *_ids(pair))


def _drawn(pair: Pair) -> tuple[Any, ...]:
    return (rng_for("preferences/" + "/".join(_ids(pair)), 0, 0).random(),)


_ORDERS: Final[Mapping[str, Callable[[Pair], tuple[Any, ...]]]] = {
    "matched": _matched,
    "penalised": _penalised,
    "any": _drawn,
}


def _row(pair: Pair, settings: Select, verifier: str) -> dict[str, Any]:
    (chosen, _), (rejected, wrong) = pair
    return {
        "chosen": [{"role": "assistant", "content": _written(pair[0], settings, verifier)}],
        "rejected": [{"role": "assistant", "content": _written(pair[1], settings, verifier)}],
        "chosen_id": chosen.id,
        "rejected_id": rejected.id,
        "chosen_tokens": chosen.completion_tokens,
        "rejected_tokens": rejected.completion_tokens,
        "rejected_answer": wrong.extracted,
        "rejected_verdict": wrong.verdict,
        "model": chosen.model,
        "revision": chosen.revision,
    }


def _written(judged: Judged, settings: Select, verifier: str) -> str:
    completion, verdict = judged
    if verifier in WHOLE_REPLY:
        return trace_text(completion.reasoning, completion.text, None, settings)
    if completion.reasoning is None and not verdict.extracted and settings.style == "think":
        return f"<think>\n{completion.text}\n</think>"  # there is no answer to put in a box
    return trace_text(completion.reasoning, completion.text, verdict.extracted or "", settings)


def pair_rows(
    panel: Sequence[Judged], preferences: Preferences, select: Select, refused: Collection[str], verifier: str = "math"
) -> list[dict[str, Any]]:
    """Return the pairs of one problem's completions as rows, without prompt and the problem's own columns. A reply that
    its verifier judges whole gets no box."""
    return [_row(pair, select, verifier) for pair in preference_pairs(panel, preferences, refused=refused)]


def shard_rows(run: Run, selected: Unit, problems: Sequence[tuple[Problem, Assessment]]) -> list[dict[str, Any]]:
    """Return the pairs of these problems of a shard that the select stage looked at, with problem_id and prompt. On
    neither side is a completion in which that stage found a benchmark's question."""
    settings = run.config.select
    judged = judged_completions(run, selected.shard)
    rejections: list[Rejection] = []
    if any(f.path.startswith("rejections/") for f in selected.files):
        rejections = read_records(Rejection, run.file(selected, "rejections/select"))
    refused, leaked = unfit(rejections), {rejection.record_id for rejection in rejections if rejection.filter == LEAKED}
    looked_at = (p for p, assessment in problems if not settings.within_band or assessment.decision == "keep")
    return [
        {
            "problem_id": problem.id,
            "prompt": [
                {"role": m.role, "content": m.content}
                for m in render_prompt(settings.prompt, problem.question, problem.verifier)
            ],
            **row,
        }
        for problem in looked_at
        for row in pair_rows(
            [(completion, verdict) for completion, verdict in judged[problem.id] if completion.id not in leaked],
            run.config.export.preferences,
            settings,
            refused,
            problem.verifier,
        )
    ]


def length_statistics(lengths: Sequence[tuple[int, int]]) -> dict[str, float]:
    """Return what the pairs' lengths (chosen, rejected, in tokens) could teach beside correctness.

    `chosen_longer` is the share of pairs whose chosen side is the longer one, ties counted half: 0.5 carries no signal.
    """
    if not lengths:
        return {"pairs": 0}
    wins = [0.5 if chosen == rejected else float(chosen > rejected) for chosen, rejected in lengths]
    return {
        "pairs": len(lengths),
        "chosen_mean": fmean(chosen for chosen, _ in lengths),
        "rejected_mean": fmean(rejected for _, rejected in lengths),
        "ratio_median": median(chosen / max(rejected, 1) for chosen, rejected in lengths),
        "chosen_longer": fmean(wins),
    }


def length_line(lengths: Sequence[tuple[int, int]]) -> str:
    """Return the statistics as one line."""
    found = length_statistics(lengths)
    if not found["pairs"]:
        return "0 preference pairs"
    return (
        f"{found['pairs']:,} preference pairs: {found['chosen_mean']:.0f} tokens chosen, {found['rejected_mean']:.0f} "
        f"rejected on average; median ratio {found['ratio_median']:.2f}; the chosen side is longer in "
        f"{100 * found['chosen_longer']:.0f} % (50 % carries no signal)"
    )
