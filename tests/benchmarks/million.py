"""The dedup verb on a million short problems with planted duplicates: time, peak memory, recall and precision.

Run by bench_dedup.py --million. The file is made in one process and filtered in another, whose peak memory counts.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filters.shingles import jaccard, shingle_sets, tokenise
from flows.dedup_command import dedup_file
from generators.templates import FAMILIES
from generators.templates.family import generate_problem
from pipeline.seeds import rng_for
from pipeline.sift import rejected_path

THRESHOLD: Final = 0.8
PRECISION_OF: Final = 50_000


def similarity(first: str, second: str) -> float:
    """Return the exact Jaccard similarity of two questions."""
    return jaccard(*(shingle_sets(tokenise(text), 3, False)[0] for text in (first, second)))


def question(number: int) -> str:
    families = list(FAMILIES.values())
    return generate_problem(families[number % len(families)], 1, number // len(families)).question


def rows(count: int) -> Iterator[dict[str, object]]:
    """Template problems; of ten, one is an earlier one respelt and one an earlier one with a word or two changed."""
    for number in range(count):
        if number < 10 or number % 10 > 1:
            yield {"id": str(number), "question": question(number)}
            continue
        rng = rng_for("bench/million", 0, number)
        original = rng.randrange(number // 10) * 10 + rng.randrange(2, 10)
        text = question(original)
        if number % 10 == 0:
            changed = f" {text.upper()}  " if rng.random() < 0.5 else text.replace(" ", "\n")
        else:
            words = text.split()
            for _ in range(rng.randint(1, 2)):
                place = rng.randrange(len(words))
                words[place] = words[place] if any(c.isdigit() for c in words[place]) else rng.choice(["", "then"])
            changed = " ".join(words)
        yield {"id": str(number), "question": changed, "original": str(original), "J": similarity(text, changed)}


def make(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows(count))


def measure(path: Path, output: Path) -> None:
    """Filter in this process and say what it took."""
    started, cpu = time.perf_counter(), time.process_time()
    print(dedup_file(path, output))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{time.perf_counter() - started:,.0f} s, {time.process_time() - cpu:,.0f} s of CPU on one core, "
        f"peak {peak:.2f} GiB"
    )


def score(path: Path, output: Path) -> None:
    """Compare with what was planted, and check the pairs of the first rejections by their texts."""
    rejected = [json.loads(line) for line in rejected_path(output).open(encoding="utf-8")]
    gone = {row["id"] for row in rejected}
    planted = [row for row in map(json.loads, path.open(encoding="utf-8")) if row.get("J", 0) >= THRESHOLD]
    # A copy may stay where its original left as a near duplicate of a third.
    fair = [row for row in planted if row["id"] in gone or row["original"] not in gone]
    found = sum(row["id"] in gone for row in fair)
    checked = rejected[:PRECISION_OF]
    right = sum(similarity(row["row"]["question"], row["matched_text"]) >= THRESHOLD for row in checked)
    print(
        f"recall {found / max(len(fair), 1):.5f} of {len(fair):,} planted pairs with J >= {THRESHOLD}, "
        f"precision {right / max(len(checked), 1):.5f} of {len(checked):,} rejections"
    )


def million(count: int) -> None:
    """Make, filter and score so many problems, each in its own process."""
    with tempfile.TemporaryDirectory() as folder:
        path, output = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        for step in ("make", "measure", "score"):
            subprocess.run([sys.executable, __file__, step, str(path), str(output), str(count)], check=True)


if __name__ == "__main__":
    step, source, target, size = sys.argv[1:]
    if step == "make":
        make(Path(source), int(size))
    elif step == "measure":
        measure(Path(source), Path(target))
    else:
        score(Path(source), Path(target))
