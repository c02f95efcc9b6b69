"""The page of a run: whole by itself, right in its numbers, closed to hostile texts, and of bounded size."""

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest

from pipeline.html_report import embedded, render, write_report
from pipeline.report_data import assessments, lengths, outcomes, refusals
from pipeline.report_sample import MOST_PROBLEMS, sample
from pipeline.run import Run, create_run, open_run
from tests.pipeline.made_run import HOSTILE, MODEL, made_config, make_run

VOID: Final = {"wbr", "meta", "input", "br", "img", "link", "rect", "line", "circle", "polygon"}
RULES: Final = {"near duplicate": "nearly the same words", "contaminated": "shares its text with a benchmark"}
BEHAVIOURS: Final = ("verification", "backtracking")


class Outline(HTMLParser):
    """Elements and attributes of a page; `wrong` collects ends that close nothing, `text` what stands outside code."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.code: dict[str, str] = {}
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            kind = "data" if self.open[-1] == "script" and data.startswith("{") else self.open[-1]
            self.code[kind] = self.code.get(kind, "") + data
        else:
            self.text += data


def page_of(run: Run) -> Outline:
    return Outline(render(run, RULES, BEHAVIOURS))


@pytest.fixture(scope="module", name="run")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("runs"), 60)


@pytest.fixture(scope="module", name="page")
def hostile_page(run: Run) -> Outline:
    return page_of(run)


def test_the_page_is_well_formed(page: Outline) -> None:
    assert page.wrong == []
    assert page.open == []
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_the_page_asks_no_host_for_anything(page: Outline) -> None:
    places = {(tag, name, value) for tag, name, value in page.attributes if name in ("src", "href", "action", "data")}
    assert places
    assert all(tag == "a" and value.startswith("#") for tag, _, value in places)
    named = {value for _, name, value in page.attributes if name == "id"}
    assert {value[1:] for _, _, value in places} <= named
    assert not re.search(r"@import|url\(|https?:", page.code["style"] + page.code["script"])


def test_hostile_texts_add_no_element_and_no_handler(page: Outline) -> None:
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]
    assert "<img src=x onerror=alert(2)>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert not re.search("[\x00\x1b]", page.text)


def test_the_policy_allows_this_script_and_this_style_only(page: Outline) -> None:
    (policy,) = (value for tag, name, value in page.attributes if (tag, name) == ("meta", "content") and "src" in value)
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.code[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_the_embedded_data_is_the_runs(run: Run, page: Outline) -> None:
    data = json.loads(page.code["data"])
    drawn = sample(run, assessments(run))
    assert data == json.loads(json.dumps({"problems": drawn.problems, "formulas": drawn.formulas}))
    assert "<" not in page.code["data"]
    whole = "".join(p if isinstance(p, str) else data["formulas"][p][0] for p in data["problems"][0]["question"])
    assert whole.startswith("Problem ")
    assert "\\(\\frac{" in whole


@pytest.mark.parametrize("text", HOSTILE)
def test_embedded_json_comes_back_and_ends_no_element(text: str) -> None:
    assert json.loads(embedded({"text": text})) == {"text": text}
    assert not re.search("[<>&\u2028]", embedded(text))


def test_the_sections_tell_what_the_run_holds(page: Outline) -> None:
    text = " ".join(page.text.split())
    for told in (
        "problems asked for60",
        "All 56 screened problems.",
        "near duplicate nearly the same words",
        "2 kept questions with others that left because of them",
        "2 records resemble a benchmark question",
        "in common: miles per hour",
        "verification",
        "vllm",
        "boxed/1",
    ):
        assert told in text, told


def test_the_numbers_are_those_of_the_tables(run: Run) -> None:
    refused = {(one.stage, one.filter): one.records for one in refusals(run)}
    assert refused[("screen", "near duplicate")] == refused[("screen", "contaminated")] == 2
    assert sum(one.problems for one in outcomes(assessments(run), MODEL)) == 56
    by_verdict = {row.verdict: row for row in lengths(run)}
    assert sum(row.tokens.size for row in by_verdict.values()) == 4 * 56
    assert by_verdict["undecided"].cut_off == by_verdict["undecided"].tokens.size == 56
    assert by_verdict["correct"].cut_off == 0


def test_a_large_run_gives_a_page_of_the_same_size_drawn_from_all_strata(tmp_path: Path) -> None:
    sizes = []
    for count in (400, 1200):
        run = make_run(tmp_path / str(count), count, shard_rows=400, hostile=("plain",))
        drawn = sample(run, assessments(run))
        families = [problem["family"] for problem in drawn.problems]
        assert len(drawn.problems) == MOST_PROBLEMS
        assert drawn.of_problems == count - 2 * (count // 400)
        assert 20 <= families.count("rare") <= MOST_PROBLEMS // 2 + 1
        page = render(run, RULES, BEHAVIOURS)
        assert f"<b>200 of {drawn.of_problems:,} problems</b>" in page
        sizes.append(len(page))
    assert sizes[1] < 1.1 * sizes[0]


@pytest.mark.parametrize("lines", [0, 1, 2, 3, 4, 5, 8, 9])
def test_an_unfinished_run_has_a_page_that_says_so(run: Run, tmp_path: Path, lines: int) -> None:
    folder = Path(shutil.copytree(run.folder, tmp_path / "cut"))
    whole = (folder / "manifest.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "manifest.jsonl").write_bytes(b"".join(whole[:lines]) + whole[lines][:40])
    page = page_of(open_run(folder))
    assert page.wrong == []
    assert "Unfinished." in page.text


def test_a_run_from_before_the_agree_stage_has_a_page(run: Run, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run.folder, tmp_path / "old"))
    lines = (folder / "manifest.jsonl").read_text().splitlines(keepends=True)
    (folder / "manifest.jsonl").write_text("".join(line for line in lines if '"stage":"agree"' not in line))
    page = page_of(open_run(folder))
    assert "Unfinished." not in page.text
    assert json.loads(page.code["data"])["problems"][0]["gold"] is None


def test_a_run_with_nothing_in_it_has_a_page(tmp_path: Path) -> None:
    page = page_of(create_run(made_config(tmp_path)))
    assert page.wrong == []
    assert "No problem is assessed yet." in page.text


def test_the_page_is_written_whole(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    size = write_report(run, path, RULES, BEHAVIOURS)
    assert path.stat().st_size == size
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>\n")
