"""Speed and agreement of the math verifier beside Math-Verify 0.9, both in one run: prints ratios and disagreements.

Usage: python -m tests.benchmarks.bench_verifier [rows]. Each library gets its best mode: Math-Verify with the
extraction for the kind of row, ours as it stands; our cache is emptied before every row kind but "repeats".
"""

import sys
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse
from math_verify import verify as math_verify

from pipeline.verifiers import judge
from pipeline.verifiers.judging import clear_cache

TEXT = "We compute step by step.\n\nThe final answer is $\\boxed{%s}$."


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
    start = time.process_time()
    verdicts = [judge_pair(pair) for pair in pairs]
    return time.process_time() - start, verdicts


def compare(name: str, pairs: Sequence[Pair], *, warm: bool = False) -> None:
    """Print one line of the table and every disagreement with its judgement."""
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


def main() -> None:
    """Run all comparisons."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    rng = Random(20_26)
    seconds(theirs, numeric_pairs(rng, 20) + symbolic_pairs(rng, 20))  # imports and first uses
    numeric = numeric_pairs(rng, count)
    mixed = numeric_pairs(rng, count * 7 // 10) + symbolic_pairs(rng, count * 3 // 10)
    rng.shuffle(mixed)
    compare("numeric", numeric)
    compare("mixed", mixed)
    compare("repeats", mixed, warm=True)


if __name__ == "__main__":
    main()
