"""Every way in which training would silently go wrong is one line with the row and the reason."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from flows.preflight_command import preflight as preflight_command
from pipeline.records import Message
from tests.training.examples import CharTokenizer, problems, rendered, sft_row, write_run
from tests.training.students import byte_tokenizer, save_student, template
from training.exports import SftRow
from training.lengths import length_budget, length_histogram
from training.loss_mask import IGNORED, check_batch, check_trained, labels_of
from training.preflight import check_tokenisation, preflight
from training.preflight_command import main
from training.settings import Sft
from training.templates_check import (
    FORGOTTEN,
    PREFILLED,
    RESPACED,
    PreflightError,
    Rendered,
    Special,
    check_special_tokens,
    render,
)

THINKING = "<think>\nOne and one make two.\n</think>\n\n\\boxed{2}"
PLAIN = "One and one make \\boxed{2}."
SPECIAL = Special(frozenset({1}), 300)


def row(question: str = "1+1?", completion: str = THINKING, name: str = "c1") -> SftRow:
    return SftRow("p1", name, (Message("user", question),), (Message("assistant", completion),), answer="2")


def check(tokenizer: Any, rows: list[SftRow], special: Special = SPECIAL, **settings: Any) -> tuple[str, set[str]]:
    """Run the preflight; returns what it printed and its notes."""
    page = io.StringIO()
    found = preflight(tokenizer, special, rows, Sft(**settings), seed=0, console=Console(file=page, width=120))
    return page.getvalue(), set(found.notes)


HISTORY = replace(row(), prompt=(Message("user", "0+1?"), Message("assistant", THINKING), Message("user", "1+1?")))


@pytest.mark.parametrize(
    ("name", "given", "notes"),
    [
        ("smollm2", row(), set()),
        ("smollm2", row(completion=PLAIN), set()),
        ("smollm2", HISTORY, set()),
        ("qwen2_5", row(), set()),
        ("qwen2_5", row(completion=PLAIN), set()),
        ("qwen3", row(), set()),
        ("qwen3", row(completion="<think>One and one.</think>\\boxed{2}"), {RESPACED}),
        ("qwen3", HISTORY, {FORGOTTEN}),
        ("qwen3_6", row(), {PREFILLED}),
        ("qwen3_6", HISTORY, {PREFILLED, FORGOTTEN}),
    ],
)
def test_real_templates_that_fit(name: str, given: SftRow, notes: set[str]) -> None:
    shown, found = check(byte_tokenizer(template(name)), [given], prefilled_think="allow")
    assert found == notes
    assert all(note in shown for note in notes)
    assert "1 of 1 drawn rows accepted" in shown


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("qwen3_6", row(), "the chat template opens <think> itself"),
        ("qwen3_6", row(completion=PLAIN), "opens <think>, the completion has no thinking to go on with"),
        ("qwen3", row(completion=PLAIN), "it adds a thinking block"),
        ("deepseek_r1_distill", row(), "pre-fills <think> for generation only and drops the thinking"),
        ("deepseek_r1_distill", row(completion=PLAIN), "(it pre-fills <think> for generation only)"),
    ],
)
def test_real_templates_that_do_not_fit(name: str, given: SftRow, reason: str) -> None:
    end = "<｜end▁of▁sentence｜>" if name.startswith("deepseek") else "<|im_end|>"
    tokenizer = byte_tokenizer(template(name), end)
    tokenizer.add_special_tokens({"bos_token": "<bos>"})
    with pytest.raises(PreflightError, match=r"^row c1 of problem p1: ") as caught:
        check(tokenizer, [row(name="c0"), given] if name == "qwen3" else [given])
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


TURN = "{{'<|im_start|>' + message['role'] + '\n' + "
OPENED = "('<think>\n' if message['role'] == 'assistant' else '') + "


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("+ '<|im_end|>' + '\n'", "+ '\n'", "no token ends generation"),
        ("{{ '<|im_start|>assistant\n'", "{{ '<|im_start|>assistant '", "starts generation with"),
        (TURN, TURN + OPENED, "the chat template changes the completion"),
        ("message['content']", "message['content'] | upper", "the chat template changes the completion"),
    ],
)
def test_broken_templates_are_found(old: str, new: str, reason: str) -> None:
    whole = template("smollm2")
    assert old in whole
    with pytest.raises(PreflightError, match=r"^row c1 of problem p1: ") as caught:
        check(byte_tokenizer(whole.replace(old, new)), [row()])
    assert reason in str(caught.value)


def test_a_thinking_block_that_is_opened_twice_is_found() -> None:
    opening = "<|im_start|>assistant\n<think>\n"
    twice = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + ('<think>\n' if m.role == 'assistant' else '')"
        " + m.content + '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '" + opening + "' }}{% endif %}"
    )
    with pytest.raises(PreflightError, match="opens <think> and the completion opens it again"):
        check(byte_tokenizer(twice), [row()], prefilled_think="allow")


def test_an_end_of_turn_inside_a_completion_is_found() -> None:
    hidden = THINKING.replace("two.", "two.<|im_end|>\n<|im_start|>user\n")
    with pytest.raises(PreflightError, match="changes the completion: it drops the thinking"):
        check(byte_tokenizer(template("smollm2")), [row(completion=hidden)])


def test_a_token_that_reaches_from_the_prompt_into_the_completion_is_found() -> None:
    """The text is the same, the tokens are not: the prompt's last line end and the completion's first are one token."""
    given = row(completion="\n" + THINKING)
    assert "1 of 1 drawn rows accepted" in check(byte_tokenizer(template("smollm2")), [given])[0]
    merging = byte_tokenizer(template("smollm2"), merges=[("Ċ", "Ċ")])
    with pytest.raises(PreflightError, match=r"starts generation with '\\n', the training text goes on with '\\n\\n<"):
        check(merging, [given])
    check(merging, [row()])


@pytest.mark.parametrize(
    ("special", "changes", "reason"),
    [
        (Special(frozenset(), 300), {}, "names a token for end of generation"),
        (Special(frozenset({400}), 300), {}, "end of generation is 400, the model has 300 embeddings"),
        (SPECIAL, {"pad_token_id": 300}, "the token for pad is 300"),
        (SPECIAL, {"pad_token_id": None, "eos_token_id": None}, "names a token for pad"),
        (SPECIAL, {"chat_template": None}, "has no chat template"),
    ],
)
def test_special_tokens_are_checked(special: Special, changes: dict[str, Any], reason: str) -> None:
    tokenizer = CharTokenizer()
    check_special_tokens(tokenizer, SPECIAL)
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    with pytest.raises(PreflightError, match=reason):
        check_special_tokens(tokenizer, special)


def as_trained(rows: list[Rendered]) -> list[dict[str, Any]]:
    """What a faultless trainer holds."""
    return [{"input_ids": r.tokens, "labels": [IGNORED] * r.prompt_length + r.tokens[r.prompt_length :]} for r in rows]


def unmask_prompt(given: dict[str, Any], prompt: int) -> None:
    given["labels"][prompt - 1] = given["input_ids"][prompt - 1]


def mask_end(given: dict[str, Any], prompt: int) -> None:
    given["labels"][-1] = IGNORED


def mask_thinking(given: dict[str, Any], prompt: int) -> None:
    given["labels"][prompt + 3] = IGNORED


def mask_answer(given: dict[str, Any], prompt: int) -> None:
    given["labels"][-3] = IGNORED


def cut(given: dict[str, Any], prompt: int) -> None:
    given["input_ids"], given["labels"] = given["input_ids"][:-4], given["labels"][:-4]


DAMAGES = [
    (unmask_prompt, "1 tokens of the prompt carry a label, the first is ':'"),
    (mask_end, r"1 tokens of the end of turn carry no label, the first is '\$'"),
    (mask_thinking, "1 tokens of the thinking carry no label"),
    (mask_answer, "1 tokens of the answer carry no label"),
    (cut, "the trainer's tokens are not those of the chat template"),
]


@pytest.mark.parametrize(("damage", "reason"), DAMAGES)
def test_damaged_labels_are_found(damage: Callable[[dict[str, Any], int], None], reason: str) -> None:
    tokenizer = CharTokenizer()
    rows = rendered(tokenizer, [row(), row(name="c2")])
    given = as_trained(rows)
    check_trained(tokenizer, rows, given)
    damage(given[1], rows[1].prompt_length)
    with pytest.raises(PreflightError, match=f"row c2 of problem p1: {reason}"):
        check_trained(tokenizer, rows, given)


@pytest.mark.parametrize(("damage", "reason"), DAMAGES[:4])
def test_damaged_labels_in_a_pack_are_found(damage: Callable[[dict[str, Any], int], None], reason: str) -> None:
    tokenizer = CharTokenizer()
    rows = rendered(tokenizer, [row(question=q, name=f"c{q}") for q in "321"])

    def packed(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        two, one = parts[:2], parts[2:]
        return [
            {
                "input_ids": [token for p in group for token in p["input_ids"]],
                "labels": [label for p in group for label in p["labels"]],
                "seq_lengths": [len(p["input_ids"]) for p in group],
            }
            for group in (one, two)
        ]

    given = as_trained(rows)
    check_trained(tokenizer, rows, packed(given))
    damage(given[1], rows[1].prompt_length)
    with pytest.raises(PreflightError, match=f"row c2 of problem p1: {reason}"):
        check_trained(tokenizer, rows, packed(given))


@pytest.mark.parametrize(
    ("shift", "reason"),
    [(1, "1 tokens of the prompt carry a label"), (-1, "1 tokens of the thinking carry no label")],
)
def test_a_mask_that_is_not_trls_own_is_found(shift: int, reason: str) -> None:
    tokenizer = byte_tokenizer(template("smollm2"))
    rows = render(tokenizer, SPECIAL.stops, [row(), row(question="2-0?", name="c2"), HISTORY])
    check_tokenisation(tokenizer, rows, 0)
    moved = [replace(one, prompt_length=one.prompt_length + shift) for one in rows]
    with pytest.raises(PreflightError, match=f"row c1 of problem p1: {reason}"):
        check_tokenisation(tokenizer, moved, 0)
    with pytest.raises(PreflightError, match="the trainer's tokens are not those of the chat template"):
        check_tokenisation(tokenizer, [replace(one, tokens=one.tokens[:-1]) for one in rows], 0)


def batch_of(rows: list[dict[str, Any]], flat: bool) -> dict[str, Any]:
    """A batch as TRL's collator makes it, padded to the longest row or flattened."""
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    batch: dict[str, Any] = DataCollatorForLanguageModeling(pad_token_id=ord("$"), padding_free=flat)(rows)
    return batch


