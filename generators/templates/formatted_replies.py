"""Give a reply in a fixed shape: bullet points, a numbered list, or a JSON object, with further rules on its content.

The gold lists the rules for the verifier `constraint`; the program that proves it writes a reply that keeps them all,
and for each rule one that breaks this rule alone.
"""

import json
from random import Random
from typing import Any, Final, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import join_and
from pipeline.records import canonical_json
from pipeline.verifiers.constraint import failed_constraint
from pipeline.verifiers.equality import Undecided

# What a list is of: one such thing, words for it, and keys for one as a JSON object.
SUBJECTS: Final = {
    "ways to save water at home": (
        "a way to save water at home",
        ("tap", "shower", "garden", "rain", "bucket"),
        ("title", "room", "effort", "saving"),
    ),
    "things to pack for a hike": (
        "a thing to pack for a hike",
        ("water", "map", "jacket", "snack", "torch"),
        ("name", "weight", "purpose", "price"),
    ),
    "animals that live in a forest": (
        "an animal that lives in a forest",
        ("owl", "deer", "fox", "tree", "nest"),
        ("name", "food", "size", "colour"),
    ),
    "ideas for a rainy weekend": (
        "an idea for a rainy weekend",
        ("game", "book", "kitchen", "music", "film"),
        ("title", "place", "cost", "hours"),
    ),
    "tips for learning a language": (
        "a tip for learning a language",
        ("song", "friend", "daily", "radio", "phrase"),
        ("title", "time", "level", "tool"),
    ),
    "dishes for a picnic": (
        "a dish for a picnic",
        ("bread", "salad", "cheese", "fruit", "cold"),
        ("name", "minutes", "cost", "servings"),
    ),
    "rules for a school library": (
        "a rule for a school library",
        ("book", "quiet", "desk", "return", "card"),
        ("title", "reason", "place", "penalty"),
    ),
    "jobs at an airport": (
        "a job at an airport",
        ("pilot", "luggage", "gate", "tower", "ticket"),
        ("title", "place", "hours", "salary"),
    ),
    "sports for a small group": (
        "a sport for a small group",
        ("ball", "team", "court", "net", "run"),
        ("name", "players", "place", "minutes"),
    ),
    "presents for a grandparent": (
        "a present for a grandparent",
        ("photo", "tea", "scarf", "book", "plant"),
        ("name", "price", "shop", "reason"),
    ),
}
SHAPES: Final = {"bullets": "bullet_list", "numbers": "numbered_list"}
NUMBERS: Final = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}
ENDINGS: Final = ("And that is all.", "Try it today!", "Have fun!", "Good luck!")
Rule = tuple[str, Any]


class Reply(NamedTuple):
    """What the reply is about, and its rules: a form and its value.

    bullets, numbers: how many points. keys: of the JSON object. include, exclude: words. words, characters: at most so
    many. ending: the last words.
    """

    subject: str
    rules: tuple[Rule, ...]


def sample(rng: Random, level: int) -> Reply:
    """A shape, and one more rule on what is in it with every level."""
    subject = rng.choice(tuple(SUBJECTS))
    _, words, keys = SUBJECTS[subject]
    shape = rng.choice(("bullets", "numbers", "keys"))
    size = rng.randint(2, 5 if level < 3 else 8)
    chosen = rng.sample(words, 4)
    several = tuple(rng.sample(keys, rng.randint(2, 3) if level < 3 else rng.randint(3, 4)))
    rules: list[Rule] = [(shape, several if shape == "keys" else size)]
    more: list[Rule] = [
        ("include", tuple(chosen[: rng.randint(1, 2)])),
        ("exclude", tuple(chosen[2 : 2 + rng.randint(1, 2)])),
        rng.choice((("words", 5 * rng.randint(8, 14)), ("characters", 50 * rng.randint(5, 10)))),
        ("ending", rng.choice(ENDINGS)),
    ]
    more = more[:3] if shape == "keys" else more
    rules += rng.sample(more, min(level, len(more)))
    return Reply(subject, tuple(rules))


def is_valid(p: Reply) -> bool:
    """There is room for every point."""
    forms = dict(p.rules)
    points = max(forms.get("bullets", 0), forms.get("numbers", 0))
    return bool(forms.get("words", 100) >= 8 * points and forms.get("characters", 1000) >= 50 * points)


def solve(p: Reply) -> str:
    return canonical_json([spec for rule in p.rules for spec in _specs(rule)])


def _specs(rule: Rule) -> list[dict[str, Any]]:
    form, value = rule
    if form in SHAPES:
        shape = {"kind": "format", "value": SHAPES[form]}
        return [shape, {"kind": "line_count", "relation": "exactly", "value": value}]
    if form in ("words", "characters"):
        return [{"kind": f"{form[:-1]}_count", "relation": "at_most", "value": value}]
    kind, key = {
        "keys": ("json_object", "required_keys"),
        "include": ("include_keywords", "keywords"),
        "exclude": ("exclude_keywords", "keywords"),
        "ending": ("ends_with", "text"),
    }[form]
    return [{"kind": kind, key: value}]


def example(p: Reply) -> str:
    """Write a reply that is as long as it may be."""
    return _write(dict(p.rules))


