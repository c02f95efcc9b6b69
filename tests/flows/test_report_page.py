"""The page of a run in a real browser: silent, asking for nothing, searched, by keyboard, on a phone, in the dark."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from filters import FILTERS
from filters.behaviours import BEHAVIOURS
from pipeline.html_report import write_report
from tests.flows.browser import Page, browse, find_browser
from tests.pipeline.made_run import make_run

INSTALL = "make browser installs chromium, as root; or name one in GRADATIM_BROWSER"
BROWSER = find_browser()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None and not os.environ.get("CI"), reason=f"no browser here; {INSTALL}"),
]
PROBLEMS = 56
DESKTOP, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="module", name="path")
def written_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    path = folder / "report.html"
    write_report(make_run(folder, 60), path, FILTERS, BEHAVIOURS)
    return path


@pytest.fixture(scope="module", name="browser")
def open_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert BROWSER, f"CI needs a browser: {INSTALL}"
    with browse(tmp_path_factory.mktemp("profile"), BROWSER) as page:
        yield page


@pytest.fixture(name="page")
def loaded_page(browser: Page, path: Path) -> Page:
    browser.console.clear()
    browser.requests.clear()
    browser.shape(*DESKTOP)
    browser.open(path)
    return browser


def choose(page: Page, name: str, value: str) -> None:
    """Set a field and tell the page, as a hand would."""
    page.run(
        f"(() => {{ const field = document.getElementById({name!r}); field.value = {value!r};"
        "field.dispatchEvent(new Event('input')); field.dispatchEvent(new Event('change')); })()"
    )
    page.run("new Promise((done) => setTimeout(done, 250))")


def found(page: Page) -> int:
    text: str = page.run("document.getElementById('found').textContent")
    return int(text.partition(" ")[0])


def test_the_page_loads_silently_and_asks_for_nothing(page: Page, path: Path) -> None:
    assert found(page) == PROBLEMS
    page.run("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    assert page.run("document.title") == "made · gradatim"
    assert page.console == []
    assert set(page.requests) == {path.as_uri()}


def test_search_and_filters_narrow_the_problems(page: Page) -> None:
    choose(page, "search", "problem 33:")
    assert found(page) == 1
    choose(page, "search", "no such words")
    assert found(page) == 0
    choose(page, "search", "")
    choose(page, "family", "rare")
    rare = found(page)
    assert 0 < rare < PROBLEMS
    choose(page, "decision", "unsolved")
    assert 0 < found(page) < rare
    choose(page, "family", "")
    choose(page, "decision", "")
    choose(page, "verdict", "undecided")
    assert found(page) == PROBLEMS
    page.run("document.getElementById('both').click()")
    assert 0 < found(page) < PROBLEMS
    assert page.console == []


def test_more_problems_come_on_demand(page: Page) -> None:
    count = "document.querySelectorAll('.problem').length"
    assert page.run(count) == 20
    page.run("document.getElementById('more').click()")
    assert page.run(count) == 40
    page.run("document.getElementById('more').click()")
    assert page.run(count) == PROBLEMS
    assert page.run("document.getElementById('more').hidden")


def test_a_problem_opens_with_correct_and_incorrect_side_by_side_and_rendered_maths(page: Page) -> None:
    page.run("document.getElementById('both').click(); document.querySelector('.problem').open = true")
    page.run("new Promise((done) => setTimeout(done, 100))")
    left, right = page.run(
        "[...document.querySelectorAll('.problem[open] .side')].map((side) => {"
        "const box = side.getBoundingClientRect(); return [box.left, box.right, side.textContent]; })"
    )
    assert left[1] <= right[0]
    assert "Correct: 2" in left[2]
    assert "incorrect" in right[2]
    drawn = page.run("document.querySelector('.side mfrac').getBoundingClientRect().height")
    line = page.run("document.querySelector('.side mn').getBoundingClientRect().height")
    assert drawn > 1.4 * line
    page.run("document.getElementById('source').click()")
    assert page.run("document.querySelector('.problem[open] summary code').textContent").startswith("\\(\\frac")


def test_hostile_texts_stay_texts(page: Page) -> None:
    page.run("document.getElementById('more').click(); document.getElementById('more').click()")
    page.run("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    page.run("new Promise((done) => setTimeout(done, 200))")
    assert page.run("document.querySelectorAll('main img, main script, [onerror], [href^=javascript]').length") == 0
    assert "<img src=x onerror=alert(2)>" in page.run("document.getElementById('problems').textContent")
    assert page.console == []


def test_the_page_can_be_used_with_the_keyboard_alone(page: Page) -> None:
    page.press("Tab", 9)
    assert page.run("document.activeElement.className") == "skip"
    page.press("/", 191, "/")
    assert page.run("document.activeElement.id") == "search"
    for _ in range(7):
        page.press("Tab", 9)
    assert page.run("document.activeElement.tagName") == "SUMMARY"
    page.press("Enter", 13, "\r")
    assert page.run("document.activeElement.parentElement.open")


@pytest.mark.parametrize("size", [DESKTOP, PHONE, (320, 700)])
def test_nothing_runs_over_the_side(page: Page, size: tuple[int, int]) -> None:
    page.shape(*size)
    page.run("document.querySelectorAll('details').forEach((box) => { box.open = true; })")
    page.run("new Promise((done) => setTimeout(done, 200))")
    assert page.run("document.documentElement.scrollWidth") <= size[0]


LUMINANCE = """(() => {
  const light = (text) => {
    const [r, g, b] = text.match(/[0-9.]+/g).map(Number).map((c) => c / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  return ["p", ".quiet", "a[href='#funnel']", "h2"].map((name) => {
    const ink = light(getComputedStyle(document.querySelector(name)).color);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  });
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_texts_have_contrast_in_both_themes_and_the_button_changes_them(page: Page, dark: bool) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    page.shape(*DESKTOP, dark=dark)
    assert min(page.run(LUMINANCE)) >= 4.5  # WCAG 2.2, AA
    before = page.run(paper)
    page.run("document.getElementById('theme').click()")
    assert page.run(paper) != before
    assert page.run("document.getElementById('theme').getAttribute('aria-pressed')") == str(not dark).lower()
    assert min(page.run(LUMINANCE)) >= 4.5


def test_paper_is_white_and_without_controls(page: Page) -> None:
    page.shape(*DESKTOP, dark=True, media="print")
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    shown = page.run("['nav', '#filters', '#theme'].map((s) => getComputedStyle(document.querySelector(s)).display)")
    assert shown == ["none"] * 3
    page.shape(700, 1000, media="print")
    assert page.run("document.documentElement.scrollWidth") <= 700


OPEN = "document.querySelectorAll('main details[open]').length"


@pytest.mark.parametrize(("opened", "printed"), [(0, 3), (1, 1)])
def test_paper_shows_what_is_folded_and_some_problems_whole(page: Page, opened: int, printed: int) -> None:
    page.run(
        f"[...document.querySelectorAll('.problem')].slice(7, 7 + {opened}).forEach((box) => {{ box.open = true; }})"
    )
    page.run(
        "addEventListener('beforeprint', () => { window.printed = ["
        "[...document.querySelectorAll('.problem[open]')].filter((box) => box.querySelector('.completion')).length,"
        "document.querySelectorAll('main details:not(.problem, [open])').length]; })"
    )
    page.call("Page.printToPDF")
    assert page.run("window.printed") == [printed, 0]
    assert page.run(OPEN) == opened
    assert page.console == []


def test_a_displayed_formula_has_no_empty_lines_around_it(page: Page) -> None:
    page.run("document.querySelector('.problem').open = true")
    page.run("new Promise((done) => setTimeout(done, 100))")
    beside = page.run(
        "(() => { const drawn = document.querySelector('.completion math[display=block]');"
        "return [drawn.previousSibling.textContent, drawn.nextSibling.textContent]; })()"
    )
    assert [text.strip("\n") for text in beside] == beside
    assert beside[1].startswith("So it is")
