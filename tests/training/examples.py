"""Runs and tokenizers made for the training tests: template problems with a written-out trace, no model needed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from generators.templates import work_rate
from generators.templates.family import generate_problem
from pipeline.prompts import render_prompt
from pipeline.records import Completion, Problem
from pipeline.store import file_digest
from training.exports import SftRow
from training.templates_check import Rendered, render

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def problems(count: int, seed: int = 0) -> list[Problem]:
    """Different problems of one template family."""
    return [generate_problem(work_rate.FAMILY, seed, index) for index in range(count)]


def completion(text: str, name: str = "c", **changes: Any) -> Completion:
    """A finished completion of some model."""
    return replace(
        Completion(name, "p", "m", "r", "v", "{}", 0, None, text, "stop", 1, 1, "vllm", "1"),
        **changes,
    )


def sft_row(problem: Problem, sample_index: int = 0) -> dict[str, Any]:
    """A row of export/sft with a short trace."""
    trace = f"<think>\nTry {sample_index + 1}: add the rates.\n</think>\n\n\\boxed{{{problem.answer}}}"
    return {
        "prompt": prompt_of(problem),
        "completion": [{"role": "assistant", "content": trace}],
        "problem_id": problem.id,
        "completion_id": f"{problem.id}-{sample_index}",
        "family": problem.family,
        "level": 1,
        "tags": ["keep"],
        "answer": problem.answer,
        "answer_type": problem.answer_type,
        "verifier": problem.verifier,
    }


def grpo_row(problem: Problem) -> dict[str, Any]:
    """A row of export/grpo."""
    columns = ("question", "answer", "verifier", "answer_type", "tolerance", "family", "level")
    return {
        "prompt": prompt_of(problem),
        "problem_id": problem.id,
        **{name: getattr(problem, name) for name in columns},
    }


def prompt_of(problem: Problem) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in render_prompt("boxed", problem.question)]


def write_run(folder: Path, **splits: list[dict[str, Any]]) -> Path:
    """Write an export as a run leaves it; a split is named sft_train, grpo_test and so on. Returns the run folder."""
    files = []
    for name, rows in splits.items():
        path = folder / "export" / f"{name.replace('_', '/')}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path)
        listed = {"path": f"{name.replace('_', '/')}.parquet", "rows": len(rows), "sha256": file_digest(path)}
        files.append(listed)
    manifest = {"run": folder.name, "hash": f"hash of {folder.name}", "files": files}
    (folder / "export" / "manifest.json").write_text(json.dumps(manifest))
    return folder


class CharTokenizer:
    """One token per character, with a chat template that a test can break."""

    chat_template = "written in Python"
    eos_token_id = pad_token_id = ord("$")

    def __init__(self, end: str = "$", opening: str = "A:", strip_thinking: bool = False) -> None:
        self.end, self.opening, self.strip_thinking = end, opening, strip_thinking

    def apply_chat_template(
        self, conversations: list[list[dict[str, str]]], *, add_generation_prompt: bool, **_: object
    ) -> dict[str, list[list[int]]]:
        texts = [self._text(messages) + (self.opening if add_generation_prompt else "") for messages in conversations]
        return {"input_ids": [[ord(c) for c in text] for text in texts]}

    def _text(self, messages: list[dict[str, str]]) -> str:
        text = ""
        for message in messages:
            content = message["content"]
            if self.strip_thinking:
                content = content.rpartition("</think>")[2]
            text += ("A:" if message["role"] == "assistant" else "U:") + content + self.end
        return text

    def decode(self, tokens: list[int]) -> str:
        return "".join(map(chr, tokens))


def rendered(tokenizer: CharTokenizer, rows: list[SftRow]) -> list[Rendered]:
    return render(tokenizer, frozenset({ord("$")}), rows)
