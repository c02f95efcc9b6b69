"""Everything that happened to one record of a run, and why: stage by stage, back to its seed, and how to remake it.

Reads the run's tables and nothing else; what a stage has not come to is said, not guessed.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import pyarrow.parquet as pq

from pipeline.assess import Judged
from pipeline.lineage import draft_id, origin, rate_text, remake_command
from pipeline.lookup import Found, assessments_of, find, find_problem, measured_again, read_rows_of, rejections_of
from pipeline.records import Agreement, Completion, Problem, Rejection, Trace, Verdict
from pipeline.run import Run

LONGEST: Final = 300  # characters of a reason or of evidence that are shown
LONGEST_TEXT: Final = 8000  # characters of a completion that are shown
NAME_WIDTH: Final = 10
MODEL_WRITTEN: Final = ("written", "evolved", "backward")


def explain(run: Run, identity: str) -> str:
    """Return the story of a problem, a completion, a trace ("<problem>/<completion>") or a refused draft.

    Six letters of its id are enough. Raises NotFound if there is none, or several.
    """
    return "\n".join(_explain(run, find(run, identity)))


def _explain(run: Run, found: list[Found]) -> Iterator[str]:
    by_kind = {one.kind: one for one in found}
    if "problem" in by_kind:
        places = dict.fromkeys(one for one in found if one.kind == "problem")
        for number, one in enumerate(places):
            yield from [""] * bool(number)
            yield from _problem_story(run, one)
    elif "completion" in by_kind:
        yield from _completion_story(run, by_kind["completion"])
    else:
        yield from _refused_story(run, by_kind.get("draft") or by_kind["refusal"])


def _problem_story(run: Run, found: Found) -> Iterator[str]:
    (problem, *_) = read_rows_of(run, Problem, ("generate", found.shard, "problems"), "id", [found.id])
    level = "" if problem.level is None else f", level {problem.level}"
    yield f"problem {problem.id}  {problem.strategy}: {problem.family}{level} ({problem.domain})"
    yield from (f"  {line}" for line in problem.question.splitlines())
    kind = f", {problem.answer_type}" if problem.answer_type else ""
    yield f"  → {'no gold yet' if problem.answer is None else problem.answer}  (verifier {problem.verifier}{kind})"
    yield from _section("generate", origin(run, problem, found.shard))
    for stage, tell in _STAGES.items():
        yield from _section(stage, tell(run, problem, found.shard))
    yield from _section("remake", _remake(run, problem, found.shard))


def _section(name: str, lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield f"{'' if number else name:<{NAME_WIDTH}} {line}"


def _remake(run: Run, problem: Problem, shard: str) -> Iterator[str]:
    yield remake_command(run, problem, shard)
    yield f"gradatim build {run.folder}/config.yaml --set run=again  (the whole run)"


def _screen(run: Run, problem: Problem, shard: str) -> Iterator[str]:
    passed = _passed_screen(run, problem, shard)
    if passed:
        yield "passed"
    yield from _rejected(run, "screen", shard, problem.id, "a copy of it was rejected" if passed else "rejected")


def _passed_screen(run: Run, problem: Problem, shard: str) -> bool:
    return bool(read_rows_of(run, Problem, ("screen", shard, "screened"), "id", [problem.id]))


def _solve(run: Run, problem: Problem, shard: str) -> Iterator[str]:
    for index, teacher in enumerate(run.config.teachers if _passed_screen(run, problem, shard) else ()):
        if ("solve", f"{index}-{shard}") in run.manifest.units:
            completions = _completions(run, index, shard, problem.id)
            tokens = sum(completion.completion_tokens for completion in completions)
            yield f"{teacher.model}, prompt {teacher.prompt}: {len(completions)} completions, {tokens:,} tokens"


def _agree(run: Run, problem: Problem, shard: str) -> Iterator[str]:
    for found in read_rows_of(run, Agreement, ("agree", shard, "agreements"), "problem_id", [problem.id]):
        original = "" if found.original in (None, found.answer) else f", originally {found.original}"
        share = "" if found.share is None else f", {found.share:.0%} of the votes"
        voices = f" by {'; '.join(found.voices)}" if found.voices else ""
        yield f"gold {found.status}: {found.answer}{original}{share}{voices}"
        if found.votes != "{}":
            yield _evidence(found.votes)
    yield from _rejected(run, "agree", shard, problem.id)


def _verify(run: Run, problem: Problem, shard: str) -> Iterator[str]:
    judged = [pair for index in range(len(run.config.teachers)) for pair in _judged(run, index, shard, problem.id)]
    if judged:
        counts = Counter(verdict.verdict for _, verdict in judged)
        yield ", ".join(f"{count} {name}" for name, count in counts.most_common())
    for completion, verdict in judged:
        yield f"  {completion.id}  {_verdict(verdict)}"


def _assess(run: Run, problem: Problem, shard: str) -> Iterator[str]:
    for found in assessments_of(run, shard, problem.id):
        agreed = "" if found.agreement is None else f"; {found.agreement:.0%} of the panel say {found.agreed_answer}"
        yield (
            f"{found.model}@{found.revision}: {rate_text(found)} ({found.interval_method}, {found.interval_level:g}), "
            f"{found.decision}; {found.stopping}{agreed}"
        )
    yield from _rejected(run, "assess", shard, problem.id)
    for again in measured_again(run, problem.id):
        yield f"measured again for {again.model}@{again.revision}: {rate_text(again)}, {again.decision}"


def _pool(run: Run, problem: Problem, shard: str) -> Iterator[str]:
    if ("pool", shard) not in run.manifest.units or rejections_of(run, "assess", shard, problem.id):
        return
    rejected = list(_rejected(run, "pool", shard, problem.id))
    if rejected or assessments_of(run, shard, problem.id):
        yield from rejected or ["in the pool"]


def _select(run: Run, problem: Problem, shard: str) -> Iterator[str]:
    for index in range(len(run.config.teachers)):
        for completion in _completions(run, index, shard, problem.id):
            yield from (f"{completion.id}  {line}" for line in _selection(run, shard, completion.id))


def _selection(run: Run, shard: str, completion_id: str) -> Iterator[str]:
    for trace in read_rows_of(run, Trace, ("select", shard, "traces"), "completion_id", [completion_id]):
        yield f"a trace: {trace.chosen_because}; {', '.join(trace.tags)}"
    yield from _rejected(run, "select", shard, completion_id)


def _export(run: Run, problem: Problem, _shard: str) -> Iterator[str]:
    if not run.manifest.of_stage("export"):
        yield "not exported yet"
        return
    places = []
    for path in run.manifest.paths("export", "export"):
        if path.suffix == ".parquet":
            wanted = [("problem_id", "==", problem.id)]
            rows = pq.read_table(path, columns=["problem_id"], filters=wanted, partitioning=None).num_rows
            places += [f"{path.parent.name}/{path.stem}: {rows} row{'s' if rows > 1 else ''}"] if rows else []
    yield ", ".join(places) or "in no table"


_STAGES: Final[dict[str, Callable[[Run, Problem, str], Iterator[str]]]] = {
    "screen": _screen,
    "solve": _solve,
    "agree": _agree,
    "verify": _verify,
    "assess": _assess,
    "pool": _pool,
    "select": _select,
    "export": _export,
}


def _completions(run: Run, index: int, shard: str, problem_id: str) -> list[Completion]:
    return read_rows_of(run, Completion, ("solve", f"{index}-{shard}", "completions"), "problem_id", [problem_id])


def _judged(run: Run, index: int, shard: str, problem_id: str) -> list[Judged]:
    """Return a problem's completions that have a verdict, with it."""
    rows = read_rows_of(run, Verdict, ("verify", f"{index}-{shard}", "verdicts"), "problem_id", [problem_id])
    verdicts = {verdict.completion_id: verdict for verdict in rows}
    completions = _completions(run, index, shard, problem_id)
    return [(completion, verdicts[completion.id]) for completion in completions if completion.id in verdicts]


