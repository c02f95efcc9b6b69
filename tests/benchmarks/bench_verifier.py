"""Speed and agreement of the math verifier beside Math-Verify 0.9, both in one run, and how it bears hostile rows.

    python tests/benchmarks/bench_verifier.py [rows]

Each library gets its best mode: Math-Verify with the extraction for the kind of row, ours as it stands; our cache is
emptied before every row kind but "repeats". Times are processor time of this process and its workers. Every
disagreement is listed with who is right. Exit status 1 where they agree on less than 99 % of the benign rows.
"""

import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Final, NamedTuple

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse
from math_verify import verify as math_verify

from pipeline.sandbox import processor_seconds
from pipeline.verifiers import judge
from pipeline.verifiers.judging import clear_cache
from pipeline.verifiers.rows import verify_rows
from pipeline.verifiers.worker import configure, shared_pool
from tests.pipeline.hostile_rows import HANGING, REFUSED, Row, honest_rows, hostile_rows

WORKERS: Final = 2
DEADLINE: Final = 0.5
PREFIX: Final = 10_000
TEXT: Final = "We compute step by step.\n\nThe final answer is $\\boxed{%s}$."


class Pair(NamedTuple):
    """A gold, an answer, whether they are equal, and whether both are plain numbers."""

    gold: str
    answer: str
    equal: bool
    numeric: bool


def numeric_pairs(rng: Random, count: int) -> list[Pair]:
    """Integers, decimals and fractions; half of the answers are off by one."""
    pairs = []
    for k in range(count):
        n, d = rng.randint(-(10**5), 10**5), rng.randint(2, 99)
        off = k % 2
        forms = [(str(n), str(n + off)), (f"{n}/{d}", f"\\frac{{{n + off}}}{{{d}}}"), (f"{n}.5", f"{n + off}.50")]
        gold, answer = forms[k % 3]
        pairs.append(Pair(gold, answer, not off, True))
    return pairs


def symbolic_pairs(rng: Random, count: int) -> list[Pair]:
    """Products expanded, surds, identities, fractions of polynomials; half of the answers are wrong."""
    pairs = []
    for k in range(count):
        a, b = rng.randint(2, 9), rng.randint(10, 60)
        off = k % 2
        forms = [
            (f"x^2+{a + b}x+{a * b + off}", f"(x+{a})(x+{b})"),
            (f"{a}\\sqrt{{{b}}}", f"\\sqrt{{{a * a * b + off}}}"),
            (f"\\frac{{x+{a + off}}}{{x-{b}}}", f"1+\\frac{{{a + b}}}{{x-{b}}}"),
            (f"\\sin^2 x+{a}", f"{a + 1 + off}-\\cos^2 x"),
            (f"{a}\\pi+{b}", f"{b + off}+{a}\\pi"),
        ]
        gold, answer = forms[k % 5]
        pairs.append(Pair(gold, answer, not off, False))
    return pairs


def ours(pair: Pair) -> bool:
    """Judge by this project."""
    return judge("math", pair.gold, TEXT % pair.answer).verdict == "correct"


def theirs(pair: Pair) -> bool:
    """Judge by Math-Verify: plain numbers without LaTeX where the row allows it, boxed LaTeX elsewhere."""
    if pair.numeric and "\\" not in pair.answer:
        config = [ExprExtractionConfig()]
        return bool(math_verify(parse(pair.gold, config), parse(pair.answer, config)))
    config = [LatexExtractionConfig()]
    return bool(math_verify(parse(f"${pair.gold}$", config), parse(f"${pair.answer}$", config)))


def seconds(judge_pair: Callable[[Pair], bool], pairs: Sequence[Pair]) -> tuple[float, list[bool]]:
    """Return the processor time for all pairs (other work on the machine does not count) and the verdicts."""
    start = processor_time()
    verdicts = [judge_pair(pair) for pair in pairs]
    return processor_time() - start, verdicts


def processor_time() -> float:
    """Return the processor time that this process and its idle workers have had."""
    return time.process_time() + sum(map(processor_seconds, shared_pool().pids()))


def compare(name: str, pairs: Sequence[Pair], *, warm: bool = False) -> bool:
    """Print one line of the table and every disagreement with its judgement. Returns whether 99 % agree."""
    clear_cache()
    if warm:
        seconds(ours, pairs)
    our_time, our_verdicts = seconds(ours, pairs)
    their_time, their_verdicts = seconds(theirs, pairs)
    agreed = sum(a == b for a, b in zip(our_verdicts, their_verdicts, strict=True))
    right = [sum(v == p.equal for v, p in zip(vs, pairs, strict=True)) for vs in (our_verdicts, their_verdicts)]
    per_row = [f"{t / len(pairs) * 1e6:.1f}" for t in (our_time, their_time)]
    print(
        f"{name}: n={len(pairs)} ratio={their_time / our_time:.1f} ours_us={per_row[0]} math_verify_us={per_row[1]} "
        f"agreement={agreed / len(pairs):.4f} ours_right={right[0]} math_verify_right={right[1]}"
    )
    for a, b, pair in zip(our_verdicts, their_verdicts, pairs, strict=True):
        if a != b:
            who = "ours is right" if a == pair.equal else "Math-Verify is right"
            print(f"  disagreement: gold {pair.gold!r} answer {pair.answer!r} ours={a} math_verify={b}: {who}")
    return agreed >= 0.99 * len(pairs)