def _write(rules: dict[str, Any]) -> str:
    content = " ".join((*rules.get("include", ()), *rules.get("against exclude", ()), "one"))
    points: int = rules.get("bullets", rules.get("numbers", 0))
    points += rules.get("more points", 0)
    ending = f" {rules['ending']}" if "ending" in rules else ""
    room = rules.get("words", 0)
    text = _shaped(rules, content, points, ending)
    while len(text.split()) < room:
        content += " so"
        text = _shaped(rules, content, points, ending)
    missing = rules.get("characters", 0) - len(text)
    return _shaped(rules, content + "x" * missing, points, ending) if missing > 0 else text


def _shaped(rules: dict[str, Any], content: str, points: int, ending: str) -> str:
    if "keys" in rules:
        return json.dumps({**dict.fromkeys(rules["keys"], "so"), "other": content})
    marks = ["- " if "bullets" in rules else f"{k}. " for k in range(1, points + 1)]
    marks[0] = "> " if "against shape" in rules else marks[0]
    lines = [f"{mark}so" for mark in marks]
    lines[0] += f" {content}"
    lines[-1] += ending
    return "\n".join(lines)


def check(p: Reply, answer: Answer) -> bool:
    """The verifier must pass a reply that keeps every rule, and for each rule refuse those that break it alone."""
    assert isinstance(answer, str)
    rules = dict(p.rules)
    try:
        if failed_constraint(answer, _write(rules)) is not None:
            return False
        for rule in p.rules:
            for spec, broken in zip(_specs(rule), _broken(rules, rule), strict=True):
                fault = failed_constraint(answer, _write(broken))
                if fault is None or not fault.startswith(spec["kind"]):
                    return False
    except Undecided:
        return False
    return True


def _broken(rules: dict[str, Any], rule: Rule) -> list[dict[str, Any]]:
    """For each constraint that a rule stands for, rules that contradict it and leave the others alone."""
    form, value = rule
    if form in SHAPES:
        return [{**rules, "against shape": True}, {**rules, "more points": 1}]
    if form == "exclude":
        return [{**rules, "against exclude": value[-1:]}]
    wrong = {"ending": "So long."} if form == "ending" else {}
    if form in ("words", "characters"):
        wrong[form] = value + 1
    return [{**rules, **(wrong or {form: value[1:]})}]


def metamorphic(rng: Random, p: Reply, answer: Answer) -> tuple[Reply, Answer]:
    """Another subject under the same rules, with more room: the subject itself is not judged."""
    assert isinstance(answer, str)
    more = rng.randint(5, 30)
    subject = rng.choice([subject for subject in SUBJECTS if subject != p.subject])
    rules = tuple((form, value + more if form in ("words", "characters") else value) for form, value in p.rules)
    grown = [
        {**s, "value": s["value"] + more} if s["kind"] in ("word_count", "character_count") else s
        for s in json.loads(answer)
    ]
    return Reply(subject, rules), canonical_json(grown)


def _quoted(words: tuple[str, ...]) -> str:
    return join_and([f'"{word}"' for word in words])


def _shape(p: Reply) -> str:
    """What the reply has to be: "a list of five bullet points"."""
    form, value = p.rules[0]
    if form == "keys":
        return f"a JSON object with at least the keys {_quoted(value)}"
    if form == "bullets":
        return f'a list of exactly {NUMBERS[value]} bullet points, each on a line of its own that begins with "- "'
    return (
        f"a numbered list of exactly {NUMBERS[value]} points, each on a line of its own, which begin with "
        f'"1. " and "2. "{" and so on" if value > 2 else ""}'
    )


def _subject(p: Reply) -> str:
    return SUBJECTS[p.subject][0] if p.rules[0][0] == "keys" else p.subject


def _more(p: Reply) -> list[str]:
    """The rules beside the shape, as sentences."""
    marks = "" if p.rules[0][0] == "keys" else ", where the mark at the start of each point counts as one"
    texts = {
        "include": "The word{s} {words} must appear.",
        "exclude": "The word{s} {words} must appear nowhere.",
        "words": f"The whole reply may have at most {{value}} words{marks}.",
        "characters": "The whole reply may have at most {value} characters, spaces included.",
        "ending": 'The last line must end with "{value}"',
    }
    return [
        texts[form].format(
            s="s" if isinstance(value, tuple) and len(value) > 1 else "",
            words=_quoted(value) if isinstance(value, tuple) else "",
            value=value,
        )
        for form, value in p.rules[1:]
    ]


ALONE: Final = "Write nothing else before or after it."


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _plain(p: Reply) -> str:
    return _joined(f"Your reply must be {_shape(p)}. It is about {_subject(p)}.", *_more(p), ALONE)


def _subject_first(p: Reply) -> str:
    return _joined(f"Think of {_subject(p)}. Answer with {_shape(p)}.", *_more(p), ALONE)


def _program(p: Reply) -> str:
    return _joined(
        f"A program will read your reply and accepts only {_shape(p)}. The subject is {_subject(p)}.", *_more(p), ALONE
    )


def _rules_last(p: Reply) -> str:
    rules = f"Rules for it: {' '.join(_more(p))}" if _more(p) else ""
    return _joined(f"On the subject of {_subject(p)}, write {_shape(p)}.", rules, ALONE)


FAMILY = Family(
    name="formatted_replies",
    domain="instruction following",
    version=2,
    answer_type=None,
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=(_plain, _subject_first, _program, _rules_last),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
    verifier="constraint",
    example=example,
)
