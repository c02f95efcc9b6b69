"""Answers to problems of reasoning-gym that only the dataset's own scorer can judge (several answers are right).

The gold is JSON: the dataset, its options, the seed that makes the row again, and its own answer, which needs no
scorer. The scorer runs in the sandbox, since it reads a model's text; scorers that evaluate text are never used (see
generators/gym.py).
"""

import json
import sysconfig
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pipeline.sandbox import Limits, SandboxUnavailable, run_python
from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.notation import string_key

SECONDS: Final = 20.0
FULL: Final = 1.0
MAX_ANSWER: Final = 20_000

_SCRIPT: Final = """
import json, sys
given = json.loads(sys.stdin.read())
sys.path[:0] = given["paths"]
from reasoning_gym.factory import create_dataset
dataset = create_dataset(given["dataset"], size=1, seed=given["seed"], **given["options"])
row = dataset[0]
try:
    score = float(dataset.score_answer(given["answer"], row))
except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
    score = 0.0  # an answer of another shape; what else goes wrong (memory, depth) gives no score: undecided
print(json.dumps({"score": score}))
"""


class GymRow(NamedTuple):
    """What makes a row of reasoning-gym again, and its own answer."""

    dataset: str
    seed: int
    options: dict[str, Any]
    answer: str


def read_row(gold: str) -> GymRow:
    """Read a gold. Raises Undecided if it is not one."""
    try:
        row = GymRow(**json.loads(gold))
    except (ValueError, TypeError) as error:
        raise Undecided(f"the gold is not a row of reasoning-gym: {error}") from error
    if not (isinstance(row.dataset, str) and type(row.seed) is int and isinstance(row.answer, str)):
        raise Undecided("the gold is not a row of reasoning-gym: a field has the wrong type")
    return row


def same_gym_answer(gold: str, answer: str) -> bool:
    """Tell whether the dataset's scorer gives an answer the full score. Raises Undecided where it cannot run."""
    row = read_row(gold)
    if string_key(answer) == string_key(row.answer):
        return True
    if len(answer) > MAX_ANSWER:
        raise Undecided("the answer is too long for the dataset's scorer")
    return _score(gold, answer) >= FULL


@lru_cache(maxsize=4096)
def _score(gold: str, answer: str) -> float:
    row = read_row(gold)
    paths = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    given = {**row._asdict(), "answer": answer, "paths": paths}
    limits = Limits(seconds=SECONDS, memory=4 << 30, open_files=256, readable=tuple(paths))
    try:
        run = run_python(_SCRIPT, stdin=json.dumps(given).encode(), limits=limits, max_output=10_000)
    except SandboxUnavailable as error:
        raise Undecided(f"no sandbox: {error}") from error
    try:
        return float(json.loads(run.output)["score"])
    except (ValueError, TypeError, KeyError) as error:
        raise Undecided(f"the dataset's scorer gave no score ({run.ending})") from error
