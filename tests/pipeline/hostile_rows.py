"""Rows for tests and benchmarks of the math verifier: honest ones with their verdicts, and ones made to hang it.

HANGING: each keeps SymPy busy for minutes in a worker; no two rows are alike. REFUSED: the usual monsters, which the
parser, exact arithmetic or numeric comparison end at once, so that no worker ever sees them.
"""

from collections.abc import Callable
from itertools import combinations
from typing import Any, Final

from pipeline.seeds import rng_for

Row = dict[str, Any]
Kind = tuple[str, str | None, Callable[[int], str]]
FIRST: Final = 10


def row(identity: str, gold: str, answer: str, answer_type: str | None) -> Row:
    """Return a row as `gradatim verify` reads it."""
    completion = f"So it is\n\n$\\boxed{{{answer}}}$."
    return {"id": identity, "answer": gold, "answer_type": answer_type, "completion": completion}


def _plane(names: str) -> str:
    """Return a gold in these variables that no hostile equation is a multiple of."""
    return "+".join(names) + "=1"


def _fractions(names: str, n: int) -> str:
    return "+".join(f"\\frac{{{k}}}{{{name}+{n}}}" for k, name in enumerate(names, 2))


def _nested_fraction(names: str, n: int) -> str:
    first, rest = f"{names[0]}+{n}", names[1:]
    return f"\\frac{{{first}}}{{{names[0]}^2+{_nested_fraction(rest, n)}}}" if rest else first


def _pairs(names: str, n: int) -> str:
    return "".join(f"({x}+{y}+{n})" for x, y in combinations(names, 2))


def _double_angles(n: int) -> str:
    return "64" + "".join(f"\\cos({2**k}x)" for k in range(6)) + f"\\sin x+\\sin({n}x)+10^{{-90}}"


def _radicals(n: int) -> str:
    return f"\\sqrt{{2+\\sqrt{{3+\\sqrt{{{n}+\\ln(e^{{e^{{e^{{e^{{x^2+9}}}}}}}})}}}}}}"


HANGING: Final[dict[str, Kind]] = {
    "power of a sum": (_plane("abcdf"), "equation", lambda n: f"(a+2b+3c+4d+{n}f+1)^{{20}}=7"),
    "tower of powers": (_plane("abcdf"), "equation", lambda n: f"((((a+b)^4+{n}c)^4+d)^3+f)^3=7"),
    "product of pairs": (_plane("abcdfgh"), "equation", lambda n: f"{_pairs('abcdfgh', n)}=7"),
    "power of fractions": (_plane("abcdf"), "equation", lambda n: f"({_fractions('abcdf', n)})^{{12}}=7"),
    "nested fractions": (_plane("abcdfgh"), "equation", lambda n: f"({_nested_fraction('abcdfgh', n)})^9=7"),
    "large coefficients": (_plane("abcdf"), "equation", lambda n: f"({10**9 + n}a+{10**8}b+{10**7}c+d+f)^{{18}}=7"),
    "common divisors": (
        _plane("ab"),
        "equation",
        lambda n: f"(a^{{40}}+b^{{41}}+{n})^4(a^{{39}}+b^{{38}}+3)^3=(a^{{40}}+b^{{41}}+1)^3(a^{{37}}-b)^5",
    ),
    "double angles": ("\\sin(64x)", "expression", _double_angles),
    "towers of e": ("\\sin(e^{e^{e^{x^2+9}}})", "expression", lambda n: f"\\cos(e^{{e^{{e^{{x^2+{n}}}}}}})"),
    "nested radicals": (_radicals(5), "expression", _radicals),
}
REFUSED: Final[dict[str, Kind]] = {
    "factorials in a power": (_plane("abcdf"), "equation", lambda n: f"(9!a+10!b+11!c+12!d+{n}f)^{{18}}=7"),
    "tower of numbers": ("7", None, lambda n: f"9^{{9^{{9^{{{n}}}}}}}"),
    "tower of x": ("x", "expression", lambda n: f"x^{{x^{{x^{{x^{{x^{{{n}}}}}}}}}}}"),
    "factorial of a factorial": ("7", None, lambda n: f"(({n}!)!)!"),
    "factorial of a power": ("7", "integer", lambda n: f"(10^{{{n}}})!"),
    "power of a thousand": ("x=1", "equation", lambda n: f"(x+1)^{{{3000 + n}}}=(x-1)^{{2999}}+7"),
    "deep radicals": ("2", None, lambda n: f"\\sqrt{{{n}+" * 200 + "1" + "}" * 200),
    "deep fractions": ("x", "expression", lambda n: f"\\frac{{1}}{{{n}+" * 200 + "x" + "}" * 200),
    "deep functions": ("1", None, lambda n: "\\sin(\\cos(" * 200 + f"{n}" + "))" * 200),
    "big binomial": ("7", "integer", lambda n: f"\\binom{{10^{{{n}}}}}{{5^{{{n}}}}}"),
    "long sum": ("1", "expression", lambda n: "+".join(f"\\sin({k}x)\\cos({n}x)" for k in range(300))),
    "open brackets": ("1", None, lambda n: "(" * 10_000 + str(n)),
    "open braces": ("1", None, lambda n: "{" * 10_000 + str(n)),
}


def hostile_rows(kinds: dict[str, Kind], count: int) -> list[Row]:
    """Return hostile rows of all these kinds in turn; none of them may be called correct."""
    names = list(kinds)
    rows = []
    for k in range(count):
        gold, answer_type, text = kinds[names[k % len(names)]]
        rows.append(row(f"hostile-{k} ({names[k % len(names)]})", gold, text(FIRST + k // len(names)), answer_type))
    return rows


def honest_rows(count: int, seed: int = 0) -> list[tuple[Row, str]]:
    """Return honest rows with their verdicts: plain numbers, sets, expressions, and one in six for a worker."""
    rows = []
    for k in range(count):
        rng = rng_for("honest rows", seed, k)
        n, d = rng.randint(2, 10**6), rng.randint(2, 99)
        off = int(k % 4 == 3)
        gold, answer, answer_type = [
            (str(n), f"{n + off:,}", "integer"),
            (f"{n}/{d}", f"\\frac{{{2 * n + off}}}{{{2 * d}}}", "rational"),
            (f"{{{n}, {d}}}", f"\\{{{d}, {n + off}\\}}", "set"),
            (f"x^2+{n + d}x+{n * d}", f"(x+{n})(x+{d + off})", "expression"),
            (f"{n}.5", f"{n + off}\\frac{{1}}{{2}}", "rational"),
            (f"y=\\frac{{{n}}}{{x+{d}}}", f"xy+{d}y={n + off}", "equation"),
        ][k % 6]
        rows.append((row(f"honest-{seed}-{k}", gold, answer, answer_type), "incorrect" if off else "correct"))
    return rows
