"""Problems of the package reasoning-gym as our records: any of its datasets, each row made from a seed of its own.

Every row is checked again: the dataset's scorer must give its gold the full score and a perturbed gold less. Numbers
and fixed texts are judged by our own verifiers; the rest by the dataset's scorer, in the sandbox. A scorer that
evaluates a text as code is never given a model's text.
"""

import inspect
import re
from collections.abc import Iterator
from functools import cache, partial
from typing import Any, Final

from generators.made import Made, Part, Row
from pipeline.config_files import ConfigError
from pipeline.records import (
    AnswerType,
    Provenance,
    Rejection,
    canonical_json,
    content_id,
    make_problem,
)
from pipeline.run import Run
from pipeline.seeds import rng_for
from pipeline.sources import ReasoningGymSource
from pipeline.verifiers.golds import check_gold

STAGE: Final = "generate"
FULL: Final = 1.0
_NUMBER: Final = re.compile(r"[-+]?\d{1,30}(?:\.\d{1,30})?(?:/\d{1,30})?")
_OPPOSITES: Final = {"true": "false", "false": "true", "yes": "no", "no": "yes"}
_SCORER_FAILS: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
_EVALUATES: Final = re.compile(r"\beval\(|\bparse_expr\b|\bsympify\b|\bexec\(|\bsp\.S\(")


def gym_shards(run: Run, source: ReasoningGymSource, number: int) -> Iterator[Part]:
    """Give the shards of a reasoning-gym source. Raises ConfigError for an unknown dataset."""
    for name in source.datasets:
        _known(name)
    size, seed = run.config.generate.shard_rows, run.config.seed
    for part, start in enumerate(range(0, source.count, size)):
        places = range(start, min(start + size, source.count))
        inputs = (seed, source.model_dump(mode="json"), _version(), start, places.stop)
        yield Part(f"{number}-{part:05d}", inputs, partial(_make, source, seed, places))


def _make(source: ReasoningGymSource, seed: int, places: range) -> Made:
    return Made([gym_row(source, seed, index) for index in places])


def gym_row(source: ReasoningGymSource, seed: int, index: int) -> Row:
    """Make problem number `index` of a source; the datasets take turns. Seeds come from names, never `seed + index`."""
    turn, place = divmod(index, len(source.datasets))
    name = source.datasets[place]
    own = rng_for(f"reasoning_gym/{name}", seed, turn).getrandbits(31)
    options = source.options.get(name, {})
    try:
        dataset = _factory().create_dataset(name, size=1, seed=own, **options)
    except (TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"reasoning-gym dataset {name}: {error}") from None
    row = dataset[0]
    gold = row["answer"]
    fault = "no single answer" if not isinstance(gold, str) or not gold.strip() else _scorer_fault(dataset, row)
    if fault is not None:
        return Rejection(content_id("gym", name, own), STAGE, "scorer", f"{name}: {fault}")
    verifier, answer_type = judged_by(dataset, gold)
    spec = {"dataset": name, "seed": own, "options": options, "answer": gold}
    problem = make_problem(
        row["question"].strip(),
        canonical_json(spec) if verifier == "reasoning_gym" else gold.strip(),
        verifier=verifier,
        answer_type=answer_type,
        domain="reasoning_gym",
        family=name,
        strategy="reasoning_gym",
        provenance=Provenance(
            generator=f"reasoning_gym/{name}",
            generator_version=_version(),
            seed=seed,
            index=turn,
            parameters=canonical_json({"seed": own, "options": options}),
            source=f"reasoning-gym {_version()}",
            licence="Apache-2.0",
        ),
    )
    refusal = check_gold(problem)
    return problem if refusal is None else Rejection(problem.id, STAGE, "gold", refusal)


def judged_by(dataset: Any, gold: str) -> tuple[str, AnswerType | None]:
    """Return the verifier and answer type of a row. Raises ConfigError where only evaluated text could be judged."""
    if _NUMBER.fullmatch(gold.strip()):
        return "math", None
    base = _factory().ProceduralDataset.score_answer
    if type(dataset).score_answer is base:
        return "math", "string"
    if _EVALUATES.search(inspect.getsource(type(dataset).score_answer)):
        raise ConfigError(
            f"reasoning-gym: the scorer of {type(dataset).__name__} evaluates text as code, which no model's text may "
            "reach; choose another dataset"
        )
    return "reasoning_gym", None


def perturbed(gold: str) -> str:
    """Return a gold that is wrong: the other truth value, another leading digit, another last letter."""
    gold = gold.strip()
    if gold.casefold() in _OPPOSITES:
        return _OPPOSITES[gold.casefold()].title()
    if _NUMBER.fullmatch(gold):
        return re.sub(r"[1-9]|0$", lambda digit: str(int(digit.group()) % 9 + 1), gold, count=1)
    place = next((i for i in range(len(gold) - 1, -1, -1) if gold[i].isalnum()), None)
    if place is None:
        return gold[1:]
    return gold[:place] + ("1" if gold[place] != "1" else "2") + gold[place + 1 :]


def _scorer_fault(dataset: Any, row: dict[str, Any]) -> str | None:
    score = dataset.score_answer(row["answer"], row)
    if score != FULL:
        return f"its scorer gives its own gold {score}"
    wrong = perturbed(row["answer"])
    try:
        other = dataset.score_answer(wrong, row)
    except _SCORER_FAILS:
        return None
    return None if other < FULL else f"its scorer also accepts {wrong[:80]!r}"


def _known(name: str) -> None:
    names = _factory().DATASETS
    if name not in names:
        raise ConfigError(f"unknown reasoning-gym dataset {name}; there are: {', '.join(sorted(names))}")


@cache
def _factory() -> Any:
    import reasoning_gym.factory

    return reasoning_gym.factory


@cache
def _version() -> str:
    from importlib.metadata import version

    return version("reasoning-gym")
