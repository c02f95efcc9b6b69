"""Ways to tamper with a release, and the checks of reverify that have to find each."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.records import content_id
from pipeline.store import file_digest, write_table

Rows = list[dict[str, Any]]


def tampered(whole: Path, folder: Path, name: str, change: Callable[[Rows], Any], *, fixed: bool) -> Path:
    """Copy the release with a table's rows changed; `fixed` makes every hash, name and count right again."""
    shutil.copytree(whole, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    file = next(f for f in manifest["files"] if f.get("config") == name and f["split"] == "train")
    table = pq.read_table(folder / file["path"])
    rows = table.to_pylist()
    change(rows)
    digest = write_table(pa.Table.from_pylist(rows, schema=table.schema), folder / file["path"])
    if fixed:
        path = f"{name}/train-{digest[:16]}.parquet"
        (folder / file["path"]).rename(folder / path)
        card = (folder / "README.md").read_text().replace(file["path"], path)
        (folder / "README.md").write_text(card)
        file |= {"path": path, "sha256": digest, "rows": len(rows)}
        for other in manifest["files"]:
            other["sha256"] = file_digest(folder / other["path"])
        manifest["hash"] = content_id("export", [one for one in manifest["files"] if "rows" in one])
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def edit_text(rows: Rows) -> None:
    rows[0]["completion"][-1]["content"] += " Buy now."


def swap_gold(rows: Rows) -> None:
    rows[0]["answer"] = "123456"


def swap_gold_and_ids(rows: Rows) -> None:
    """Swap a gold in every column that tells it, and compute the problem's id anew."""
    row, problem = rows[0], rows[0]["problem_id"]
    for row in (row for row in rows if row["problem_id"] == problem):
        row |= {"answer": "123456", "gold_original": "123456"}
        judged = (row["verifier"], row["answer_type"], row["tolerance"])
        row["problem_id"] = content_id("problem", row["question"], "123456", *judged)


def double(rows: Rows) -> None:
    rows.append(dict(rows[0]))


def double_renamed(rows: Rows) -> None:
    rows.append({**rows[0], "completion_id": "0" * 24})


def raise_rate(rows: Rows) -> None:
    rows[0]["pass_rate"] = 0.9


def wrong_sum(rows: Rows) -> None:
    text = rows[0]["completion"][-1]["content"]
    rows[0]["completion"][-1]["content"] = text.replace("<think>\n", "<think>\nFirst, 3 × 7 = 24 and so on. ")


def call_it_right(rows: Rows) -> None:
    rows[0]["chosen"], rows[0]["rejected"] = rows[0]["rejected"], rows[0]["chosen"]


def drop(rows: Rows) -> None:
    del rows[0]


def first(column: str, value: Any) -> Callable[[Rows], None]:
    """Return what sets a column of the first row."""

    def change(rows: Rows) -> None:
        assert rows[0][column] != value
        rows[0][column] = value

    change.__name__ = f"{column} set"
    return change


def everywhere(column: str, value: Any) -> Callable[[Rows], None]:
    """Return what sets a column of all rows of the first one's problem, so that they agree."""

    def change(rows: Rows) -> None:
        problem = rows[0]["problem_id"]
        for row in (row for row in rows if row["problem_id"] == problem):
            first(column, value)([row])

    change.__name__ = f"{column} set everywhere"
    return change


def add_tokens(rows: Rows) -> None:
    for row in rows:
        row["completion_tokens"] += 1


def another_prompt(rows: Rows) -> None:
    rows[0]["prompt"][-1]["content"] = rows[1]["prompt"][-1]["content"] + " Be quick."


def another_seed(rows: Rows) -> None:
    rows[0]["provenance"]["seed"] += 1


def claim_behaviour(rows: Rows) -> None:
    rows[0]["tags"].append("behaviour:verification")


def ill_posed(rows: Rows) -> None:
    row, question = rows[0], "How many apples does the figure below show?"
    judged = (row["verifier"], row["answer_type"], row["tolerance"])
    row |= {"strategy": "imported", "question": question}
    row["problem_id"] = content_id("problem", question, row["gold_original"], *judged)


def give_away(rows: Rows) -> None:
    rows[0]["question"] += f" The answer is {rows[0]['answer']}."


TAMPERED: list[tuple[str, Callable[[Rows], Any], bool, set[str]]] = [
    ("sft", edit_text, False, {"hashes"}),
    ("sft", swap_gold, False, {"hashes", "problem ids and golds", "traces verified"}),
    ("sft", swap_gold, True, {"problem ids and golds", "traces verified", "templates made again"}),
    ("sft", swap_gold_and_ids, True, {"traces verified", "templates made again"}),
    ("grpo", swap_gold, True, {"problem ids and golds", "templates made again"}),
    ("grpo", swap_gold_and_ids, True, {"templates made again"}),
    ("sft", double, False, {"hashes", "duplicate rows"}),
    ("sft", double, True, {"duplicate rows"}),
    ("sft", double_renamed, True, {"duplicate rows"}),
    ("grpo", raise_rate, True, {"pass rates"}),
    ("sft", wrong_sum, True, {"filters replayed"}),
    ("preferences", call_it_right, True, {"traces verified"}),
    ("sft", another_prompt, True, {"prompts"}),
    ("grpo", another_prompt, True, {"prompts"}),
    ("sft", drop, False, {"hashes", "schema"}),
    ("sft", drop, True, {"schema"}),  # the card tells another number
    ("sft", first("family", "ages"), True, {"problem ids and golds", "templates made again", "tags"}),
    ("grpo", everywhere("family", "travel"), True, {"templates made again"}),
    ("sft", first("level", 7), True, {"problem ids and golds", "templates made again"}),
    ("sft", first("domain", "law"), True, {"problem ids and golds", "templates made again"}),
    ("sft", another_seed, True, {"problem ids and golds", "templates made again"}),
    ("sft", first("strategy", "written"), True, {"problem ids and golds", "templates made again"}),
    ("sft", first("gold_status", "given"), True, {"problem ids and golds"}),
    ("grpo", everywhere("gold_status", "adopted"), True, {"problem ids and golds"}),
    ("sft", claim_behaviour, True, {"tags"}),
    ("sft", first("tags", ["work_rate", "too easy"]), True, {"tags"}),
    ("sft", first("model", "another/model"), True, {"completion ids"}),
    ("sft", first("completion_id", "0" * 24), True, {"completion ids"}),
    ("preferences", first("rejected_id", "0" * 24), True, {"completion ids"}),
    ("sft", add_tokens, True, {"completion ids"}),
    ("sft", ill_posed, True, {"questions screened"}),
    ("sft", give_away, True, {"filters replayed"}),
    ("preferences", give_away, True, {"filters replayed"}),
]
