"""Rewards as TRL calls them: what pays, what does not, what is left out; from threads, loops and processes."""

import asyncio
import json
import math
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import pytest

from pipeline.verifiers.worker import configure
from training.rewards import RewardError, RewardFunction, Text, accuracy, format_shape, overlong, repetition, total

BOXED = r"<think>6 times 7</think> \boxed{%s}"


def as_trl(**columns: Any) -> dict[str, Any]:
    """What TRL 1.16 passes beside prompts and completions, for any reward function."""
    return {"completion_ids": [[1, 2]], "trainer_state": None, "log_extra": print, "log_metric": print, **columns}


def pays(completion: Text, answer: str | None = "42", **columns: Any) -> float | None:
    (reward,) = accuracy(prompts=["6 * 7?"], completions=[completion], **as_trl(answer=[answer], **columns))
    return reward


CODE = json.dumps({"mode": "stdin", "tests": []})
PAID: list[tuple[Text, str | None, dict[str, Any], float | None]] = [
    (BOXED % "42", "42", {}, 1.0),
    (BOXED % "43", "42", {}, 0.0),
    ("forty-two", "42", {}, 0.0),
    ("", "42", {}, 0.0),
    ([{"role": "assistant", "content": BOXED % "42"}], "42", {}, 1.0),
    ([{"role": "assistant", "content": None}], "42", {}, 0.0),
    ([], "42", {}, 0.0),
    ([{"role": "assistant", "content": "0"}, {"role": "assistant", "content": BOXED % "42"}], "42", {}, 1.0),
    ([{"role": "assistant", "content": r"\boxed{42}", "reasoning_content": r"\boxed{0}"}], "42", {}, 1.0),
    ([{"role": "assistant", "content": [{"type": "text", "text": r"\boxed{42}"}]}], "42", {}, 1.0),
    (BOXED % "3.14", "3.1416", {"answer_type": ["decimal"], "tolerance": [0.01]}, 1.0),
    (BOXED % "3.14", "3.1416", {"answer_type": ["decimal"], "tolerance": [None]}, 0.0),
    ("Answer: the Alps", '["Alps"]', {"verifier": ["qa"]}, 1.0),
    (BOXED % "6*7", '{"numbers": [6, 7], "target": 42}', {"verifier": ["countdown"]}, 1.0),
    (BOXED % "42", "42", {"verifier": [None], "answer_type": [None]}, 1.0),
    (r"<think>\boxed{42}", "42", {}, None),
    (BOXED % "42", None, {}, None),
    (BOXED % "42", "42", {"finish_reason": ["length"]}, None),
    (BOXED % "42", "42", {"finish_reason": [None]}, 1.0),
    (BOXED % "42", "42", {"max_completion_length": 2}, None),
    (BOXED % "42", "42", {"max_completion_length": 3}, 1.0),
    ("```python\npass\n```", CODE, {"verifier": ["code"]}, None),
]


@pytest.mark.parametrize(("completion", "answer", "columns", "reward"), PAID, ids=range(len(PAID)))
def test_accuracy(completion: Text, answer: str | None, columns: dict[str, Any], reward: float | None) -> None:
    assert pays(completion, answer, **columns) == reward


HACKS = [r"43 = 42", r"42 \text{ is wrong}", r"42 \text{ or } 43", r"42\text{ miles}", r"42\%", r"\pm 42", "41..43"]


@pytest.mark.parametrize("answer", HACKS)
def test_known_hacks_are_not_paid(answer: str) -> None:
    assert pays(BOXED % answer) == 0.0


def test_the_order_of_the_batch_is_kept() -> None:
    answers = [str(k) for k in range(40)]
    completions = [BOXED % (k if k % 3 else "no") for k in range(40)]
    rewards = accuracy(prompts=["?"] * 40, completions=completions, completion_ids=[[1]] * 40, answer=answers)
    assert rewards == [float(k % 3 > 0) for k in range(40)]


def test_the_question_is_the_last_message_of_the_prompt_or_its_own_column() -> None:
    """A choice may be given by the text of its option, which only the question holds."""
    question = "Which is even? (A) 3 (B) 4 (C) 5"
    prompt = [{"role": "system", "content": "(A) 4"}, {"role": "user", "content": question}]
    settings: dict[str, Any] = {"completions": [r"\boxed{\text{(B) } 4}"], "answer": ["B"], "verifier": ["choice"]}
    assert accuracy([prompt], **settings) == accuracy(["?"], **settings, question=[question]) == [1.0]
    assert accuracy([question.replace("4", "6")], **settings) == [0.0]


def test_a_dataset_without_answers_is_refused() -> None:
    with pytest.raises(RewardError, match="column answer"):
        accuracy(prompts=["?"], completions=["42"], completion_ids=[[1]])


