"""The server engine: any OpenAI-compatible endpoint, or several that serve the same model.

How many requests an endpoint gets at once, and which one is next, is concurrency.py's business. What may pass
(connection lost, time-out, 429, 5xx, an answer that is not one) is tried again after a wait, elsewhere if possible.
"""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, Final, cast

import openai
from openai import AsyncOpenAI

from pipeline import config
from pipeline.concurrency import Endpoint, Endpoints, Failure
from pipeline.progress import say
from pipeline.records import FinishReason
from pipeline.seeds import rng_for
from pipeline.teacher import SERVED, Answered, Request, TeacherError, TeacherUnavailable, split_reasoning

FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 30.0
GREETING_SECONDS: Final = 30.0
TOO_MANY: Final = 429
PASSING: Final = (408, TOO_MANY)
OVERLOADED: Final = (*PASSING, 502, 503, 504, 529)
_FINISH: dict[str, FinishReason] = {"stop": "stop", "length": "length", "content_filter": "filtered"}


class OpenAITeacher:
    """A model behind one or several servers."""

    engine = "openai"

    def __init__(
        self,
        settings: config.Teacher | config.Writer,
        engine: config.OpenAIEngine,
        clients: dict[str, AsyncOpenAI],
        away: Collection[str] = (),
    ) -> None:
        self.model = settings.model
        self.revision = settings.revision or SERVED
        self.engine_version = f"openai-python {version('openai')}"
        self.window = engine.concurrency * len(clients)  # the most there can be; requests wait for room in `answer`
        self._settings = engine
        self._clients = clients
        endpoints = [Endpoint(url, engine.concurrency) for url in clients]
        for endpoint in endpoints:
            if endpoint.url in away:
                endpoint.open_breaker(time.monotonic())
        self._endpoints = Endpoints(endpoints, engine.patience_seconds)

    @property
    def retries(self) -> int:
        """How many tries have failed so far."""
        return self._endpoints.retries

    def load(self) -> str:
        """Return how busy the endpoints are, for the progress line."""
        return self._endpoints.load()

    async def answer(self, request: Request) -> Answered:
        rng = rng_for("back-off", 0, int(request.id[:8], 16))
        tries = 0
        wait = FIRST_WAIT_SECONDS
        while True:
            one = await self._endpoints.take()
            try:
                answered = await self._ask(one.endpoint.url, request)
            except Failure as failure:
                self._endpoints.fail(one, failure)
                tries += not failure.refused
                if tries == self._settings.attempts:
                    raise TeacherUnavailable(
                        f"{one.endpoint.url}: {failure} (after {tries} tries); what is finished is kept"
                    ) from failure
            except (TeacherError, asyncio.CancelledError):
                self._endpoints.give_up(one)
                raise
            else:
                self._endpoints.succeed(one)
                return answered
            await asyncio.sleep(wait * rng.uniform(0.5, 1))
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    async def _ask(self, url: str, request: Request) -> Answered:
        sampling = request.sampling
        extra = {"top_k": sampling.top_k, "min_p": sampling.min_p or None}
        try:
            response = await self._clients[url].chat.completions.create(
                model=self.model,
                messages=cast(Any, [{"role": m.role, "content": m.content} for m in request.messages]),
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_tokens,
                seed=openai.omit if request.seed is None else request.seed,
                response_format=_response_format(request),
                extra_body={key: value for key, value in extra.items() if value is not None},
            )
        except openai.APIConnectionError as error:
            text = f"{_first_line(error)} {_first_line(error.__cause__)}".strip()
            raise Failure(text, overloaded=True) from error
        except (openai.APIResponseValidationError, json.JSONDecodeError) as error:
            raise Failure(f"not a chat completion: {_first_line(error)}") from error
        except openai.APIStatusError as error:
            if not _passes(error.status_code):
                raise TeacherError(f"{url}: {_first_line(error)}") from error
            raise Failure(
                _first_line(error),
                overloaded=error.status_code in OVERLOADED,
                refused=error.status_code == TOO_MANY,
                retry_after=retry_after(error.response.headers.get("retry-after")),
            ) from error
        return _read(response)


def _passes(status: int) -> bool:
    return status in PASSING or status >= 500


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
        raise Failure(f"not a chat completion with one choice ({type(error).__name__}: {error})") from error
    reasoning, text = (own.strip(), content.strip()) if isinstance(own, str) else split_reasoning(content)
    return Answered(text, reasoning, finish, *used)


def retry_after(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110: a number of seconds, or a date), if it does."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    return seconds if 0 < seconds < float("inf") else None


def _first_line(error: object) -> str:
    text = str(error) if error is not None else ""
    return text.splitlines()[0][:200] if text else ""


@asynccontextmanager
async def open_openai(
    settings: config.Teacher | config.Writer, engine: config.OpenAIEngine
) -> AsyncIterator[OpenAITeacher]:
    """Connect to every endpoint and see that it serves the model; one that is away begins with an open breaker.

    Raises TeacherUnavailable if all are away, TeacherError if one is not what the configuration says.
    """
    key = os.environ.get(engine.api_key_env, "none")
    clients = {
        url: AsyncOpenAI(base_url=url, api_key=key, timeout=engine.timeout_seconds, max_retries=0)
        for url in engine.endpoints
    }
    try:
        wait = min(engine.timeout_seconds, GREETING_SECONDS)
        greetings = (_greet(url, client.with_options(timeout=wait), settings.model) for url, client in clients.items())
        away = {url: why for url, why in zip(clients, await asyncio.gather(*greetings), strict=True) if why}
        told = "; ".join(f"{url}: no answer ({why})" for url, why in away.items())
        if len(away) == len(clients):
            raise TeacherUnavailable(f"{told}; is the server running there?")
        if away:
            say(f"{len(away)} of {len(clients)} endpoints left out until they answer: {told}")
        yield OpenAITeacher(settings, engine, clients, away)
    finally:
        for client in clients.values():
            await client.close()


async def _greet(url: str, client: AsyncOpenAI, model: str) -> str | None:
    """Ask for the list of models once, so that a wrong address or name is known before anything is sent. Returns why
    the server is away, or None."""
    try:
        served = [m.id async for m in client.models.list()]
    except openai.APIConnectionError as error:
        return _first_line(error.__cause__) or _first_line(error)
    except (openai.APIStatusError, openai.APIResponseValidationError, json.JSONDecodeError, AttributeError) as error:
        if isinstance(error, openai.APIStatusError) and _passes(error.status_code):
            return _first_line(error)
        raise TeacherError(f"{url}: not an OpenAI-compatible server: {_first_line(error)}") from error
    if model not in served:
        raise TeacherError(f"{url}: does not serve {model}; it serves {', '.join(served) or 'nothing'}")
    return None
