"""Which tokens of a row are learned: the labels, checks of the labels a trainer really holds, and a picture of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from training.templates_check import CLOSE, PreflightError, Rendered

IGNORED: Final = -100  # the label PyTorch's cross entropy leaves out
SHOWN: Final = 600  # characters of a segment that are shown, half of them from its end
COLOURS: Final = {"masked": "dim", "learned": "green", "end": "bold magenta"}
MARKS: Final = {"masked": "  - ", "learned": "  + ", "end": "  $ "}


def labels_of(row: Rendered) -> list[int]:
    """Return the row's labels, one per token: the prompt is masked, all after it is learned, as TRL has it."""
    return [IGNORED] * row.prompt_length + row.tokens[row.prompt_length :]


def check_trained(tokenizer: Any, rows: Sequence[Rendered], trained: Sequence[dict[str, Any]]) -> None:
    """Compare the trainer's own rows (input_ids, labels; seq_lengths where rows are packed) with what must be learned.

    Raises PreflightError if rows were dropped or cut, or for the first row that is wrong.
    """
    given = [part for row in trained for part in _unpacked(row)]
    if len(given) != len(rows):
        raise PreflightError(f"the trainer holds {len(given)} rows for the {len(rows)} it was given")
    if trained and "seq_lengths" in trained[0]:  # packing changes the order
        rows = sorted(rows, key=lambda row: row.tokens)
        given = sorted(given, key=lambda part: part[0])
    for row, (tokens, labels) in zip(rows, given, strict=True):
        if tokens != row.tokens:
            raise PreflightError(f"{row.name}: the trainer's tokens are not those of the chat template")
        check_labels(tokenizer, row, labels)


def _unpacked(row: dict[str, Any]) -> Iterator[tuple[list[int], list[int]]]:
    start = 0
    for length in row.get("seq_lengths") or [len(row["input_ids"])]:
        yield row["input_ids"][start : start + length], row["labels"][start : start + length]
        start += length


def check_labels(tokenizer: Any, row: Rendered, labels: Sequence[int]) -> None:
    """Raise PreflightError if a prompt token carries a label, or if thinking, answer or end of turn lack one."""
    leaked = [i for i in range(row.prompt_length) if labels[i] != IGNORED]
    if leaked:
        raise PreflightError(
            f"{row.name}: {len(leaked)} tokens of the prompt carry a label, the first is "
            f"{tokenizer.decode([row.tokens[leaked[0]]])!r}"
        )
    unlearned = [i for i in range(row.prompt_length, row.end + 1) if labels[i] != row.tokens[i]]
    if unlearned:
        raise PreflightError(
            f"{row.name}: {len(unlearned)} tokens of {_part(tokenizer, row, unlearned[0])} carry no label, the first "
            f"is {tokenizer.decode([row.tokens[unlearned[0]]])!r}"
        )


def check_batch(trained: Sequence[dict[str, Any]], batch: Mapping[str, Any]) -> None:
    """Compare a batch of the trainer's collator (padded, or flattened into one row) with the rows it was made of.

    Raises PreflightError unless it learns exactly what their labels say: nothing of the padding, and no row's tokens
    in another's place.
    """
    wanted = [(row["input_ids"], row["labels"]) for row in trained]
    given = list(zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True))
    if len(given) == 1:
        wanted = [([i for ids, _ in wanted for i in ids], [label for _, labels in wanted for label in labels])]
    for place, ((tokens, labels), (all_tokens, all_labels)) in enumerate(zip(wanted, given, strict=True)):
        padding = len(all_labels) - len(labels)
        if all_tokens[: len(tokens)] != tokens or all_labels != [*labels, *[IGNORED] * padding]:
            raise PreflightError(f"the trainer's collator changes what is learned, in row {place} of a batch")


def _part(tokenizer: Any, row: Rendered, place: int) -> str:
    if place == row.end:
        return "the end of turn"
    thinking = CLOSE in tokenizer.decode(row.tokens[place : row.end])
    return "the thinking" if thinking else "the answer"


def show_mask(console: Console, tokenizer: Any, row: Rendered, labels: Sequence[int]) -> None:
    """Print a row with what is learned of it: in colour, or with a mark before every line if not to a terminal."""
    learned = sum(label != IGNORED for label in labels)
    console.print(f"{row.name}: {len(labels)} tokens, {learned} learned", markup=False, highlight=False, soft_wrap=True)
    picture = Text()
    for kind, tokens in _segments(row, labels):
        text = _printable(_shortened(tokenizer.decode(tokens)))
        if console.is_terminal:
            picture.append(text, COLOURS[kind])
        else:
            picture.append("".join(f"{MARKS[kind]}{line}\n" for line in text.splitlines()))
    console.print(picture, soft_wrap=True)


def legend(console: Console) -> Text:
    """Return what colours or marks mean."""
    text = Text("loss mask: ")
    for kind, meaning in (("masked", "masked"), ("learned", "learned"), ("end", "learned end of turn")):
        text.append(meaning if console.is_terminal else f"{MARKS[kind].strip()} {meaning}", COLOURS[kind])
        text.append("" if kind == "end" else ", ")
    return text


def _segments(row: Rendered, labels: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    """Give runs of tokens of one kind."""
    kinds = ["masked" if label == IGNORED else "learned" for label in labels]
    if kinds[row.end] == "learned":
        kinds[row.end] = "end"
    start = 0
    for place in range(1, len(kinds) + 1):
        if place == len(kinds) or kinds[place] != kinds[start]:
            yield kinds[start], row.tokens[start:place]
            start = place


def _shortened(text: str) -> str:
    half = SHOWN // 2
    return text if len(text) <= SHOWN else f"{text[:half]} … {text[-half:]}"


def _printable(text: str) -> str:
    """Write out what a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
