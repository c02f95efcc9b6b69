"""The agree stage: what the panel's answers say about a problem's gold, before anything is judged by it.

Where there is no gold, the panel's stable answer is adopted; a gold that came with the problem is confirmed, disputed
or repaired; one that a program proved stands. A problem that has no stable answer, or several, is ill-posed and leaves
with the votes. Self-consistency after Wang et al. 2023 (arXiv 2203.11171); voices are models, or prompts of one model.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final, NamedTuple

from pipeline.config import Agree
from pipeline.manifest import Unit
from pipeline.progress import track
from pipeline.records import Agreement, Completion, GoldStatus, Problem, Rejection, canonical_json
from pipeline.run import Run, Work
from pipeline.store import read_records
from pipeline.verifiers.golds import canonical_form, check_gold, committed_answer, firm_status, judge_answer

STAGE: Final = "agree"
STABLE_VOTES: Final = 2  # one vote for an answer may be a slip, and says nothing about the question
MANY_ANSWERS: Final = 20  # of a long tail of answers, so many are kept as evidence
SMALL_DENOMINATORS: Final = (3, 6, 7, 9, 11, 12, 13)
_DECIMAL: Final = re.compile(r"-?\d{1,12}\.(\d{2,12})")


class Votes(NamedTuple):
    """The panel's committed answers by canonical form, each with the voices that gave it and its plainest spelling."""

    counts: Counter[str]
    voices: dict[str, tuple[str, ...]]
    spelling: dict[str, str]

    @property
    def evidence(self) -> str:
        """The most frequent answers with their votes, as canonical JSON."""
        return canonical_json({"votes": dict(self.counts.most_common(MANY_ANSWERS))})


def agree(run: Run) -> None:
    """Settle the golds of every screened shard that all teachers have solved."""
    units = run.manifest.of_stage("screen")
    settings = run.config.agree
    with track(STAGE, sum(unit.counts["kept"] for unit in units)) as progress:
        for unit in units:
            names = [f"{index}-{unit.shard}" for index in range(len(run.config.teachers))]
            solved = [run.manifest.units[("solve", name)] for name in names]
            work = run.unit(
                STAGE, unit.shard, settings.model_dump(mode="json"), unit.digest, [s.digest for s in solved]
            )
            if isinstance(work, Work):
                _agree_shard(run, unit, solved, work)
            progress.advance(unit.counts["kept"])
    wanted = {unit.shard for unit in units}
    run.manifest.forget(STAGE, keep=wanted.__contains__)


def _agree_shard(run: Run, unit: Unit, solved: Sequence[Unit], work: Work) -> None:
    problems = read_records(Problem, run.file(unit, "screened"))
    panel: dict[str, list[Completion]] = {}
    for part in solved:
        for completion in read_records(Completion, run.file(part, "completions")):
            panel.setdefault(completion.problem_id, []).append(completion)
    settled: list[Problem] = []
    agreements: list[Agreement] = []
    rejections: list[Rejection] = []
    for problem in problems:
        found = settle(problem, panel.get(problem.id, []), run.config.agree)
        if isinstance(found, Rejection):
            rejections.append(found)
        else:
            agreements.append(found)
            # The id stays that of the problem as it was asked: completions and children name it.
            settled.append(replace(problem, answer=found.answer))
    run.commit(
        work,
        {"settled": (Problem, settled), "agreements": (Agreement, agreements)},
        taken=len(problems),
        kept=len(settled),
        rejections=rejections,
    )


def settle(problem: Problem, panel: Sequence[Completion], settings: Agree) -> Agreement | Rejection:
    """Return where the problem's gold stands, or why there can be none."""
    firm = firm_status(problem)
    if problem.answer is not None and firm is not None:
        return Agreement(problem.id, firm, problem.answer, problem.answer, "{}", (), None)
    votes = count_votes(problem, panel)
    if problem.answer is None:
        return _adopt(problem, votes, settings)
    return _weigh(problem, problem.answer, votes, settings)


def count_votes(problem: Problem, panel: Sequence[Completion]) -> Votes:
    """Count the panel's committed answers; those that were cut off or commit to nothing have no vote."""
    counts: Counter[str] = Counter()
    voices: dict[str, set[str]] = {}
    spelling: dict[str, str] = {}
    for completion in panel:
        answer = committed_answer(completion)
        if not answer:
            continue
        form = canonical_form(problem, answer)
        counts[form] += 1
        voices.setdefault(form, set()).add(f"{completion.model}@{completion.revision} {completion.prompt_version}")
        spelling[form] = min(spelling.get(form, answer), answer, key=lambda text: (len(text), text))
    return Votes(counts, {form: tuple(sorted(names)) for form, names in voices.items()}, spelling)