def _verdict(verdict: Verdict) -> str:
    answered = "no answer" if verdict.extracted is None else f"answered {verdict.extracted[:LONGEST]}"
    return f"{verdict.verdict}, {answered}: {verdict.reason}"


def _rejected(run: Run, stage: str, shard: str, record_id: str, word: str = "rejected") -> Iterator[str]:
    for rejection in rejections_of(run, stage, shard, record_id):
        yield from _rejection(rejection, word)


def _rejection(rejection: Rejection, word: str = "rejected") -> Iterator[str]:
    score = "" if rejection.score is None else f" (score {rejection.score:.3g})"
    yield f"{word}, {rejection.filter}: {rejection.reason[:LONGEST]}{score}"
    if rejection.evidence != "{}":
        yield _evidence(rejection.evidence)


def _evidence(text: str) -> str:
    told = json.loads(text)
    pairs = (f"{key}={value}"[:LONGEST] for key, value in told.items()) if isinstance(told, dict) else [str(told)]
    return f"  {', '.join(pairs)}"


def _completion_story(run: Run, found: Found) -> Iterator[str]:
    (completion,) = read_rows_of(run, Completion, ("solve", found.shard, "completions"), "id", [found.id])[:1]
    shard = found.shard.partition("-")[2]
    yield f"completion {completion.id}  of {completion.model}@{completion.revision}, problem {completion.problem_id}"
    yield (
        f"  prompt {completion.prompt_version}, sample_index {completion.sample_index}, {completion.sampling}, "
        f"{completion.engine} {completion.engine_version}"
    )
    yield f"  {completion.completion_tokens} tokens, finish_reason {completion.finish_reason}:"
    for text in (completion.reasoning, completion.text):
        yield from (f"  | {line}" for line in (text or "")[:LONGEST_TEXT].splitlines())
    place = ("verify", found.shard, "verdicts")
    for verdict in read_rows_of(run, Verdict, place, "completion_id", [completion.id]):
        yield from _section("verify", iter([_verdict(verdict)]))
    yield from _section("verify", _rejected(run, "verify", found.shard, completion.id))
    yield from _section("select", _selection(run, shard, completion.id))
    yield ""
    problem = find_problem(run, completion.problem_id)
    if problem is not None:
        yield from _problem_story(run, Found("problem", completion.problem_id, problem[1]))


def _refused_story(run: Run, found: Found) -> Iterator[str]:
    """Tell of a draft, or of what a source gave that became no problem; a draft that did become one leads there."""
    drafts = read_rows_of(run, Completion, ("generate", found.shard, "drafts"), "id", [found.id])
    for draft in drafts:
        yield f"draft {draft.id}  by {draft.model}@{draft.revision}, prompt {draft.prompt_version}, shard {found.shard}"
        yield f"  {draft.completion_tokens} tokens, finish_reason {draft.finish_reason}:"
        yield f"  {draft.text}"
    if not drafts:
        yield f"{found.id}  no problem came of it, shard {found.shard}"
    yield from _section("generate", _rejected(run, "generate", found.shard, found.id))
    place = ("generate", found.shard, "problems")
    for problem in read_rows_of(run, Problem, place, "strategy", MODEL_WRITTEN) if drafts else ():
        if draft_id(problem.provenance) == found.id:
            yield ""
            yield from _problem_story(run, Found("problem", problem.id, found.shard))
