"""Rows in the student's own tokens, and what a chat template may silently do to them.

Generation and training must start from the same tokens; thinking and answer must be learned as they are in the row;
the turn must end with a token that ends generation. A failure is one line with the row and the reason.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pipeline.errors import GradatimError
from pipeline.records import Message
from training.exports import SftRow

OPEN, CLOSE = "<think>", "</think>"
BATCH: Final = 500
TAIL: Final = 12  # tokens that hold whatever a template puts before the completion

PREFILLED: Final = f"the chat template opens {OPEN} itself; the student learns what comes after it"
RESPACED: Final = "the chat template changes blanks or line ends of the completion"
FORGOTTEN: Final = "the chat template drops the thinking of earlier turns"


class PreflightError(GradatimError):
    """Training would silently go wrong, in one line."""


@dataclass(frozen=True, slots=True)
class Special:
    """What a student's tokenizer and model say about special tokens and room. `embeddings` is the number of rows of the
    embedding; `stops` are the tokens that end generation; `positions` are the most tokens, where the model says so."""

    stops: frozenset[int]
    embeddings: int
    positions: int | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A row in the student's tokens: generation starts after `prompt_length` of them, the token at `end` ends it. Of a
    row without a completion all tokens are the prompt's."""

    row: SftRow
    tokens: list[int]
    prompt_length: int
    end: int
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return row_name(self.row)


def row_name(row: SftRow) -> str:
    return f"row {row.completion_id} of problem {row.problem_id}" if row.completion else f"problem {row.problem_id}"


def check_special_tokens(tokenizer: Any, special: Special) -> None:
    """Raise PreflightError unless there are a chat template, an end of generation, and room for every token.

    A pad token that is also the end of turn is fine here: what is padding is told by position, never by token.
    """
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    named = {"end of generation": max(special.stops, default=None), "pad": pad}
    if not tokenizer.chat_template:
        raise PreflightError("the student's tokenizer has no chat template; give one (sft.chat_template_path)")
    for what, token in named.items():
        if token is None:
            raise PreflightError(f"neither the tokenizer nor generation_config.json names a token for {what}")
        if token >= special.embeddings:
            raise PreflightError(f"the token for {what} is {token}, the model has {special.embeddings} embeddings")


def render(tokenizer: Any, stops: frozenset[int], rows: Sequence[SftRow]) -> list[Rendered]:
    """Apply the chat template to rows. Raises PreflightError for the first row that is unfit."""
    rendered = []
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        prompts = apply_template(tokenizer, [row.prompt for row in some], for_generation=True)
        wholes = apply_template(tokenizer, [row.prompt + row.completion for row in some], for_generation=False)
        rendered += [_rendered(tokenizer, stops, *each) for each in zip(some, prompts, wholes, strict=True)]
    return rendered


def render_prompts(tokenizer: Any, rows: Sequence[SftRow]) -> list[Rendered]:
    """Apply the chat template to rows without completions, up to where generation starts."""
    prompts = apply_template(tokenizer, [row.prompt for row in rows], for_generation=True)
    return [
        Rendered(row, prompt, len(prompt), len(prompt) - 1, _prompt_notes(tokenizer, row, prompt))
        for row, prompt in zip(rows, prompts, strict=True)
    ]


def apply_template(
    tokenizer: Any, conversations: Sequence[Sequence[Message]], *, for_generation: bool
) -> list[list[int]]:
    """Return the tokens of every conversation, with the generation prompt if asked."""
    turns = [[asdict(message) for message in conversation] for conversation in conversations]
    rendered = tokenizer.apply_chat_template(
        turns, add_generation_prompt=for_generation, tokenize=True, return_dict=True
    )
    return [list(tokens) for tokens in rendered["input_ids"]]


def _rendered(tokenizer: Any, stops: frozenset[int], row: SftRow, prompt: list[int], whole: list[int]) -> Rendered:
    if whole[: len(prompt)] != prompt:
        raise PreflightError(f"{row_name(row)}: {_mismatch(tokenizer, row, prompt, whole)}")
    end = next((i for i in range(len(prompt), len(whole)) if whole[i] in stops), None)
    if end is None:
        raise PreflightError(
            f"{row_name(row)}: the answer is followed by {tokenizer.decode(whole[-4:])!r}, in which no token ends "
            f"generation ({', '.join(repr(tokenizer.decode([s])) for s in sorted(stops))}); the student would not stop"
        )
    learned = tokenizer.decode(whole[len(prompt) : end])
    notes = _prompt_notes(tokenizer, row, prompt)
    if fault := _completion_fault(row.completion[-1].content, learned, PREFILLED in notes):
        raise PreflightError(f"{row_name(row)}: {fault}; it is learned as {learned[:80]!r}")
    respaced = not row.completion[-1].content.strip().endswith(learned.strip())
    return Rendered(row, whole, len(prompt), end, (*notes, RESPACED) if respaced else notes)


def _prompt_notes(tokenizer: Any, row: SftRow, prompt: list[int]) -> tuple[str, ...]:
    """Return what the chat template does to thinking in and behind the prompt."""
    found = {PREFILLED: opens_thinking(tokenizer, prompt), FORGOTTEN: _forgets(tokenizer, row, prompt)}
    return tuple(note for note, there in found.items() if there)


def opens_thinking(tokenizer: Any, prompt: list[int]) -> bool:
    """Tell whether generation starts inside a thinking block that the chat template has opened."""
    return bool(tokenizer.decode(prompt[-TAIL:]).rstrip().endswith(OPEN))


def _mismatch(tokenizer: Any, row: SftRow, prompt: list[int], whole: list[int]) -> str:
    same = next(
        (i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), min(len(prompt), len(whole))
    )
    starts, goes_on = tokenizer.decode(prompt[same:]), tokenizer.decode(whole[same : same + TAIL])
    thinking = []
    if OPEN in starts:
        thinking.append(f"pre-fills {OPEN} for generation only")
    if CLOSE in row.completion[-1].content and CLOSE not in tokenizer.decode(whole[same:]):
        thinking.append("drops the thinking from the training text")
    why = f" (it {' and '.join(thinking)})" if thinking else ""
    return f"the chat template starts generation with {starts!r}, the training text goes on with {goes_on!r}{why}"


def _completion_fault(content: str, learned: str, opened: bool) -> str | None:
    """Say what a chat template has done to a completion, None if nothing but blanks and line ends."""
    wanted, found = "".join(content.split()), "".join(learned.split())
    if opened and found == wanted.removeprefix(OPEN) and wanted.startswith(OPEN):
        return None
    if opened:
        return (
            f"the chat template opens {OPEN} and the completion opens it again"
            if found.startswith(OPEN)
            else f"the chat template opens {OPEN}, the completion has no thinking to go on with"
        )
    if found == wanted:
        return None
    if CLOSE in wanted and CLOSE not in found:
        return "the chat template changes the completion: it drops the thinking"
    if CLOSE in found and CLOSE not in wanted:
        return "the chat template changes the completion: it adds a thinking block"
    return "the chat template changes the completion"


def _forgets(tokenizer: Any, row: SftRow, prompt: list[int]) -> bool:
    given = sum(message.content.count(CLOSE) for message in row.prompt)
    return given > 0 and tokenizer.decode(prompt).count(CLOSE) < given