def _adopt(problem: Problem, votes: Votes, settings: Agree) -> Agreement | Rejection:
    """Adopt the panel's stable answer as the gold, or say why there is none."""
    if not votes.counts:
        return _refusal(problem, "no committed answer", "no recorded completion commits to an answer", votes, 0.0)
    top, second = _two_best(votes)
    share = votes.counts[top] / votes.counts.total()
    divided = second / votes.counts.total() >= settings.stable_share
    if divided and second >= STABLE_VOTES:
        text = f"several stable answers: {_shares(votes)}"
        return _refusal(problem, "several stable answers", text, votes, share)
    if divided or not _stands(votes, top, settings):
        count = f"{votes.counts[top]} of {votes.counts.total()} votes by {len(votes.voices[top])} voices for {top[:80]}"
        return _refusal(problem, "no agreement", f"{count}; {_demanded(settings)}", votes, share)
    adopted = replace(problem, answer=votes.spelling[top])
    if looks_rounded(votes.spelling[top]):
        text = f"the panel agrees on {votes.spelling[top]}, which is a fraction cut short: no exact gold"
        return _refusal(problem, "rounded gold", text, votes, share)
    fault = check_gold(adopted)
    if fault is not None:
        return _refusal(problem, "no agreement", f"the agreed answer cannot be a gold: {fault}", votes, share)
    return _agreement(problem, "adopted", votes.spelling[top], votes, top)


def _weigh(problem: Problem, gold: str, votes: Votes, settings: Agree) -> Agreement | Rejection:
    """Confirm a gold that came with the problem, or dispute it: no completion reached it and another answer stands.

    A question that was written to its answer (backward generation) has to be confirmed: nothing else vouches for it.
    """
    # By the verifier, not by form: "$27" is reached by 27.
    reached = [form for form in votes.counts if judge_answer(problem, votes.spelling[form]).verdict == "correct"]
    top = _two_best(votes)[0] if votes.counts else None
    stands = top is not None and _stands(votes, top, settings)
    if top is not None and top in reached and stands:
        return _agreement(problem, "confirmed", gold, votes, top)
    share = votes.counts[top] / votes.counts.total() if top is not None else 0.0
    if problem.strategy == "backward":
        text = f"written for {gold[:80]}, the panel says {_shares(votes) or 'nothing'}"
        return _refusal(problem, "not confirmed", text, votes, share)
    if reached or not stands or top is None or settings.disputed == "keep":
        return _agreement(problem, "given", gold, votes, reached[0] if reached else None)
    repaired = replace(problem, answer=votes.spelling[top])
    if settings.disputed == "repair" and check_gold(repaired) is None:
        return _agreement(problem, "repaired", votes.spelling[top], votes, top)
    return _refusal(problem, "disputed gold", f"the gold is {gold[:80]}, the panel says {_shares(votes)}", votes, share)


def _agreement(problem: Problem, status: GoldStatus, answer: str, votes: Votes, form: str | None) -> Agreement:
    """Return an agreement; `form` is the answer as the panel gave it, None if it did not."""
    share = votes.counts[form or ""] / votes.counts.total() if votes.counts else None
    voices = votes.voices.get(form or "", ())
    return Agreement(problem.id, status, answer, problem.answer, votes.evidence, voices, share)


def looks_rounded(answer: str) -> bool:
    """Tell whether a decimal is what a fraction with a small denominator rounds to: 13.33 is 40/3 cut short."""
    found = _DECIMAL.fullmatch(answer)
    if found is None:
        return False
    places, value = len(found[1]), Fraction(answer)
    close = (Fraction(round(value * d), d) for d in SMALL_DENOMINATORS)
    return any(fraction != value and round(fraction, places) == value for fraction in close)


def _two_best(votes: Votes) -> tuple[str, int]:
    """Return the most frequent answer (the first in order of equals) and the votes of the one behind it."""
    ordered = sorted(votes.counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ordered[0][0], ordered[1][1] if len(ordered) > 1 else 0


def _stands(votes: Votes, form: str, settings: Agree) -> bool:
    count = votes.counts[form]
    enough = count >= settings.min_votes and count / votes.counts.total() >= settings.min_share
    return enough and len(votes.voices[form]) >= settings.min_voices


def _demanded(settings: Agree) -> str:
    needed = f"{settings.min_votes} votes, {settings.min_voices} voices and {settings.min_share:.0%} are needed"
    return f"{needed}, and less than {settings.stable_share:.0%} for any other answer"


def _shares(votes: Votes) -> str:
    return ", ".join(f"{form[:60]} ({count})" for form, count in votes.counts.most_common(4))


def _refusal(problem: Problem, name: str, reason: str, votes: Votes, share: float) -> Rejection:
    return Rejection(problem.id, STAGE, name, reason, share, votes.evidence)
