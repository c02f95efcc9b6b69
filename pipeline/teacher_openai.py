"""The server engine: any OpenAI-compatible endpoint, or several that serve the same model.

Each endpoint has its own bound on requests in flight; a request goes to the endpoint with the most room. What may pass
(connection lost, time-out, 429, 5xx, an answer that is not one) is tried again elsewhere, with back-off.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, cast

import openai
from openai import AsyncOpenAI

from pipeline import config
from pipeline.records import FinishReason
from pipeline.seeds import rng_for
from pipeline.teacher import SERVED, Answered, Request, TeacherError, TeacherUnavailable, split_reasoning

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length", "content_filter": "filtered"}


class _Passing(Exception):
    """A failure that another try may mend."""


@dataclass
class _Endpoint:
    url: str
    client: AsyncOpenAI
    in_flight: int = 0
    failures_in_a_row: int = 0


class OpenAITeacher:
    """A model behind one or several servers."""

    engine = "openai"

    def __init__(
        self, settings: config.Teacher | config.Writer, engine: config.OpenAIEngine, endpoints: list[_Endpoint]
    ) -> None:
        self.model = settings.model
        self.revision = settings.revision or SERVED
        self.engine_version = f"openai-python {version('openai')}"
        self.window = engine.concurrency * len(endpoints)
        self._settings = engine
        self._endpoints = endpoints

    async def answer(self, request: Request) -> Answered:
        rng = rng_for("back-off", 0, int(request.id[:8], 16))
        for attempt in range(1, self._settings.attempts + 1):
            endpoint = min(self._endpoints, key=lambda e: (e.failures_in_a_row, e.in_flight))
            endpoint.in_flight += 1
            try:
                answered = await self._ask(endpoint, request)
            except _Passing as error:
                endpoint.failures_in_a_row += 1
                last = f"{endpoint.url}: {error}"
            else:
                endpoint.failures_in_a_row = 0
                return answered
            finally:
                endpoint.in_flight -= 1
            if attempt < self._settings.attempts:
                await asyncio.sleep(
                    min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempt - 1)) * rng.uniform(0.5, 1)
                )
        raise TeacherUnavailable(f"{last} (after {self._settings.attempts} tries); what is finished is kept")

    async def _ask(self, endpoint: _Endpoint, request: Request) -> Answered:
        sampling = request.sampling
        extra = {"top_k": sampling.top_k, "min_p": sampling.min_p or None}
        try:
            response = await endpoint.client.chat.completions.create(
                model=self.model,
                messages=cast(Any, [{"role": m.role, "content": m.content} for m in request.messages]),
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_tokens,
                seed=openai.omit if request.seed is None else request.seed,
                response_format=_response_format(request),
                extra_body={key: value for key, value in extra.items() if value is not None},
            )
        except (openai.RateLimitError, openai.InternalServerError) as error:
            raise _Passing(_first_line(error)) from error
        except openai.APIConnectionError as error:
            raise _Passing(f"{_first_line(error)} {_first_line(error.__cause__)}".strip()) from error
        except (openai.APIResponseValidationError, json.JSONDecodeError) as error:
            raise _Passing(f"not a chat completion: {_first_line(error)}") from error
        except openai.APIStatusError as error:
            raise TeacherError(f"{endpoint.url}: {_first_line(error)}") from error
        return _read(response)


def _response_format(request: Request) -> Any:
    if request.schema is None:
        return openai.omit
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": json.loads(request.schema)}}


def _read(response: Any) -> Answered:
    """Read one chat completion; whatever a broken server may send is a passing failure."""
    try:
        (choice,) = response.choices
        content = choice.message.content or ""
        own = getattr(choice.message, "reasoning", None) or getattr(choice.message, "reasoning_content", None)
        finish = _FINISH[choice.finish_reason]
        used = (int(response.usage.prompt_tokens), int(response.usage.completion_tokens))
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise _Passing(f"not a chat completion with one choice ({type(error).__name__}: {error})") from error
    reasoning, text = (own.strip(), content.strip()) if isinstance(own, str) else split_reasoning(content)
    return Answered(text, reasoning, finish, *used)


def _first_line(error: object) -> str:
    text = str(error) if error is not None else ""
    return text.splitlines()[0][:200] if text else ""


@asynccontextmanager
async def open_openai(
    settings: config.Teacher | config.Writer, engine: config.OpenAIEngine
) -> AsyncIterator[OpenAITeacher]:
    """Connect to every endpoint and see that it serves the model."""
    key = os.environ.get(engine.api_key_env, "none")
    clients = [
        AsyncOpenAI(base_url=url, api_key=key, timeout=engine.timeout_seconds, max_retries=0)
        for url in engine.endpoints
    ]
    endpoints = [_Endpoint(url, client) for url, client in zip(engine.endpoints, clients, strict=True)]
    try:
        for endpoint in endpoints:
            await _greet(endpoint, settings.model)
        yield OpenAITeacher(settings, engine, endpoints)
    finally:
        for client in clients:
            await client.close()


async def _greet(endpoint: _Endpoint, model: str) -> None:
    """Ask for the list of models once, so that a wrong address or name is known before anything is sent."""
    try:
        served = [m.id async for m in endpoint.client.models.list()]
    except openai.APIConnectionError as error:
        cause = _first_line(error.__cause__) or _first_line(error)
        raise TeacherError(f"{endpoint.url}: no answer ({cause}); is the server running there?") from error
    except (openai.APIStatusError, openai.APIResponseValidationError, json.JSONDecodeError, AttributeError) as error:
        raise TeacherError(f"{endpoint.url}: not an OpenAI-compatible server: {_first_line(error)}") from error
    if model not in served:
        raise TeacherError(f"{endpoint.url}: does not serve {model}; it serves {', '.join(served) or 'nothing'}")
