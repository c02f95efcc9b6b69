"""When enough completions of a problem are there: sequential sampling with a rule that says what it may get wrong.

`curtailed` (curtailed inspection, Dodge and Romig 1929) never changes a decision: it stops when no outcome of what is
left of the fixed number could. `bayesian` stops when the posterior puts the pass rate on one side of the band's edges.
"""

from collections.abc import Sequence
from typing import Final

from pipeline.config import Assess, Band, Stopping, Teacher
from pipeline.pass_rate import decide, interval
from pipeline.records import Decision, Verdict

FIXED: Final = "fixed"


def rule_name(settings: Teacher) -> str:
    """Return what assessments say about how many completions were asked for."""
    rule = settings.stopping
    if rule is None:
        return FIXED
    detail = f"{rule.error_rate:g}, at most" if rule.rule == "bayesian" else "of"
    edge = f", edge {rule.edge}" if rule.edge else ""
    return f"{rule.rule} {detail} {settings.completions}{edge}"


def settled(successes: int, attempts: int, left: int, band: Band) -> Decision | None:
    """Return the decision if no outcome of `left` further completions can change it, else None.

    The final rate lies between "all that is left fails" and "all succeeds" (one that is undecided moves it less), and
    the decision is monotone in the rate.
    """
    if attempts == 0:
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


def wanted(settings: Teacher, assess: Assess, verdicts: Sequence[Verdict]) -> int:
    """Return how many completions of a problem are wanted in all, now that the first ones have these verdicts.

    It is at most the next wave, and no more than `completions` (or `edge`); what is there already if it is enough.
    """
    rule, asked, most = settings.stopping, len(verdicts), settings.completions
    if rule is None:
        return most
    attempts = sum(v.verdict != "undecided" for v in verdicts)
    successes = sum(v.verdict == "correct" for v in verdicts)
    if asked >= most:
        most = max(most, rule.edge or 0) if on_an_edge(successes, attempts, assess) else asked
    elif _enough(rule, assess.band, successes, attempts, most - asked):
        return asked
    return min(asked + rule.wave, most)


def _enough(rule: Stopping, band: Band, successes: int, attempts: int, left: int) -> bool:
    if rule.rule == "curtailed":
        return settled(successes, attempts, left, band) is not None
    return attempts > 0 and believed(successes, attempts, band, rule.error_rate)
