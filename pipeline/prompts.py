"""Versioned prompt templates: from a question to the messages a model gets.

A template's version is part of every completion's id: change the words, raise the version.
"""

from dataclasses import dataclass
from typing import Final, Literal

from pipeline.records import Message

PromptName = Literal["bare", "boxed", "brief", "plan", "think"]


@dataclass(frozen=True)
class Prompt:
    """A prompt template. `{question}` in `user` is replaced by the question, and by nothing else. `shots` are questions
    with their solutions, which stand before it as turns of their own."""

    name: PromptName
    version: str
    system: str | None
    user: str
    shots: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """What is stored as prompt_version."""
        return f"{self.name}/{self.version}"


# The question alone: for those that say themselves what the reply has to be.
BARE: Final = Prompt(name="bare", version="1", system=None, user="{question}")

BOXED: Final = Prompt(
    name="boxed",
    version="1",
    system=None,
    user=(
        "{question}\n\nSolve the problem step by step. Keep the steps short. "
        "End with the final answer, alone, inside \\boxed{}."
    ),
)

# Few words a step, for students that cannot learn long traces (chain of draft, Xu et al. 2025, arXiv 2502.18600,
# which shows examples too). Told only in words, a 1.5B model either leaves the box out or writes long solutions.
BRIEF: Final = Prompt(
    name="brief",
    version="2",
    system=None,
    user=(
        "{question}\n\nSolve it in a few short lines, one calculation with its result and meaning each. "
        "The last line is the final answer alone, inside \\boxed{}."
    ),
    shots=(
        (
            "A box holds 6 rows of 4 eggs. Then 5 of the eggs break. How many whole eggs are left?",
            "6 * 4 = 24 eggs in the box\n24 - 5 = 19 whole eggs\n\\boxed{19}",
        ),
        (
            "What is 3/4 of the sum of 18 and 14?",
            "18 + 14 = 32, the sum\n32 * 3/4 = 24, three quarters of it\n\\boxed{24}",
        ),
    ),
)

# A second voice for a panel of one model: other words, the plan before the steps (Wang et al. 2023, arXiv 2305.04091).
PLAN: Final = Prompt(
    name="plan",
    version="1",
    system=None,
    user=(
        "Here is a problem.\n\n{question}\n\nFirst say in one sentence what is asked. Then make a short plan, carry it "
        "out, and check the result. Put only the final answer in \\boxed{} on the last line."
    ),
)

# The template of R1-Zero (DeepSeek-AI 2025, table 1), as a system and a user turn.
THINK: Final = Prompt(
    name="think",
    version="1",
    system=(
        "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. "
        "The Assistant first thinks about the reasoning process in the mind and then provides the user with the "
        "answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, "
        "respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>."
    ),
    user="{question}",
)

PROMPTS: Final[dict[PromptName, Prompt]] = {prompt.name: prompt for prompt in (BARE, BOXED, BRIEF, PLAN, THINK)}

# Behind the prompt's own label where the answer is told; its words are in hints.py.
HINT_LABEL: Final = "+hint/2"

# Verifiers that judge the whole reply, or a program in it: a demand for steps and a box would contradict the question.
WHOLE_REPLY: Final = frozenset({"code", "constraint", "proof"})
NO_ANSWER: Final = WHOLE_REPLY - {"code"}  # nothing to tell in a hint or to vote for; a program has its tests


def prompt_for(name: PromptName, verifier: str) -> Prompt:
    """Return the prompt template for a problem with that verifier: the one named, unless the reply is judged whole."""
    return BARE if verifier in WHOLE_REPLY else PROMPTS[name]


def render_prompt(
    name: PromptName, question: str, verifier: str = "math", hint: str | None = None
) -> tuple[Message, ...]:
    """Return the messages for a question. `hint` stands behind it (see hints.py). Braces are left alone."""
    prompt = prompt_for(name, verifier)
    system = (Message("system", prompt.system),) if prompt.system else ()
    shown = [
        message
        for asked, solution in prompt.shots
        for message in (Message("user", prompt.user.replace("{question}", asked)), Message("assistant", solution))
    ]
    told = "" if hint is None else f"\n\n{hint}"
    return (*system, *shown, Message("user", prompt.user.replace("{question}", question) + told))