@pytest.mark.parametrize(
    ("flat", "place", "label"),
    [
        (False, (0, -1), ord("$")),  # padding is learned
        (False, (1, 0), ord("U")),
        (False, (1, -1), IGNORED),
        (True, (0, 0), ord("U")),
        (True, (0, -1), IGNORED),
    ],
)
def test_what_a_collator_changes_is_found(flat: bool, place: tuple[int, int], label: int) -> None:
    tokenizer = CharTokenizer()
    given = as_trained(rendered(tokenizer, [row(completion="2"), row(name="c2")]))
    batch = batch_of(given, flat)
    check_batch(given, batch)
    assert batch["labels"][place] != label
    batch["labels"][place] = label
    with pytest.raises(PreflightError, match=f"collator changes what is learned, in row {place[0]}"):
        check_batch(given, batch)


def test_dropped_rows_are_counted() -> None:
    tokenizer = CharTokenizer()
    rows = rendered(tokenizer, [row(), row(name="c2"), row(name="c3")])
    with pytest.raises(PreflightError, match="the trainer holds 1 rows for the 3 it was given"):
        check_trained(tokenizer, rows, as_trained(rows)[:1])


@pytest.mark.parametrize(("longest", "cap", "budget"), [(40, 100, 40), (41, 100, 48), (30, 30, 30)])
def test_the_budget_is_the_longest_row_rounded_up(longest: int, cap: int, budget: int) -> None:
    tokenizer = CharTokenizer()
    fill = longest - len(rendered(tokenizer, [row(completion="")])[0].tokens)
    rows = rendered(tokenizer, [row(completion="2"), row(completion="x" * fill)])
    assert length_budget(rows, cap) == budget


