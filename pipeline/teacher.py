"""What a teacher is: a model that answers requests, behind one protocol with two engines.

teacher_vllm.py runs vLLM here; teacher_openai.py talks to any OpenAI-compatible server. Neither knows about runs, files
or verdicts. A request's id covers everything that determines it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from pipeline import config
from pipeline.errors import GradatimError
from pipeline.hints import hint_for
from pipeline.models import resolve
from pipeline.prompts import HINT_LABEL, prompt_for, render_prompt
from pipeline.records import Completion, FinishReason, Message, Problem, canonical_json, content_id

SERVED: Final = "served"  # the revision of a server's model that the configuration does not name


class TeacherError(GradatimError):
    """A teacher that cannot go on, in one line that names it and says what to do."""


class TeacherUnavailable(TeacherError):
    """A teacher that was there and is not now: the same run may go on a little later."""


@dataclass(frozen=True, slots=True)
class Request:
    """One completion to be made. `seed` is given to the engine only where the sampling asks for it; `schema` is a JSON
    Schema (as text) that the answer must follow."""

    id: str
    problem_id: str
    messages: tuple[Message, ...]
    prompt_version: str
    sampling: config.Sampling
    sample_index: int
    schema: str | None = None

    @property
    def seed(self) -> int | None:
        """A 32-bit seed of its own, derived from the id, or None."""
        return int(self.id[:8], 16) if self.sampling.seed == "per_request" else None


@dataclass(frozen=True, slots=True)
class Answered:
    """What an engine returns for a request."""

    text: str
    reasoning: str | None
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int


class Teacher(Protocol):
    """A loaded model. `window` is how many requests it can use at once."""

    model: str
    revision: str
    engine: str
    engine_version: str
    window: int

    async def answer(self, request: Request) -> Answered:
        """Answer one request. Raises TeacherError when no retry helps."""


def make_request(identity: tuple[str, str], settings: config.Teacher, problem: Problem, sample_index: int) -> Request:
    """Build the request for completion number `sample_index` of a problem to the model of that name and revision."""
    hint = hint_for(problem.verifier, problem.answer) if settings.hint else None
    messages = render_prompt(settings.prompt, problem.question, problem.verifier, hint)
    version = prompt_for(settings.prompt, problem.verifier).label + ("" if hint is None else HINT_LABEL)
    sampling = settings.sampling
    parts = ([[m.role, m.content] for m in messages], version, sampling.model_dump(), sample_index)
    return Request(content_id("completion", *identity, *parts), problem.id, messages, version, sampling, sample_index)


async def complete(teacher: Teacher, request: Request) -> Completion:
    """Have a request answered and return the record of it."""
    answered = await teacher.answer(request)
    return Completion(
        id=request.id,
        problem_id=request.problem_id,
        model=teacher.model,
        revision=teacher.revision,
        prompt_version=request.prompt_version,
        sampling=canonical_json(request.sampling.model_dump()),
        sample_index=request.sample_index,
        reasoning=answered.reasoning,
        text=answered.text,
        finish_reason=answered.finish_reason,
        prompt_tokens=answered.prompt_tokens,
        completion_tokens=answered.completion_tokens,
        engine=teacher.engine,
        engine_version=teacher.engine_version,
    )


def identity_of(settings: config.Teacher | config.Writer) -> tuple[str, str]:
    """Return the name and revision that a model's completions are recorded under, without loading it."""
    if isinstance(settings.engine, config.OpenAIEngine):
        return settings.model, settings.revision or SERVED
    model = resolve(settings.model, revision=settings.revision)
    return model.name, model.revision


@asynccontextmanager
async def open_teacher(settings: config.Teacher | config.Writer) -> AsyncIterator[Teacher]:
    """Load the model or connect to its servers; closed on the way out, also after an error or Ctrl-C."""
    if isinstance(settings.engine, config.OpenAIEngine):
        from pipeline.teacher_openai import open_openai

        async with open_openai(settings, settings.engine) as teacher:
            yield teacher
    else:
        from pipeline.teacher_vllm import open_vllm

        async with open_vllm(settings, settings.engine) as teacher:
            yield teacher


def split_reasoning(text: str) -> tuple[str | None, str]:
    """Split a model's own thinking block from what it committed to.

    Handles `<think>…</think>` at the start, a block whose opening tag the chat template had pre-filled, and a block
    that never closed (then nothing was committed). A block further inside stays; the verifier ignores it.
    """
    stripped = text.lstrip()
    head, closed, tail = text.rpartition("</think>")
    if stripped.startswith("<think>"):
        if not closed:
            return stripped.removeprefix("<think>").strip(), ""
        return head.lstrip().removeprefix("<think>").strip(), tail.strip()
    if closed and "<think>" not in head:
        return head.strip(), tail.strip()
    return None, text.strip()
