"""Decontamination: the index against an n-gram set lookup in the manner of open-r1, in one run.

    python tests/benchmarks/bench_contamination.py --rows train.jsonl --benchmark aime24.jsonl amc23.jsonl --show 20

Prints rows a second on one core (the arms take turns, the median counts), the share of planted leaks found, of eight
kinds, and the share of clean rows taken for leaks. Without files: template problems and the excerpt that the tests use,
half of the families and of the excerpt as the benchmark, the rest as clean rows. Forty short questions join the
benchmark. The reference builds a row's set of lower-case 8-grams and looks each up in one set of all benchmarks'.
"""

import argparse
import json
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from filters.contamination import ContaminationIndex
from filters.contamination_benchmark import BenchmarkQuestion, read_benchmarks
from generators.templates import FAMILIES
from generators.templates.family import generate_problem
from pipeline.contamination_settings import Decontamination
from pipeline.rows import read_rows, text_of
from pipeline.seeds import rng_for

NGRAM: Final = 8
EXCERPT: Final = Path(__file__).parents[1] / "data" / "gsm8k_excerpt.jsonl"
NAMES: Final = ("Zainab", "Tomasz", "Mirela", "Kwame", "Ingrid", "Hiroto", "Odalys", "Fionn", "Leilani", "Bogdan")
MATHS: Final = re.compile(r"(\$[^$]*\$|\\\[.*?\\\])", re.DOTALL)
Plant = Callable[[str, random.Random, Sequence[str]], str | None]


class ReferenceIndex:
    """The 8-grams of all benchmark questions, lower-cased and split at blanks, in one set."""

    def __init__(self, questions: Sequence[str]) -> None:
        self._ngrams = {ngram for question in questions for ngram in self._of(question)}

    @staticmethod
    def _of(text: str) -> set[str]:
        words = text.lower().split()
        return {" ".join(words[start : start + NGRAM]) for start in range(len(words) - NGRAM + 1)}

    def check(self, text: str) -> bool:
        return any(ngram in self._ngrams for ngram in self._of(text))


def outside_maths(change: Callable[[str], str], text: str) -> str:
    return "".join(part if number % 2 else change(part) for number, part in enumerate(MATHS.split(text)))


def verbatim(text: str, rng: random.Random, clean: Sequence[str]) -> str | None:
    return text


def case_and_punctuation(text: str, rng: random.Random, clean: Sequence[str]) -> str | None:
    cased = rng.choice([str.upper, str.lower, str.title])
    mark = rng.choice(["", " ", " - "])
    return outside_maths(lambda part: re.sub(r"[.,;:?!](?!\d)", mark, cased(part)), text)


def renamed(text: str, rng: random.Random, clean: Sequence[str]) -> str | None:
    prose = " ".join(MATHS.split(text)[::2])
    people = sorted(set(re.findall(r"(?<=[a-z,] )[A-Z][a-z]{2,}", prose)))
    if not people:
        return None
    new = dict(zip(people, rng.sample(NAMES, min(len(people), len(NAMES))), strict=False))
    return re.sub(r"\b[A-Z][a-z]+", lambda match: new.get(match[0], match[0]), text)


def other_numbers(text: str, rng: random.Random, clean: Sequence[str]) -> str | None:
    def other(match: re.Match[str]) -> str:
        low = 10 ** (len(match[0]) - 1) + 1
        return str(rng.choice([n for n in (rng.randint(low, 10 * low) for _ in range(5)) if str(n) != match[0]] or [0]))

    return re.sub(r"\d{1,9}", other, text) if re.search(r"\d", text) else None


def reordered(text: str, rng: random.Random, clean: Sequence[str]) -> str | None:
    sentences = re.split(r"(?<=[.?!])\s+", text.strip())
    if len(sentences) < 2:
        return None
    start = rng.randrange(1, len(sentences))
    return " ".join(sentences[start:] + sentences[:start])


def embedded(text: str, rng: random.Random, clean: Sequence[str]) -> str | None:
    return f"{rng.choice(clean)} Now something else. {text} Then go on: {rng.choice(clean)}"


def respelt(text: str, rng: random.Random, clean: Sequence[str]) -> str | None:
    if "$" not in text and "\\" not in text:
        return None
    text = re.sub(r"\\[dt]?frac(?=\W)", lambda _: rng.choice([r"\dfrac", r"\tfrac"]), text)
    text = re.sub(r"\$([^$]+)\$", r"\\( \1 \\)" if rng.random() < 0.5 else r"$\\displaystyle{} \1$", text)
    text = re.sub(r"\^(\d)", r"^{\1}", text).replace(r"\le ", r"\leq ").replace(r"\cdot", r"\times")
    return text.replace(r"\left", "").replace(r"\right", "")


