"""The verifier's share of a GRPO step: a few real steps of grpo.py's own trainer, the reward calls on a stopwatch.

    python tests/benchmarks/bench_grpo.py                  # SmolLM2-135M, 4 steps of 8 completions of up to 64 tokens

Short completions make short steps, so the share is an upper bound for longer ones. A small student commits to few
answers in 64 tokens, and what commits to none is judged at once; therefore the same completions are judged a second
time, off the step's clock, each with an answer at its end (the gold, or another problem's): that is the verifier at
work. Exit status 1 if either takes over 1 % of the steps' time.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from generators.templates import FAMILIES
from generators.templates.family import generate_problem
from pipeline.models import resolve
from tests.training.examples import grpo_row
from training.grpo import build_trainer
from training.grpo_settings import Grpo
from training.rewards import RewardFunction, Rewards, message_text
from training.trainer import keep_freed_memory

MOST: Final = 0.01
GROUP: Final = 8


@dataclass
class Watch:
    """Seconds per reward call, as trained with and with an answer in every completion; and what the latter paid."""

    trained: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    paid: Rewards = field(default_factory=list)

    def on(self, reward: RewardFunction) -> RewardFunction:
        """Return the same reward under the stopwatch."""

        def watched(**given: Any) -> Rewards:
            started = time.perf_counter()
            rewards = reward(**given)
            self.trained.append(time.perf_counter() - started)
            closed = {**given, "completions": with_answers(given["completions"], given["answer"], len(self.trained))}
            del closed["log_metric"]
            started = time.perf_counter()
            self.paid += reward(**closed)
            self.answered.append(time.perf_counter() - started)
            return rewards

        return watched


def with_answers(completions: Sequence[Any], golds: Sequence[str], step: int) -> list[list[dict[str, str]]]:
    """Let every completion end in a boxed answer, the gold in every other one, a different wrong one in the rest."""
    ends = [gold if place % 2 else f"{step * 1000 + place}/7" for place, gold in enumerate(golds)]
    texts = [f"{message_text(text)}\n\\boxed{{{end}}}" for text, end in zip(completions, ends, strict=True)]
    return [[{"role": "assistant", "content": text}] for text in texts]


def pool(count: int) -> list[dict[str, Any]]:
    """Template problems for the math verifier, of as many families as there are."""
    made = (generate_problem(family, 0, index) for index in range(count) for family in FAMILIES.values())
    rows = [grpo_row(problem) for problem in made if problem.verifier == "math"]
    return rows[:count]


def measure(student: Path, steps: int, length: int) -> tuple[Watch, float]:
    """Train; returns the reward calls and the seconds of all steps, without the second judging."""
    settings = Grpo(
        group_size=GROUP,
        batch_size=GROUP,
        max_steps=steps,
        max_completion_length=length,
        mask_truncated=False,  # else what is cut off would not even be read
        checkpoint_steps=steps + 1,
        vllm="off",
    )
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(student, pool(steps), settings, Path(folder), 0)
        trainer.reward_funcs = [watch.on(reward) for reward in trainer.reward_funcs]
        seconds = float(trainer.train().metrics["train_runtime"])
    return watch, seconds - sum(watch.answered)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", default="smollm2-135m-instruct", help="catalogue name, folder or Hub id")
    parser.add_argument("--steps", type=int, default=4, help="optimizer steps, one group each")
    parser.add_argument("--max-completion-length", type=int, default=64, help="tokens per completion")
    options = parser.parse_args()
    os.environ.setdefault("DO_NOT_TRACK", "1")
    keep_freed_memory()
    watch, seconds = measure(resolve(options.student).path, options.steps, options.max_completion_length)
    print(f"{options.steps} steps of {GROUP} completions in {seconds:.1f} s")
    shares = []
    for name, calls in (("reward calls", watch.trained), ("with an answer in every completion", watch.answered)):
        shares.append(sum(calls) / seconds)
        each = ", ".join(f"{1000 * call:.1f}" for call in calls)
        print(f"{name}: {shares[-1]:.3%} of the steps (ms: {each}); at most {MOST:.0%} is wanted")
    print(f"with answers: {sum(paid is not None for paid in watch.paid)} of {len(watch.paid)} judged")
    return 0 if len(watch.trained) == options.steps and max(shares) <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())