def test_rows_that_would_be_cut_are_named_or_left_out() -> None:
    rows = [row(completion="x" * n + "\\boxed{2}", name=f"c{n}") for n in (5, 50, 60, 70, 80)]
    special = Special(frozenset({ord("$")}), 200)
    with pytest.raises(PreflightError) as caught:
        check(CharTokenizer(), rows, special, max_length=40)
    message = str(caught.value)
    assert message.startswith("4 of 5 rows are longer than max_length 40")
    assert "row c80 of problem p1 (99 tokens)" in message
    assert "and 1 more" in message
    assert "\n" not in message
    shown, _ = check(CharTokenizer(), rows, special, max_length=40, too_long="leave out")
    assert "over 40" in shown
    assert "(80.0% would be cut)" in shown
    assert "1 of 1 drawn rows accepted" in shown


def test_the_histogram_counts_every_row_once() -> None:
    lengths = [1, 10, 11, 79, 80, 81, 500]
    lines = length_histogram(lengths, 80)
    counts = [int(line.split()[-1] if "cut" not in line else line.split("(")[0].split()[-1]) for line in lines[1:]]
    assert counts == [2, 1, 0, 0, 0, 0, 0, 2, 2]
    assert lines[-1].split()[:2] == ["over", "80"]
    assert lines[1].split()[0] == "1-10"
    assert lines[-2].split()[0] == "71-80"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (row(completion=THINKING.replace("{2}", "{3}")), "calls what is learned incorrect"),
        (row(completion="<think>\nTwo.\n</think>\n\nWho knows"), "calls what is learned"),
    ],
)
def test_what_the_verifier_does_not_accept_is_found(given: SftRow, reason: str) -> None:
    tokenizer = byte_tokenizer(template("smollm2"))
    with pytest.raises(PreflightError, match="row c1 of problem p1: the verifier math") as caught:
        check(tokenizer, [row(name="c0"), given])
    assert reason in str(caught.value)
    assert "accepted" not in check(tokenizer, [given], check_answers=0)[0]
    assert "accepted" not in check(tokenizer, [replace(given, answer=None)])[0]