def judged(rows: Iterable[Row]) -> list[str]:
    """Return the verdicts of rows judged as `gradatim verify` does: on several threads, in order."""
    with ThreadPoolExecutor(4 * WORKERS) as threads:
        return [verdict for (verdict,) in threads.map(lambda r: [v["verdict"] for v in verify_rows([r])], rows)]


def hostile_among_honest() -> None:
    """Print how long 200 rows that hang take among 2,000 honest ones, beside their deadlines alone."""
    hostile, honest = hostile_rows(HANGING, 200), honest_rows(2_000)
    order = [*((row, "") for row in hostile), *honest]
    Random(3).shuffle(order)
    start = time.monotonic()
    verdicts = judged(row for row, _ in order)
    taken, alone = time.monotonic() - start, len(hostile) * DEADLINE / WORKERS
    wrong = sum(v != wanted if wanted else v == "correct" for v, (_, wanted) in zip(verdicts, order, strict=True))
    print(f"hostile among honest: seconds={taken:.1f} deadlines_s={alone:.0f} ratio={taken / alone:.2f} wrong={wrong}")


def slowest_call() -> None:
    """Print by how much a call outlives its deadline: each kind of row that hangs, one at a time."""
    over = {}
    for row in hostile_rows(HANGING, 3 * len(HANGING))[::-1]:
        judged(r for r, _ in honest_rows(6, seed=99))  # replaces the worker that was killed
        clear_cache()
        start = time.monotonic()
        list(verify_rows([row]))
        over[row["id"]] = time.monotonic() - start - DEADLINE
    name = max(over, key=lambda k: over[k])
    print(f"after the deadline: p50_s={statistics.median(over.values()):.3f} max_s={over[name]:.3f} ({name})")


def honest_speed(first_seed: int) -> tuple[float, float, int]:
    """Return honest rows a second by the wall clock, and by processor time, in the median block; and wrong verdicts."""
    speeds, wrong = [], 0
    for seed in range(first_seed, first_seed + 9):
        rows = honest_rows(600, seed)
        wall, busy = time.monotonic(), processor_time()
        verdicts = judged(row for row, _ in rows)
        speeds.append((len(rows) / (time.monotonic() - wall), len(rows) / (processor_time() - busy)))
        wrong += sum(v != wanted for v, (_, wanted) in zip(verdicts, rows, strict=True))
    by_wall, by_processor = (statistics.median(column) for column in zip(*speeds, strict=True))
    return by_wall, by_processor, wrong


def after_hostile_prefix() -> None:
    """Print the speed of honest rows behind 10,000 hostile ones beside their speed before, and the memory it took."""
    honest_speed(100)
    before, memory = honest_speed(200), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    hostile = [*hostile_rows(REFUSED, PREFIX - 100), *hostile_rows(HANGING, 100)]
    Random(4).shuffle(hostile)
    start = time.monotonic()
    paid = judged(hostile).count("correct")
    taken = time.monotonic() - start
    after = honest_speed(300)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) >> 10
    limits = [resource.prlimit(pid, resource.RLIMIT_AS)[0] >> 20 for pid in shared_pool().pids()]
    by_wall, by_processor = (b / a for a, b in zip(before[:2], after[:2], strict=True))
    print(
        f"{PREFIX:,} hostile rows: seconds={taken:.1f} paid={paid} memory: this process +{grown} MiB, "
        f"workers at most {limits} MiB\n"
        f"honest rows behind them: speed_ratio={by_processor:.2f} (by the wall clock {by_wall:.2f}, "
        f"{before[0]:,.0f} rows/s before, {after[0]:,.0f} after) wrong={before[2] + after[2]}"
    )


def main() -> int:
    """Run all comparisons."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    rng = Random(20_26)
    seconds(theirs, numeric_pairs(rng, 20) + symbolic_pairs(rng, 20))  # imports and first uses
    numeric = numeric_pairs(rng, count)
    mixed = numeric_pairs(rng, count * 7 // 10) + symbolic_pairs(rng, count * 3 // 10)
    rng.shuffle(mixed)
    good = [compare("numeric", numeric), compare("mixed", mixed), compare("repeats", mixed, warm=True)]
    configure(workers=WORKERS, deadline=DEADLINE)
    slowest_call()
    hostile_among_honest()
    after_hostile_prefix()
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
