"""When enough completions of a problem are there: sequential sampling with a rule that says what it may get wrong.

`curtailed` (curtailed inspection, Dodge and Romig 1929) never changes a decision: it stops when no outcome of what is
left of the fixed number could. `bayesian` stops when the posterior puts the pass rate on one side of the band's edges.
Entries of `teachers` that are one model share one pass rate, so they stop on what they have together. Pure functions.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from pipeline.config import Assess, Band, Config, Stopping, Teacher
from pipeline.pass_rate import decide, interval
from pipeline.records import Decision, Problem, Verdict
from pipeline.sources import golds_are_settled
from pipeline.verifiers.golds import firm_status

FIXED: Final = "fixed"


class Beside(NamedTuple):
    """What the other entries of a teacher's model have of a problem, and how many completions they may still give."""

    successes: int = 0
    attempts: int = 0
    left: int = 0


ALONE: Final = Beside()


def rule_name(settings: Teacher) -> str:
    """Return what assessments say about how many completions were asked for."""
    rule = settings.stopping
    if rule is None:
        return FIXED
    detail = f"{rule.error_rate:g}, at most" if rule.rule == "bayesian" else "of"
    edge = f", edge {rule.edge}" if rule.edge else ""
    return f"{rule.rule} {detail} {settings.completions}{edge}"


def settled(successes: int, attempts: int, left: int, band: Band) -> Decision | None:
    """Return the decision if no outcome of `left` further completions can change it, or whether the problem is solved
    at all; else None.

    The final rate lies between "all that is left fails" and "all succeeds" (one that is undecided moves it less), and
    the decision is monotone in the rate. Without a success so far, a later one could still save the problem from being
    refused as unsolved.
    """
    if attempts == 0 or (successes == 0 and left):
        return None
    worst = decide(successes, attempts + left, band)
    return worst if worst == decide(successes + left, attempts + left, band) else None


def believed(successes: int, attempts: int, band: Band, error_rate: float) -> bool:
    """Tell whether the posterior Beta(successes + 1/2, failures + 1/2) puts all but `error_rate` of its mass on one of
    the three decisions."""
    from scipy.stats import beta

    low, high = beta.cdf((band.min_pass_rate, band.max_pass_rate), successes + 0.5, attempts - successes + 0.5)
    return bool(max(low, high - low, 1 - high) >= 1 - error_rate)


def on_an_edge(successes: int, attempts: int, settings: Assess) -> bool:
    """Tell whether the interval of the pass rate spans an edge of the band."""
    low, high = interval(successes, attempts, settings.interval, settings.level)
    return any(low < edge < high for edge in (settings.band.min_pass_rate, settings.band.max_pass_rate))


def wanted(settings: Teacher, assess: Assess, verdicts: Sequence[Verdict], others: Beside = ALONE) -> int:
    """Return how many completions of a problem are wanted in all, now that the first ones have these verdicts.

    It is at most the next wave, and no more than `completions` (or `edge`); what is there already if it is enough
    together with what the `others` have.
    """
    rule, asked, most = settings.stopping, len(verdicts), settings.completions
    if rule is None:
        return most
    successes, attempts = (here + there for here, there in zip(_tally(verdicts), others[:2], strict=True))
    if asked >= most:
        most = max(most, rule.edge or 0) if on_an_edge(successes, attempts, assess) else asked
    elif _enough(rule, assess.band, successes, attempts, most - asked + others.left):
        return asked
    return min(asked + rule.wave, most)


def _enough(rule: Stopping, band: Band, successes: int, attempts: int, left: int) -> bool:
    if rule.rule == "curtailed":
        return settled(successes, attempts, left, band) is not None
    return attempts > 0 and believed(successes, attempts, band, rule.error_rate)


def _tally(verdicts: Iterable[Verdict]) -> tuple[int, int]:
    """Count successes and attempts; what could not be judged is no attempt."""
    counted = [v.verdict for v in verdicts if v.verdict != "undecided"]
    return counted.count("correct"), len(counted)


def same_model(config: Config, index: int) -> list[int]:
    """Return the other entries of `teachers` that are the same model: assess puts them all into one pass rate."""
    models = [(teacher.model, teacher.revision) for teacher in config.teachers]
    return [other for other, model in enumerate(models) if other != index and model == models[index]]


def beside(config: Config, panel: Mapping[int, Sequence[Verdict]]) -> Beside:
    """Sum up the verdicts that other entries have of a problem."""
    left = (max(config.teachers[index].completions - len(verdicts), 0) for index, verdicts in panel.items())
    return Beside(*_tally(v for verdicts in panel.values() for v in verdicts), sum(left))


def votes_count(problem: Problem, config: Config) -> bool:
    """Tell whether the agree stage may give the problem another gold, or refuse the one it has, by how many completions
    agree: then all of them are wanted."""
    if problem.answer is None:
        return True
    if golds_are_settled(config.generate.sources) or firm_status(problem):
        return False
    return problem.strategy == "backward" or config.agree.disputed == "repair"


def lacking(config: Config, problem: Problem, panel: Sequence[Sequence[Verdict]]) -> list[int]:
    """Return how many completions of a problem, as it was asked, each teacher's stopping rule may still ask for, at
    most, beyond those with these verdicts; 0 for a teacher without one."""
    return [_lacking_of(config, problem, panel, index) for index in range(len(panel))]


def _lacking_of(config: Config, problem: Problem, panel: Sequence[Sequence[Verdict]], index: int) -> int:
    settings, asked = config.teachers[index], len(panel[index])
    if settings.stopping is None:
        return 0
    if not votes_count(problem, config):
        others = beside(config, {i: panel[i] for i in same_model(config, index)})
        if wanted(settings, config.assess, panel[index], others) <= asked:
            return 0
        if asked >= settings.completions:
            return (settings.stopping.edge or 0) - asked
    return max(settings.completions - asked, 0)