SHAPES: list[tuple[Text, float]] = [
    ("<think>a</think> \\boxed{1}", 1.0),
    ("a</think> \\boxed{1}", 1.0),
    ("\\boxed{1}", 0.0),
    ("<think>a \\boxed{1}", 0.0),
    ("<think>a</think>", 0.0),
    ("<think>a</think> <think>b</think> \\boxed{1}", 0.0),
    ("a</think>b</think> \\boxed{1}", 0.0),
    ("<think>a</think> \\boxed{1} \\boxed{2}", 0.0),
    ([{"role": "assistant", "content": "\\boxed{1}", "reasoning_content": "a"}], 1.0),
    ([{"role": "assistant", "content": "\\boxed{1}", "thinking": ""}], 0.0),
]


@pytest.mark.parametrize(("completion", "reward"), SHAPES, ids=range(len(SHAPES)))
def test_format_shape(completion: Text, reward: float) -> None:
    assert format_shape(prompts=["?"], completions=[completion], **as_trl(answer=["1"])) == [reward]
    assert format_shape(prompts=["?"], completions=[completion], **as_trl(), max_completion_length=2) == [None]


@pytest.mark.parametrize(("length", "reward"), [(0, 0.0), (80, 0.0), (90, -0.5), (100, -1.0), (130, -1.0)])
def test_overlong(length: int, reward: float) -> None:
    rewards = overlong(prompts=["?"], completions=["a"], completion_ids=[[7] * length], max_completion_length=100)
    assert rewards == [reward]


def test_repetition() -> None:
    loop, prose, short = [1, 2] * 100, list(range(200)), [1, 1]
    rewards = repetition(prompts=["?"] * 3, completions=["a"] * 3, completion_ids=[loop, prose, short], ngram=2)
    assert rewards == pytest.approx([2 / 199 - 1, 0.0, 0.0])
    assert repetition(completion_ids=[[1] * 9], ngram=8, weight=0.5) == [-0.25]


def test_total_leaves_out_what_accuracy_could_not_judge() -> None:
    means: dict[str, float] = {}
    parts: list[RewardFunction] = [accuracy, format_shape, partial(overlong, max_completion_length=100)]
    rewards = total(
        prompts=["?"] * 4,
        completions=[BOXED % "42", BOXED % "43", BOXED % "42", "<think>"],
        completion_ids=[[1] * 90] * 4,
        functions=parts,
        weights=[1.0, 0.2, 0.1],
        answer=["42", "42", None, "42"],
        log_metric=means.__setitem__,
    )
    assert rewards == [pytest.approx(1.15), pytest.approx(0.15), None, None]
    assert means == {
        "rewards/accuracy/mean": 0.5,
        "rewards/format_shape/mean": 0.75,
        "rewards/overlong/mean": -0.5,
    }


@pytest.mark.parametrize("weights", [[], [1.0], [1.0, 1.0, 1.0]])
def test_total_needs_a_weight_for_every_function(weights: list[float]) -> None:
    with pytest.raises(RewardError, match="one weight per function"):
        total(["?"], ["1"], functions=[accuracy, format_shape], weights=weights, answer=["1"])


@pytest.mark.parametrize("settings", [{"buffer": 0}, {"buffer": 101}])
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(RewardError, match="buffer"):
        overlong([[1]], max_completion_length=100, **settings)
    with pytest.raises(RewardError, match="ngram"):
        repetition([[1]], ngram=0)


EQUATIONS: dict[str, Any] = {  # each of these needs a worker
    "prompts": ["?"] * 4,
    "completions": [f"\\boxed{{xy={k}}}" for k in (1, 2, 3, 5)],
    "answer": [f"y={k}/x" for k in (1, 2, 3, 4)],
    "answer_type": ["equation"] * 4,
}
RIGHT = [1.0, 1.0, 1.0, 0.0]


def test_from_threads_and_an_event_loop() -> None:
    with ThreadPoolExecutor(3) as threads:
        futures = [threads.submit(accuracy, **EQUATIONS) for _ in range(3)]
        assert [future.result() for future in futures] == [RIGHT] * 3

    async def inside() -> list[Any]:
        return [accuracy(**EQUATIONS), *await asyncio.gather(*(asyncio.to_thread(accuracy, **EQUATIONS) for _ in "ab"))]

    assert asyncio.run(inside()) == [RIGHT] * 3


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_from_several_processes(method: str) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context(method)) as processes:
        futures = [processes.submit(accuracy, **EQUATIONS) for _ in range(2)]
        assert [future.result() for future in futures] == [RIGHT] * 2


def test_a_hanging_completion_is_left_out_and_costs_no_other() -> None:
    configure(workers=1, deadline=0.5)
    hanging = r"\boxed{(a+2b+3c+4d+5f+1)^{20} = 7}"
    rewards = accuracy(
        prompts=["?"] * 2,
        completions=[hanging, EQUATIONS["completions"][0]],
        answer=["a+b+c+d+f=1", EQUATIONS["answer"][0]],
        answer_type=["equation"] * 2,
    )
    configure()
    assert rewards == [None, 1.0]


def test_the_trainer_can_name_and_pickle_them() -> None:
    bound = partial(overlong, max_completion_length=10)
    copy = pickle.loads(pickle.dumps(bound))  # noqa: S301
    assert copy(completion_ids=[[1] * 10]) == [-1.0]
    assert math.isclose(copy(completion_ids=[[1] * 9])[0], -0.5)