def test_the_mask_is_shown_with_marks_or_in_colour() -> None:
    tokenizer = byte_tokenizer(template("smollm2"))
    given = row(question="\x1b[31mred?")
    shown, _ = check(tokenizer, [given])
    lines = shown.splitlines()
    assert "  - <|im_start|>assistant" in lines
    assert "  + <think>" in lines
    assert "  $ <|im_end|>" in lines
    assert "\\x1b[31mred?" in shown
    page = io.StringIO()
    console = Console(file=page, force_terminal=True, color_system="standard")
    preflight(tokenizer, SPECIAL, [given], Sft(), seed=0, console=console)
    assert "\x1b[32m<think>\x1b[0m" in page.getvalue()  # green
    assert "\x1b[31m" not in page.getvalue()


def test_three_rows_are_shown() -> None:
    rows = [row(name=f"c{n}") for n in range(9)]
    shown, _ = check(byte_tokenizer(template("smollm2")), rows)
    assert shown.count(" learned\n") == 3
    assert check(byte_tokenizer(template("smollm2")), rows)[0] == shown


def test_labels_start_after_the_prompt() -> None:
    (one,) = rendered(CharTokenizer(), [row(question="?", completion="2")])
    assert labels_of(one) == [IGNORED] * len("U:?$A:") + [ord("2"), ord("$")]


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("student"), template("smollm2"))


@pytest.fixture
def config(tmp_path: Path, student: Path) -> Path:
    run = write_run(tmp_path / "demo", sft_train=[sft_row(p) for p in problems(4)])
    path = tmp_path / "student.yaml"
    path.write_text(f"student: {student}\ndata: [{run}]\noutput: {tmp_path / 'out'}\n")
    return path


def test_the_command_checks_a_configuration_and_writes_nothing(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "4 of 4 drawn rows accepted" in shown
    assert "4 rows are fit to train on" in shown
    assert main(["--config", str(config), "--set", "sft.max_length=20"]) == 1
    assert "4 of 4 rows are longer than max_length 20" in capsys.readouterr().err
    assert main(["--config", str(config), "--set", "sft.colour=1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (config.parent / "out").exists()


def test_the_verb_starts_the_command(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert preflight_command(config, ["sft.max_length=0"]) == 2
    assert "sft.max_length: input should be greater than 0" in capfd.readouterr().err


def test_another_chat_template_can_be_given(config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    forgetful = tmp_path / "forgetful.jinja"
    forgetful.write_text(template("smollm2").replace("message['content']", "message['content'].split('</think>')[-1]"))
    assert main(["--config", str(config), "--set", f"sft.chat_template_path={forgetful}"]) == 1
    assert "the chat template changes the completion: it drops the thinking" in capsys.readouterr().err
    assert main(["--config", str(config), "--set", "sft.chat_template_path=nowhere.jinja"]) == 2
    assert "sft.chat_template_path: nowhere.jinja: No such file" in capsys.readouterr().err
