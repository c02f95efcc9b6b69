"""Checks on what a trainer is really given: nothing is cut, the prompt is masked, the answer and its end are learned.

Everything is computed with the student's own tokenizer and chat template. A failure is one line with the row and the
reason; nothing is repaired silently.
"""

from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any, Final

from pipeline.errors import GradatimError
from training.exports import SftRow

IGNORED: Final = -100  # the label PyTorch's cross entropy leaves out
ROUND_TO: Final = 8


class PreflightError(GradatimError):
    """Training would silently go wrong, in one line."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A row in the student's tokens; the first `prompt_length` of them are what generation starts from."""

    row: SftRow
    tokens: list[int]
    prompt_length: int

    @property
    def name(self) -> str:
        return f"row {self.row.completion_id} of problem {self.row.problem_id}"


def render(tokenizer: Any, row: SftRow) -> Rendered:
    """Apply the chat template to a row.

    Raises PreflightError if generation would start from other tokens than the training text does.
    """
    prompt = _tokens(tokenizer, [asdict(m) for m in row.prompt], for_generation=True)
    whole = _tokens(tokenizer, [asdict(m) for m in (*row.prompt, *row.completion)], for_generation=False)
    rendered = Rendered(row, whole, len(prompt))
    if whole[: len(prompt)] != prompt:
        same = next((i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), len(whole))
        raise PreflightError(
            f"{rendered.name}: the chat template starts generation with {tokenizer.decode(prompt[same:])!r}, "
            f"the training text goes on with {tokenizer.decode(whole[same : same + 12])!r}"
        )
    return rendered


def _tokens(tokenizer: Any, messages: list[dict[str, str]], *, for_generation: bool) -> list[int]:
    rendered = tokenizer.apply_chat_template(
        messages, add_generation_prompt=for_generation, tokenize=True, return_dict=True
    )
    return list(rendered["input_ids"])


def length_budget(rows: Sequence[Rendered], cap: int) -> int:
    """Return the max_length that cuts nothing: the longest row, rounded up, at most `cap`.

    Raises PreflightError naming the rows that are longer than `cap`.
    """
    cut = sorted((row for row in rows if len(row.tokens) > cap), key=lambda row: -len(row.tokens))
    if cut:
        named = ", ".join(f"{row.name} ({len(row.tokens)} tokens)" for row in cut[:3])
        more = f" and {len(cut) - 3} more" if len(cut) > 3 else ""
        raise PreflightError(
            f"{len(cut)} of {len(rows)} rows are longer than max_length {cap}, so their answers would be cut: "
            f"{named}{more}; raise sft.max_length"
        )
    longest = max(len(row.tokens) for row in rows)
    return min(cap, -(-longest // ROUND_TO) * ROUND_TO)


def check_trained(tokenizer: Any, stops: Set[int], rows: Sequence[Rendered], trained: Sequence[dict[str, Any]]) -> None:
    """Compare the trainer's own rows (input_ids, labels) with what must be learned.

    Raises PreflightError if rows were dropped, or for the first row that is wrong.
    """
    if len(trained) != len(rows):
        raise PreflightError(
            f"the trainer dropped {len(rows) - len(trained)} of {len(rows)} rows: nothing of them is left to learn "
            "within max_length"
        )
    for row, given in zip(rows, trained, strict=True):
        _check_row(tokenizer, stops, row, given["input_ids"], given["labels"])


def _check_row(tokenizer: Any, stops: Set[int], row: Rendered, tokens: list[int], labels: list[int]) -> None:
    if tokens != row.tokens:
        raise PreflightError(f"{row.name}: the trainer's tokens are not those of the chat template")
    leaked = [i for i in range(row.prompt_length) if labels[i] != IGNORED]
    if leaked:
        raise PreflightError(
            f"{row.name}: {len(leaked)} tokens of the prompt carry a label, the first is "
            f"{tokenizer.decode([tokens[leaked[0]]])!r}"
        )
    end = max((i for i in range(row.prompt_length, len(tokens)) if tokens[i] in stops), default=None)
    if end is None:
        raise PreflightError(
            f"{row.name}: the answer is followed by {tokenizer.decode(tokens[-4:])!r}, in which no token ends "
            f"generation ({', '.join(repr(tokenizer.decode([s])) for s in sorted(stops))}); the student would not stop"
        )
    unlearned = [i for i in range(row.prompt_length, end + 1) if labels[i] != tokens[i]]
    if unlearned:
        part = "the end of turn" if unlearned == [end] else "the answer"
        raise PreflightError(
            f"{row.name}: {len(unlearned)} tokens of {part} carry no label, the first is "
            f"{tokenizer.decode([tokens[unlearned[0]]])!r}"
        )
    learned = tokenizer.decode(tokens[row.prompt_length : end]).strip()
    if learned != row.row.completion[-1].content.strip():
        raise PreflightError(f"{row.name}: the chat template changes the completion; it is learned as {learned[:80]!r}")
