"""The run that the crash campaign kills, and its teacher: answers recorded once and served again over real HTTP.

An answer is a function of the request. A request that the undisturbed run did not make is not in the record: it gets no
answer, and is counted.
"""

import json
import random
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

from flows.stages import build
from pipeline.config import Config, OpenAIEngine, Sampling, Teacher
from pipeline.records import content_id
from pipeline.run import Run
from tests.fake_server import MODEL_NAME, serve
from tests.flows.mixed import TEMPLATES, MixedModel, imported_rows

WINDOW: Final = 4  # requests in flight at most
LINES: Final = 6


class Undisturbed(NamedTuple):
    """The run as it is when nobody disturbs it, the answers it got, and how many requests it made."""

    run: Run
    answers: dict[str, str]
    requests: int


class Model:
    """The mixed model, which also gives the equations of lines: only a symbolic check can tell the wrong ones."""

    def __init__(self) -> None:
        self._mixed = MixedModel()

    def __call__(self, body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        found = re.search(r"slope 1 and meets the y-axis at (\d+)", text)
        if found is None or "response_format" in body:
            return self._mixed(body)
        wrong = random.Random(body["seed"]).random() < 0.3
        words = " ".join(random.Random(body["seed"]).choices(("we", "take", "the", "slope", "then", "add"), k=30))
        return f"{words}: \\boxed{{2y = 2x + {2 * int(found[1]) + wrong}}}"


class Recorded:
    """Answers from the record; `unknown` are the requests it does not hold."""

    def __init__(self, answers: dict[str, str]) -> None:
        self._answers = answers
        self.unknown: list[dict[str, Any]] = []

    def __call__(self, body: dict[str, Any]) -> str:
        answer = self._answers.get(key_of(body))
        if answer is None:
            self.unknown.append(body)
            raise LookupError("a request that the undisturbed run did not make")
        return answer


def key_of(body: dict[str, Any]) -> str:
    """Return what stands for a request in the record."""
    return content_id("body", body)


def settings(inputs: Path, runs: Path, url: str, **engine: Any) -> Config:
    """Every kind of source in shards of four problems, so that every stage has several units; two rounds of parents."""
    inputs.mkdir(parents=True, exist_ok=True)
    question = "A line has slope 1 and meets the y-axis at {}. What is its equation in x and y?"
    lines = [{"question": question.format(n), "answer": f"y = x + {n}"} for n in range(2, 2 + LINES)]
    for name, rows in (("sums", imported_rows()), ("lines", lines)):
        path = inputs / f"{name}.jsonl"
        if not path.exists():
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    openai = OpenAIEngine(kind="openai", endpoints=(url,), **{"concurrency": WINDOW, "timeout_seconds": 10} | engine)
    one = Teacher(model=MODEL_NAME, engine=openai, sampling=Sampling(seed="per_request"), completions=3)
    sources = [
        TEMPLATES.model_dump(),
        {"strategy": "imported", "path": inputs / "sums.jsonl", "licence": "MIT"},
        {"strategy": "imported", "path": inputs / "lines.jsonl", "answer_type": "equation"},
        {"strategy": "evolved", "count": 3, "generations": 2, "operations": ["more_steps", "concretise"]},
        {"strategy": "backward", "method": "answer_first", "count": 5},
        {"strategy": "backward", "method": "mask", "count": 2, "families": ["travel"]},
        {"strategy": "backward", "method": "inverse", "count": 2, "families": ["travel"]},
        {"strategy": "written", "count": 5},
    ]
    return Config.model_validate(
        {
            "run": "chaos",
            "runs_folder": runs,
            "generate": {"sources": sources, "shard_rows": 4},
            "writer": {"model": MODEL_NAME, "engine": openai, "sampling": {"seed": "per_request"}},
            "teachers": [one.model_dump(), one.model_copy(update={"prompt": "plan"}).model_dump()],
        }
    )


def undisturbed(folder: Path) -> Undisturbed:
    """Build the run in this process, undisturbed, and record every answer in `folder`/answers.jsonl."""
    model = Model()
    answers: dict[str, str] = {}

    def recording(body: dict[str, Any]) -> str:
        answers[key_of(body)] = model(body)
        return answers[key_of(body)]

    with serve(recording) as server:
        run = build(settings(folder / "inputs", folder / "undisturbed", server.url))
        requests = len(server.requests)
    with (folder / "answers.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(json.dumps({"request": key, "answer": text}) + "\n" for key, text in answers.items())
    return Undisturbed(run, read_answers(folder / "answers.jsonl"), requests)


def read_answers(path: Path) -> dict[str, str]:
    """Read a record back."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {row["request"]: row["answer"] for row in rows}
