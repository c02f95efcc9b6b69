"""The reward of a GRPO or RLOO step, with what its groups can teach logged beside it.

Logged per step: groups/zero_variance, the share of groups whose decided rewards are all equal, or in which fewer than
two were decided (they move nothing); groups/zero_variance_accuracy, the same for the verifier's reward alone; and
rewards/undecided, the share of completions that could not be judged. TRL's own frac_reward_zero_std counts a group in
which nothing was decided as one that varies.
"""

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, Final

from training.grpo_settings import Grpo
from training.rewards import RewardFunction, Rewards, accuracy, format_shape, overlong, total

EQUAL: Final = 1e-6  # rewards that differ by less give advantages of nothing


def zero_variance(rewards: Rewards, group_size: int) -> float:
    """Return the share of groups (of `group_size` rewards one after the other) that carry no signal."""
    groups = [rewards[start : start + group_size] for start in range(0, len(rewards), group_size)]
    return sum(map(_says_nothing, groups)) / max(len(groups), 1)


def _says_nothing(group: Rewards) -> bool:
    decided = [reward for reward in group if reward is not None]
    return len(decided) < 2 or max(decided) - min(decided) < EQUAL


def undecided(rewards: Rewards) -> float:
    """Return the share of completions without a reward."""
    return sum(reward is None for reward in rewards) / max(len(rewards), 1)


def step_reward(settings: Grpo) -> RewardFunction:
    """Build the reward: accuracy, format and overlong punishment by their weights, None where accuracy is None."""
    limit = settings.max_completion_length
    # What was cut off is undecided wherever it is also masked; else it is judged as it stands.
    cut: dict[str, Any] = {"max_completion_length": limit} if settings.mask_truncated else {}
    judged = _watched(partial(accuracy, **cut), settings.group_size)
    parts: list[tuple[RewardFunction, float]] = [(judged, settings.accuracy_weight)]
    if settings.format_weight:
        parts.append((partial(format_shape, **cut), settings.format_weight))
    if settings.overlong_weight:
        soft = partial(overlong, max_completion_length=limit, buffer=settings.overlong_buffer)
        parts.append((soft, settings.overlong_weight))
    return _logged([function for function, _ in parts], [weight for _, weight in parts], settings.group_size)


def _watched(function: Callable[..., Rewards], group_size: int) -> RewardFunction:
    @wraps(accuracy)
    def watched(*, log_metric: Callable[[str, float], None] | None = None, **given: Any) -> Rewards:
        rewards = function(**given)
        if log_metric is not None:
            log_metric("groups/zero_variance_accuracy", zero_variance(rewards, group_size))
            log_metric("rewards/undecided", undecided(rewards))
        return rewards

    return watched


def _logged(functions: Sequence[RewardFunction], weights: Sequence[float], group_size: int) -> RewardFunction:
    def reward(**given: Any) -> Rewards:
        rewards = total(**given, functions=functions, weights=weights)
        if given.get("log_metric") is not None:
            given["log_metric"]("groups/zero_variance", zero_variance(rewards, group_size))
        return rewards

    return reward