KINDS: Final[dict[str, Plant]] = {
    "verbatim": verbatim,
    "short": verbatim,
    "case and punctuation": case_and_punctuation,
    "renamed people": renamed,
    "other numbers": other_numbers,
    "reordered sentences": reordered,
    "in a longer text": embedded,
    "LaTeX respelt": respelt,
}


def short_questions(count: int) -> list[str]:
    """Questions of fewer words than an n-gram has."""
    texts = []
    for number in range(count):
        rng = rng_for("bench/contamination/short", 0, number)
        a, b, c, d = (rng.randint(2, 99) for _ in range(4))
        forms = (
            rf"Compute $\frac{{{a}}}{{{b}}} + \frac{{{c}}}{{{d}}}$.",
            rf"What is ${a} \times {b} - {c}$?",
            f"Solve $x^2 - {a + b}x + {a * b} = 0$.",
            f"Find the greatest common divisor of {a * b} and {a * c}.",
        )
        texts.append(forms[number % len(forms)])
    return texts


def planted(questions: Sequence[str], shorts: Sequence[str], clean: Sequence[str]) -> dict[str, list[str]]:
    """Leaks by kind; a question that a kind does not apply to (nobody to rename) gives none."""
    leaks: dict[str, list[str]] = {}
    for kind, plant in KINDS.items():
        chosen = shorts if kind == "short" else questions
        made = (plant(t, rng_for(f"bench/contamination/{kind}", 0, n), clean) for n, t in enumerate(chosen))
        leaks[kind] = [text for text in made if text is not None]
    return leaks


def shipped() -> tuple[list[BenchmarkQuestion], list[str]]:
    """Benchmark questions and clean rows for a machine without data."""
    excerpt = [json.loads(line)["question"] for line in EXCERPT.read_text(encoding="utf-8").splitlines()]
    families = list(FAMILIES.values())
    made = [generate_problem(family, 0, index).question for family in families[::2] for index in range(3)]
    others = [generate_problem(family, 0, index).question for family in families[1::2] for index in range(150)]
    texts = [*excerpt[::2], *made]
    return [BenchmarkQuestion(str(n), "shipped", text) for n, text in enumerate(texts)], [*excerpt[1::2], *others]


def seconds(check: Callable[[str], object], rows: Sequence[str]) -> float:
    started = time.process_time()
    for row in rows:
        check(row)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, help="clean rows")
    parser.add_argument("--benchmark", type=Path, nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print so many false hits and missed leaks")
    arguments = parser.parse_args()
    questions, clean = shipped()
    settings = Decontamination(benchmarks=tuple(arguments.benchmark))
    questions = read_benchmarks(settings) or questions
    if arguments.rows:
        clean = [text_of(row.fields or {}, settings.questions) or "" for row in read_rows(arguments.rows)]
    shorts = short_questions(40)
    everything = [*questions, *(BenchmarkQuestion(str(n), "short", text) for n, text in enumerate(shorts))]
    index = ContaminationIndex(everything, settings)
    reference = ReferenceIndex([question.text for question in everything])
    arms: dict[str, Callable[[str], object]] = {"gradatim": index.check, "8-gram set": reference.check}
    timed = [{name: seconds(check, clean) for name, check in arms.items()} for _ in range(arguments.rounds)]
    rate = {name: len(clean) / statistics.median(times[name] for times in timed) for name in arms}
    print(f"{len(clean):,} clean rows against {len(everything):,} benchmark questions ({len(shorts)} short)")
    print(f"{'':<34}{'gradatim':>12}{'8-gram set':>12}")
    print(f"{'rows/s on one core':<34}{rate['gradatim']:>12,.0f}{rate['8-gram set']:>12,.0f}")
    false = {name: [row for row in clean if check(row)] for name, check in arms.items()}
    print(f"{'false hits':<34}" + "".join(f"{len(false[name]) / len(clean):>12.3%}" for name in arms))
    leaks = planted([question.text for question in questions], shorts, clean)
    missed = {name: {kind: [t for t in texts if not arms[name](t)] for kind, texts in leaks.items()} for name in arms}
    totals = {kind: (len(made), [len(missed[name][kind]) for name in arms]) for kind, made in leaks.items()}
    columns = zip(*(lost for _, lost in totals.values()), strict=True)
    totals["all"] = (sum(count for count, _ in totals.values()), [sum(column) for column in columns])
    for kind, (count, lost) in totals.items():
        cells = "".join(f"{1 - lost_here / max(count, 1):>12.2%}" for lost_here in lost)
        print(f"{f'found: {kind} ({count})':<34}{cells}")
    for row in false["gradatim"][: arguments.show]:
        print(f"\nfalse hit: {row}\n  {index.check(row)}")
    for kind, texts in missed["gradatim"].items():
        for text in texts[: arguments.show]:
            print(f"\nmissed ({kind}): {text}")


if __name__ == "__main__":
    main()
