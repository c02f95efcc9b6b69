"""The rewards inside a real GRPOTrainer on a tiny random model: judged, left out, logged; the same from anywhere."""

import asyncio
import json
import math
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.training.examples import CHATML
from tests.training.students import byte_tokenizer, random_llama
from training.rewards import RewardFunction, Rewards, accuracy, format_shape, overlong, total

LENGTH: Final = 16
GROUP: Final = 8
SHORT: Final = json.dumps([{"kind": "no_commas"}, {"kind": "word_count", "relation": "at_most", "value": 1}])
ROWS: Final[list[dict[str, Any]]] = [
    {"question": "Say one word.", "answer": SHORT, "verifier": "constraint", "answer_type": None},
    {"question": "What is 6 times 7?", "answer": "42", "verifier": "math", "answer_type": "integer"},
    {"question": "Nobody knows.", "answer": None, "verifier": "math", "answer_type": None},
    {"question": "Say a word.", "answer": SHORT, "verifier": "constraint", "answer_type": None},
]
PARTS: Final = [
    partial(accuracy, max_completion_length=LENGTH),
    partial(format_shape, max_completion_length=LENGTH),
    partial(overlong, max_completion_length=LENGTH, buffer=8),
]
WEIGHTS: Final = [1.0, 0.2, 0.5]


class Call(NamedTuple):
    """One call of a reward by the trainer: what it was given, what it gave, and from which thread."""

    given: dict[str, Any]
    rewards: Rewards
    thread: str


class Trained(NamedTuple):
    """A finished training: what was logged, the table of completions by step, and whether the weights moved."""

    log: list[dict[str, Any]]
    tables: list[Any]
    moved: bool


def tiny_model() -> tuple[Any, Any]:
    """Make a random Llama of two layers with a byte-level tokenizer and ChatML."""
    tokenizer = byte_tokenizer(CHATML)
    return random_llama(tokenizer), tokenizer


def train(folder: Path, rewards: Callable[..., Any] | list[Callable[..., Any]]) -> Trained:
    """Take two steps of GRPO, each on two groups of completions; the end of the turn is made likely."""
    import pyarrow.parquet as pq
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    model, tokenizer = tiny_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    args = GRPOConfig(
        output_dir=str(folder),
        max_steps=2,
        per_device_train_batch_size=2 * GROUP,
        num_generations=GROUP,
        max_completion_length=LENGTH,
        generation_kwargs={"sequence_bias": [[[1], 3.0]]},
        reward_weights=WEIGHTS if isinstance(rewards, list) else None,
        scale_rewards="none",
        learning_rate=1e-3,
        shuffle_dataset=False,
        logging_steps=1,
        log_completions=True,
        num_completions_to_print=0,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        seed=1,
    )
    data = Dataset.from_list([{"prompt": [{"role": "user", "content": row["question"]}], **row} for row in ROWS])
    trainer = GRPOTrainer(model=model, processing_class=tokenizer, reward_funcs=rewards, args=args, train_dataset=data)
    trainer.train()
    tables = [pq.read_table(path) for path in sorted((folder / "completions").glob("*.parquet"))]
    after = trainer.model.state_dict()
    return Trained(trainer.state.log_history, tables, any((after[name] != before[name]).any() for name in before))


def recording(reward: RewardFunction, calls: list[Call]) -> RewardFunction:
    """Return the reward, with every call written down."""

    def recorded(**given: Any) -> Rewards:
        rewards = reward(**given)
        named = {key: value for key, value in given.items() if key not in ("trainer_state", "log_extra", "log_metric")}
        calls.append(Call(named, rewards, threading.current_thread().name))
        return rewards

    return recorded


def anywhere(given: dict[str, Any]) -> Rewards:
    """What the trainer's call gives again, from wherever this is called."""
    return total(**given, functions=PARTS, weights=WEIGHTS)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_the_trainer_and_from_threads_loops_and_processes(tmp_path: Path) -> None:
    calls: list[Call] = []
    trained = train(tmp_path, recording(partial(total, functions=PARTS, weights=WEIGHTS), calls))
    assert trained.moved
    assert len(calls) == len(trained.tables) == 2
    for call, table in zip(calls, trained.tables, strict=True):
        judged = accuracy(**call.given, max_completion_length=LENGTH)
        assert [r is None for r in call.rewards] == [r is None for r in judged]
        assert table["advantage"].to_pylist() == pytest.approx(advantages(call.rewards), abs=1e-5)
    outcomes = [reward for call in calls for reward in accuracy(**call.given, max_completion_length=LENGTH)]
    assert set(outcomes) == {0.0, 1.0, None}, "the random model gave too little to judge"

    steps = [entry for entry in trained.log if "loss" in entry]
    assert len(steps) == 2
    assert all(math.isfinite(step["loss"]) and math.isfinite(step["grad_norm"]) for step in steps)
    assert any(step["grad_norm"] > 0 for step in steps)
    assert all(f"rewards/{name}/mean" in step for step in steps for name in ("recorded", "overlong"))
    assert "rewards/accuracy/mean" in steps[0]

    wanted = [call.rewards for call in calls]
    given = [call.given for call in calls]
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(anywhere, given)) == wanted
    assert asyncio.run(in_a_loop(given)) == wanted
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        assert list(processes.map(anywhere, given)) == wanted


async def in_a_loop(given: list[dict[str, Any]]) -> list[Rewards]:
    return [anywhere(given[0]), *await asyncio.gather(*(asyncio.to_thread(anywhere, each) for each in given[1:]))]


def advantages(rewards: Rewards) -> list[float]:
    """Return what GRPO makes of the rewards, group by group: None is left out of the mean and gets 0."""
    found: list[float] = []
    for start in range(0, len(rewards), GROUP):
        group = rewards[start : start + GROUP]
        scored = [reward for reward in group if reward is not None]
        mean = sum(scored) / len(scored) if scored else 0.0
        found += [0.0 if reward is None else reward - mean for reward in group]
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_list_of_rewards_and_an_asynchronous_one(tmp_path: Path) -> None:
    """Each reward has its own column and mean; an asynchronous one is called on the event loop of another thread."""
    calls: list[Call] = []
    sync = recording(PARTS[0], calls)

    async def judged(**given: Any) -> Rewards:
        return sync(**given)

    trained = train(tmp_path, [judged, *PARTS[1:]])
    steps = [entry for entry in trained.log if "loss" in entry]
    assert all(math.isfinite(step["loss"]) for step in steps)
    assert all(f"rewards/{name}/mean" in step for step in steps for name in ("format_shape", "overlong"))
    assert len(calls) == len(steps) == 2
    for call, table, step in zip(calls, trained.tables, steps, strict=True):
        assert call.thread != threading.main_thread().name
        assert call.rewards == PARTS[0](**call.given)
        assert table["judged"].to_pylist() == call.rewards
        decided = [r for r in call.rewards if r is not None]
        assert decided
        assert len(decided) < len(call.rewards)
        undecided = [a for a, r in zip(table["advantage"].to_pylist(), call.rewards, strict=True) if r is None]
        assert any(undecided), "TRL's sum of a list compares what was left out by one reward: total is for that"
        assert step["rewards/judged/mean"] == pytest.approx(sum(decided) / len(decided))
