"""What `gradatim dedup` and `decontaminate` have in common: columns, names, blank questions, the rejected file."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from pipeline.errors import GradatimError

VERBS = ("dedup", "decontaminate")
TULIPS = "A gardener plants 17 rows of tulips with 23 bulbs in each and gives away a tenth of them. How many are left?"
WALK = "Zoë walks 9 kilometres to the café in the morning and 4 kilometres back home at night. How far does she walk?"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADATIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def write(name: str, *rows: dict[str, Any]) -> bytes:
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    Path(name).write_bytes(data)
    return data


def run(verb: str, *flags: str, output: str = "out.jsonl", against: str = "old.jsonl") -> Result:
    return CliRunner().invoke(app, [verb, "--input", "in.jsonl", "--output", output, "--against", against, *flags])


def rejected() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("out.jsonl.rejected.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]


def refused(done: Result) -> str:
    """The one line of a run that wrote nothing."""
    assert isinstance(done.exception, GradatimError) and done.stderr == ""
    assert not list(Path().glob("out*")) and "\n" not in str(done.exception)
    return str(done.exception)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("output", "against"),
    [
        ("old.jsonl", "old.jsonl"),
        ("./sub/../old.jsonl", "old.jsonl"),
        ("old.jsonl", "link.jsonl"),
        ("link.jsonl", "old.jsonl"),
        ("new.jsonl", "new.jsonl.rejected.jsonl"),
    ],
)
def test_a_file_that_is_compared_with_is_not_overwritten(verb: str, output: str, against: str) -> None:
    Path("sub").mkdir()
    Path("link.jsonl").symlink_to("old.jsonl")
    write("in.jsonl", {"question": WALK})
    before = {name: write(name, {"question": TULIPS}) for name in ("old.jsonl", "new.jsonl.rejected.jsonl")}
    assert "would be overwritten; name another output" in refused(run(verb, output=output, against=against))
    assert {name: Path(name).read_bytes() for name in before} == before
    assert not Path("new.jsonl").exists()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("old", "flags", "matched"),
    [
        ({"question": TULIPS, "id": "o"}, [], "o"),
        ({"problem": TULIPS}, [], "old.jsonl:1"),
        ({"prompt": [{"role": "user", "content": TULIPS}]}, [], "old.jsonl:1"),
        ({"text": TULIPS, "key": 5, "id": "o"}, [], "5"),  # as in the input
        ({"problem": TULIPS, "id": "o"}, [], "o"),  # the input's columns are not there
        ({"task": TULIPS, "uid": 7, "text": "No?"}, ["--against-question", "task", "--against-id", "uid"], "7"),
    ],
)
def test_the_columns_of_the_other_files(verb: str, old: dict[str, Any], flags: list[str], matched: str) -> None:
    write("in.jsonl", {"text": TULIPS, "key": "a", "question": WALK}, {"text": WALK, "key": "b"})
    write("old.jsonl", old)
    done = run(verb, "--question", "text", "--id", "key", *flags)
    assert done.exit_code == 0, done.stderr
    (row,) = rejected()
    assert (row["id"], row["matched_id"], row["matched_place"]) == ("a", matched, "old.jsonl:1")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--question", "txt"], "in.jsonl: no column txt; it has: text, key, more"),
        (["--question", "text", "--id", "kee"], "in.jsonl: no column kee; it has: text, key"),
        ([], "in.jsonl: no column question or problem or prompt; it has: text, key, more"),
        (["--question", "text", "--against-question", "txt"], "old.jsonl: no column txt; it has: question"),
        (["--question", "text", "--against-id", "no"], "old.jsonl: no column no; it has: question"),
    ],
)
def test_a_mistyped_column_is_one_line_with_those_there_are(verb: str, flags: list[str], says: str) -> None:
    write("in.jsonl", *[{"text": f"How many are {n} tulips?", "key": n} for n in range(30)], {"more": 1})
    write("old.jsonl", {"question": TULIPS})
    assert refused(run(verb, *flags)).startswith(says)


def test_a_column_that_is_named_must_be_in_one_of_the_other_files_only() -> None:
    write("in.jsonl", {"question": TULIPS, "id": "a"}, {"question": WALK, "id": "b"})
    write("old.jsonl", {"task": TULIPS})
    write("older.jsonl", {"problem": WALK})
    for verb in VERBS:
        done = run(verb, "--against", "old.jsonl", "--against-question", "task", against="older.jsonl")
        assert done.exit_code == 0 and [row["from"] for row in rejected()] == ["old.jsonl", "older.jsonl"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_question_that_says_nothing_is_broken_and_no_duplicate(verb: str) -> None:
    blank = ["", "  \n", "?!", "---", "\u200b", ""]
    write("in.jsonl", *[{"question": text} for text in [*blank, TULIPS, "+", "½"]])
    write("old.jsonl", {"question": ""}, {"question": WALK})
    done = run(verb)
    assert done.exit_code == 1 and "9 rows" in done.stderr and "6 could not be read" in done.stderr
    assert {(row["filter"], row["reason"]) for row in rejected()} == {
        ("broken", "expected a question, found only blanks or punctuation")
    }


@pytest.mark.parametrize("verb", VERBS)
def test_the_rejected_are_written_in_their_own_letters(verb: str) -> None:
    odd = {"question": WALK, "note": "Ω\u2028", "half": "\ud800", "id": "é"}
    write("in.jsonl", odd, {"question": TULIPS})
    write("old.jsonl", {"question": WALK})
    assert run(verb).exit_code == 0
    raw = Path("out.jsonl.rejected.jsonl").read_text(encoding="utf-8")
    assert "Zoë walks 9 kilometres to the café" in raw and "\\u00" not in raw and raw.count("\\ud800") == 1
    (row,) = rejected()
    assert row["row"] == odd and row["id"] == "é"


@pytest.mark.parametrize("keep", ["first", "best"])
def test_the_place_tells_rows_with_one_id_apart(keep: str) -> None:
    rows = [{"id": "x", "question": text} for text in (WALK, TULIPS, TULIPS)]
    write("in.jsonl", {"id": "x"}, *rows)
    done = CliRunner().invoke(app, ["dedup", "--input", "in.jsonl", "--output", "out.jsonl", "--keep", keep])
    assert done.exit_code == 1
    assert [(row["place"], row.get("matched_place")) for row in rejected()] == [
        ("in.jsonl:1", None),
        ("in.jsonl:4", "in.jsonl:3"),
    ]
