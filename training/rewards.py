"""Reward functions for TRL's GRPOTrainer: the dataset builder's own verifiers, and optional shaping.

Each takes what the trainer passes by keyword (prompts, completions, completion_ids, the columns of the dataset) and
returns one reward per completion. What could not be judged gets None, never 0: TRL leaves it out of the mean. They are
plain functions without state, so they work in any thread, event loop or process and can be pickled; settings are bound
with functools.partial. A file of cases and `gradatim verify` judge exactly as these functions do.

    length = 1024
    parts = [partial(function, max_completion_length=length) for function in (accuracy, format_shape, overlong)]
    reward = partial(total, functions=parts, weights=[1.0, 0.2, 0.5])
    GRPOTrainer(reward_funcs=reward, args=GRPOConfig(max_completion_length=length, ...), ...)
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from pipeline.errors import GradatimError
from pipeline.verifiers import judge
from pipeline.verifiers.format import shape_fault
from pipeline.verifiers.worker import shared_pool

Message = Mapping[str, Any]
Text = str | Sequence[Message]
TokenIds = Sequence[Sequence[int]]
Rewards = list[float | None]
RewardFunction = Callable[..., Rewards]

PAY: Final[Mapping[str, float | None]] = {"correct": 1.0, "incorrect": 0.0, "unparsable": 0.0, "undecided": None}
REASONING_FIELDS: Final = ("reasoning_content", "reasoning", "thinking")
THREADS_PER_WORKER: Final = 4  # completions that need no worker overtake those that wait for one


class RewardError(GradatimError):
    """A dataset or a setting that no reward can be computed from, in one line."""


def accuracy(
    prompts: Sequence[Text],
    completions: Sequence[Text],
    completion_ids: TokenIds | None = None,
    *,
    answer: Sequence[str | None] | None = None,
    max_completion_length: int | None = None,
    **columns: Any,
) -> Rewards:
    """Pay 1 for a correct completion, 0 for a wrong or unreadable one, None for one that could not be judged.

    Needs the column answer; uses verifier, answer_type, tolerance, question and finish_reason where the dataset has
    them. With max_completion_length (the trainer's), a completion of that many tokens counts as cut off: None.
    """
    if answer is None:
        raise RewardError("the accuracy reward needs a dataset with the column answer")
    finish = _finish_reasons(completions, completion_ids, max_completion_length, columns)

    def column(name: str, index: int) -> Any:
        values = columns.get(name)
        return None if values is None else values[index]

    def reward(index: int) -> float | None:
        judgement = judge(
            column("verifier", index) or "math",
            answer[index],
            message_text(completions[index]),
            finish[index],
            answer_type=column("answer_type", index),
            tolerance=column("tolerance", index),
            question=column("question", index) or message_text(prompts[index]),
        )
        return PAY[judgement.verdict]

    with ThreadPoolExecutor(shared_pool().workers * THREADS_PER_WORKER) as threads:
        return list(threads.map(reward, range(len(completions))))


def format_shape(
    completions: Sequence[Text],
    completion_ids: TokenIds | None = None,
    *,
    max_completion_length: int | None = None,
    **columns: Any,
) -> Rewards:
    """Pay 1 for one closed thinking block followed by one committed answer, 0 for any other shape, None if cut off.

    The opening tag may be missing (templates prefill it), and thinking that the tokenizer's parser split off is fine.
    """
    finish = _finish_reasons(completions, completion_ids, max_completion_length, columns)
    return [
        None if reason == "length" else float(_shape_fault(completion) is None)
        for completion, reason in zip(completions, finish, strict=True)
    ]


def _shape_fault(completion: Text) -> str | None:
    text = message_text(completion)
    if not isinstance(completion, str) and any(_last(completion).get(field) for field in REASONING_FIELDS):
        return shape_fault(text, reasoning=True)
    prefilled = "</think>" in text and "<think>" not in text
    return shape_fault(f"<think>{text}" if prefilled else text)


def overlong(completion_ids: TokenIds, *, max_completion_length: int, buffer: int | None = None, **_: Any) -> Rewards:
    """Take up to 1 from completions in the last `buffer` tokens (a fifth of the length by default) before the limit.

    The soft overlong punishment of DAPO (Yu et al. 2025, arXiv 2503.14476), eq. 13: 0 up to the buffer, then linear to
    -1 at the limit.
    """
    width = max_completion_length // 5 if buffer is None else buffer
    if not 0 < width <= max_completion_length:
        raise RewardError(f"buffer: 1 to {max_completion_length} tokens expected, got {width}")
    start = max_completion_length - width
    return [-min(max(len(ids) - start, 0) / width, 1.0) for ids in completion_ids]


def repetition(completion_ids: TokenIds, *, ngram: int = 8, weight: float = 1.0, **_: Any) -> Rewards:
    """Take the share of token n-grams that occurred before, times `weight`: near 1 for a loop, near 0 for prose.

    After Yeo et al. 2025 (arXiv 2502.03373), appendix C.2. Eight tokens, because honest mathematics repeats short runs.
    """
    if ngram < 1 or weight < 0:
        raise RewardError("repetition: ngram must be at least 1 and weight not negative")
    return [-weight * _repeated_share(ids, ngram) for ids in completion_ids]


def _repeated_share(ids: Sequence[int], ngram: int) -> float:
    total = len(ids) - ngram + 1
    if total < 1:
        return 0.0
    return 1 - len({tuple(ids[k : k + ngram]) for k in range(total)}) / total


def total(
    prompts: Sequence[Text],
    completions: Sequence[Text],
    completion_ids: TokenIds | None = None,
    *,
    functions: Sequence[RewardFunction],
    weights: Sequence[float],
    **columns: Any,
) -> Rewards:
    """Pay the weighted sum of several rewards, and None wherever the first of them, accuracy, is None.

    Given the same functions in a list, GRPOTrainer adds what is left, so that a completion which could not be judged
    would be compared with the others as a wrong one. Left out, what was cut off is neither praised nor punished (the
    overlong filtering of DAPO, arXiv 2503.14476, section 3.4). The mean of every part is logged under its name.
    """
    if len(functions) != len(weights) or not functions:
        raise RewardError(f"total: one weight per function expected, got {len(weights)} for {len(functions)}")
    given = {"prompts": prompts, "completions": completions, "completion_ids": completion_ids, **columns}
    parts = [function(**given) for function in functions]
    for function, part in zip(functions, parts, strict=True):
        _log_mean(columns.get("log_metric"), function, part)
    return [
        None if row[0] is None else sum(w * value for w, value in zip(weights, row, strict=True) if value is not None)
        for row in zip(*parts, strict=True)
    ]


def _log_mean(log_metric: Callable[[str, float], None] | None, function: RewardFunction, rewards: Rewards) -> None:
    values = [reward for reward in rewards if reward is not None]
    if log_metric is not None and values:
        named = function.func if isinstance(function, partial) else function
        log_metric(f"rewards/{named.__name__}/mean", sum(values) / len(values))


def message_text(text: Text) -> str:
    """Return a text, or the content of a conversation's last message without reasoning that was split off."""
    if isinstance(text, str):
        return text
    content = _last(text).get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _last(messages: Sequence[Message]) -> Message:
    return messages[-1] if messages else {}


def _finish_reasons(
    completions: Sequence[Text], completion_ids: TokenIds | None, limit: int | None, columns: Mapping[str, Any]
) -> Sequence[str]:
    """Tell which completions were cut off: by the column finish_reason, else by their length in tokens."""
    if columns.get("finish_reason") is not None:
        return [reason or "stop" for reason in columns["finish_reason"]]
    if completion_ids is None or limit is None:
        return ["stop"] * len(completions)
    return ["length" if len(ids) >= limit else "stop" for ids in completion_ids]
