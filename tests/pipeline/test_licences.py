"""The licence of the whole, from the licences of its parts; and where a part's licence is stated."""

from typing import Any

import pytest

from pipeline.licences import OWN, Licence, Part, combine, hub_id, model_licence, problem_parts

SHARED = "demands that what is made from it is shared alike"
RESTRICTED = "restricts use (non-commercial or no derivatives)"

COMBINED: list[tuple[str, list[str | None], tuple[str, ...], str | None, list[str]]] = [
    ("one", ["Apache-2.0", "apache-2.0"], ("apache-2.0",), None, []),
    ("several permissive ones", ["MIT", "CC-BY-4.0", "Apache-2.0"], ("apache-2.0", "cc-by-4.0", "mit"), None, []),
    ("share-alike alone", ["CC-BY-SA-4.0"], ("cc-by-sa-4.0",), None, [f"`cc-by-sa-4.0` {SHARED}"]),
    ("non-commercial alone", ["cc-by-nc-4.0"], ("cc-by-nc-4.0",), None, [f"`cc-by-nc-4.0` {RESTRICTED}"]),
    (
        "share-alike beside a permissive one",
        ["MIT", "CC-BY-SA-4.0"],
        ("other",),
        "several-licences",
        [f"`cc-by-sa-4.0` {SHARED}", "the parts have different licences: CC-BY-SA-4.0, MIT; all of them apply"],
    ),
    (
        "non-commercial beside share-alike",
        ["cc-by-nc-4.0", "cc-by-sa-4.0"],
        ("other",),
        "several-licences",
        [
            f"`cc-by-sa-4.0` {SHARED}",
            f"`cc-by-nc-4.0` {RESTRICTED}",
            "the parts have different licences: cc-by-nc-4.0, cc-by-sa-4.0; all of them apply",
        ],
    ),
    (
        "one that the Hub has no name for, and another",
        ["MIT", "llama3.2"],
        ("other",),
        "several-licences",
        ["the parts have different licences: MIT, llama3.2; all of them apply"],
    ),
    ("one that the Hub has no name for, alone", ["Llama 3.2", "Llama 3.2"], ("other",), "llama-3.2", []),
    ("unknown beside a known one", ["MIT", None], ("other",), "partly-unknown", []),
    ("unknown hides no duty", ["CC-BY-SA-4.0", None], ("other",), "partly-unknown", [f"`cc-by-sa-4.0` {SHARED}"]),
    ("nothing known", [None, None], ("other",), "partly-unknown", []),
    ("nothing at all", [], ("other",), "partly-unknown", []),
]


@pytest.mark.parametrize("case", COMBINED, ids=[row[0] for row in COMBINED])
def test_the_licence_of_the_whole(case: tuple[str, list[str | None], tuple[str, ...], str | None, list[str]]) -> None:
    _, licences, ids, name, notes = case
    found = combine([Part(f"part {place}", licence) for place, licence in enumerate(licences)])
    unknown = tuple(f"part {place}" for place, licence in enumerate(licences) if licence is None)
    assert found == Licence(ids, name, unknown, tuple(notes))


@pytest.mark.parametrize(
    ("stated", "known"),
    [
        ("MIT", "mit"),
        ("Apache 2.0", "apache-2.0"),
        ("The MIT License", "mit"),
        (" CC-BY-SA-4.0 ", "cc-by-sa-4.0"),
        ("My own", None),
    ],
)
def test_what_the_hub_calls_a_licence(stated: str, known: str | None) -> None:
    assert hub_id(stated) == known


def made(**changes: Any) -> dict[str, Any]:
    return {"source": None, "licence": None, "model": None, "parents": []} | changes


PARTS: list[tuple[str, str, dict[str, Any], bool, list[Part]]] = [
    ("a template", "template", made(licence="Apache-2.0"), False, [Part(OWN, "Apache-2.0")]),
    (
        "an import",
        "imported",
        made(source="~/files/sums.jsonl:3", licence="MIT"),
        False,
        [Part("problems of sums.jsonl", "MIT")],
    ),
    ("an import without one", "imported", made(source="a/b@1:3"), True, [Part("problems of a/b@1", None)]),
    ("written", "written", made(model="my/model"), False, [Part("problems written by my/model", "my-own")]),
    (
        "evolved from what has none",
        "evolved",
        made(parents=["x"], model="another/model"),
        True,
        [Part("problems made from imported ones", None), Part("problems written by another/model", None)],
    ),
    (
        "evolved from known ones",
        "evolved",
        made(parents=["x"], licence="MIT"),
        True,
        [Part("problems made from others", "MIT")],
    ),
]


@pytest.mark.parametrize("case", PARTS, ids=[row[0] for row in PARTS])
def test_what_a_problem_is_made_of(case: tuple[str, str, dict[str, Any], bool, list[Part]]) -> None:
    _, strategy, provenance, unlicensed, parts = case
    row = {"strategy": strategy, "provenance": provenance}
    assert problem_parts(row, unlicensed, {"my/model": "my-own"}) == parts


def test_the_publisher_comes_before_the_catalogue() -> None:
    assert model_licence("smollm2-135m-instruct", {}) == "Apache-2.0"
    assert model_licence("smollm2-135m-instruct", {"smollm2-135m-instruct": "MIT"}) == "MIT"
    assert model_licence("nobody/knows", {}) is None
