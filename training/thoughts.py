"""Thoughts with responses: how they are asked for and read, and which two of a group become a preference pair.

Pure functions. After Wu et al. 2024 (Thinking LLMs, arXiv 2410.10630): only the response is judged, the pair holds the
thought as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Final

from pipeline.records import Completion, Message, content_id
from training.judge import non_answer
from training.pairs import PairRow

THOUGHT_VERSION: Final = "thought/1"
THOUGHT_MARK: Final = "Here is my thought process:"
RESPONSE_MARK: Final = "Here is my response:"
# The two marks are those of the paper's generic thought prompt.
_PROMPT: Final = (
    "Respond to the instruction below in a comprehensive and helpful way. Think first, then respond: write your "
    f'thoughts after "{THOUGHT_MARK}" and your response after "{RESPONSE_MARK}". Only the response is shown to the '
    "person who asks.\n\nInstruction: "
)


@dataclass(frozen=True)
class Group:
    """An instruction with its whole completions, the responses in them, and what the judge makes of each."""

    instruction: str
    completions: tuple[Completion, ...]
    responses: tuple[str | None, ...]
    rewards: tuple[float | None, ...] = ()


def thought_prompt(instruction: str) -> tuple[Message, ...]:
    """Return the messages that ask for thoughts and a response."""
    return (Message("user", _PROMPT + instruction),)


def response_of(completion: Completion) -> str | None:
    """Return what comes after the mark, or all that a model with its own thinking block committed to; else None."""
    _, marked, response = completion.text.partition(RESPONSE_MARK)
    if marked:
        return response.strip()
    return None if completion.reasoning is None else completion.text.strip()


def best_and_worst(group: Group, length_weight: float) -> tuple[int, int] | None:
    """Return the places of the best and the worst completion, or None if the judge prefers none to another.

    The best is what has the highest z(reward) − ρ·z(length of the response) among the responses that say something;
    the worst is one that says nothing if there is one, else what has the lowest. z is over the group.
    """
    places = range(len(group.completions))
    empty = [place for place in places if non_answer(group.responses[place])]
    rated = [place for place in places if place not in empty and group.rewards[place] is not None]
    if not rated or (len(rated) < 2 and not empty):
        return None
    rewards = [group.rewards[place] or 0.0 for place in rated]
    lengths = [float(len(group.responses[place] or "")) for place in rated]
    scores = dict(zip(rated, length_controlled(rewards, lengths, length_weight), strict=True))
    ordered = sorted(rated, key=lambda place: (scores[place], group.completions[place].id))
    best, worst = ordered[-1], ordered[0]
    if empty:
        return best, min(empty, key=lambda place: group.completions[place].id)
    # Where the judge sees no difference, only length is left, and that is not worth learning.
    better = (group.rewards[best] or 0.0) > (group.rewards[worst] or 0.0)
    return (best, worst) if better else None


def length_controlled(rewards: Sequence[float], lengths: Sequence[float], weight: float) -> list[float]:
    """Return z(reward) − weight · z(length); where all values are alike, z is 0."""
    return [r - weight * n for r, n in zip(_standardised(rewards), _standardised(lengths), strict=True)]


def _standardised(values: Sequence[float]) -> list[float]:
    mean, deviation = fmean(values), pstdev(values)
    return [(value - mean) / deviation if deviation else 0.0 for value in values]


def pair_of(group: Group, best: int, worst: int) -> PairRow:
    """Return the pair, thoughts included, under the prompt that asked for them."""
    chosen, rejected = group.completions[best], group.completions[worst]
    return PairRow(
        problem_id=content_id("instruction", group.instruction),
        prompt=thought_prompt(group.instruction),
        chosen=(Message("assistant", whole_text(chosen)),),
        rejected=(Message("assistant", whole_text(rejected)),),
        chosen_id=chosen.id,
        rejected_id=rejected.id,
    )


def whole_text(completion: Completion) -> str:
    """Return a completion as the model wrote it, its thinking block put back."""
    if completion.reasoning is None:
        return completion.text
    return f"<think>\n{completion.reasoning}\n</think>\n\n{completion.text}"
