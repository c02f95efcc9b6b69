"""Write a short text about something, under drawn rules: length, words to use or to avoid, how it begins and ends.

The gold lists the rules for the verifier `constraint`; the program that proves it writes a text that keeps them all,
and for each rule one that breaks this rule alone.
"""

import json
from random import Random
from typing import Any, Final, NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import count_of, join_and
from pipeline.records import canonical_json
from pipeline.verifiers.constraint import failed_constraint
from pipeline.verifiers.equality import Undecided

TOPICS: Final = {
    "a rainy afternoon": ("umbrella", "puddle", "window", "boots", "cloud", "wet"),
    "a walk in the mountains": ("path", "valley", "summit", "rucksack", "stream", "steep"),
    "a busy market": ("stall", "basket", "fruit", "crowd", "price", "fresh"),
    "learning to swim": ("pool", "teacher", "deep", "breath", "towel", "brave"),
    "a train journey": ("platform", "ticket", "seat", "bridge", "luggage", "fast"),
    "a school library": ("shelf", "quiet", "story", "card", "reader", "lamp"),
    "an old bicycle": ("wheel", "rust", "bell", "brake", "garage", "saddle"),
    "a family dinner": ("soup", "table", "laughter", "recipe", "spoon", "warm"),
    "a day at the beach": ("sand", "wave", "shell", "sun", "bucket", "salt"),
    "a small garden": ("seed", "flower", "spade", "bee", "tomato", "green"),
    "a football match": ("goal", "team", "whistle", "grass", "captain", "late"),
    "the first snow of the year": ("glove", "silent", "roof", "sledge", "white", "cold"),
}
ENDINGS: Final = ("That was enough for one day.", "Nobody wanted to leave.", "Tomorrow will be different.")
OPENINGS: Final = ("This year", "Every morning", "Long ago", "Without doubt")
NUMBERS: Final = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}
FORMS: Final = (
    ("words", "include", "sentences"),
    ("words", "include", "sentences", "exclude", "no commas", "lower case"),
    ("words", "include", "sentences", "exclude", "no commas", "opening", "ending", "lower case"),
    ("exact words", "include", "sentences", "exclude", "no commas", "opening", "ending"),
)
Rule = tuple[str, Any]


class Text(NamedTuple):
    """What the text is about, and its rules: a form and its value.

    at_most, at_least, exactly, sentences: a number. include, exclude: words. opening, ending: a text. no commas, lower
    case: True.
    """

    topic: str
    rules: tuple[Rule, ...]


def sample(rng: Random, level: int) -> Text:
    topic = rng.choice(tuple(TOPICS))
    forms = rng.sample(FORMS[level - 1], level + 1 if level < 4 else 5)
    words = rng.sample(TOPICS[topic], 6)
    return Text(topic, tuple(_rule(rng, level, form, words) for form in forms))


def _rule(rng: Random, level: int, form: str, words: list[str]) -> Rule:
    if form in ("words", "exact words"):
        relation = "exactly" if form == "exact words" else rng.choice(("at_most", "at_least"))
        return relation, rng.randint(20, 45)
    if form == "sentences":
        return form, rng.randint(1, 3) if level == 1 else rng.randint(2, 5)
    if form == "include":
        return form, tuple(words[: rng.randint(1, 2) if level == 1 else rng.randint(2, 3)])
    if form == "exclude":
        return form, tuple(words[4 : 4 + rng.randint(1, 2)])
    return form, {"opening": rng.choice(OPENINGS), "ending": rng.choice(ENDINGS)}.get(form, True)


def is_valid(p: Text) -> bool:
    """No rule makes another one impossible or idle, and sentences have four words at least, twenty at most."""
    forms = dict(p.rules)
    sentences = forms.get("sentences", 0)
    lengths = [forms[form] for form in ("at_most", "at_least", "exactly") if form in forms]
    if sentences and any(not 4 * sentences <= words <= 20 * sentences for words in lengths):
        return False
    return not ("lower case" in forms and ("opening" in forms or "ending" in forms))


def solve(p: Text) -> str:
    return canonical_json([_spec(rule) for rule in p.rules])


def _spec(rule: Rule) -> dict[str, Any]:
    form, value = rule
    if form in ("at_most", "at_least", "exactly"):
        return {"kind": "word_count", "relation": form, "value": value}
    kind, key = {
        "sentences": ("sentence_count", "value"),
        "include": ("include_keywords", "keywords"),
        "exclude": ("exclude_keywords", "keywords"),
        "opening": ("starts_with", "text"),
        "ending": ("ends_with", "text"),
        "no commas": ("no_commas", ""),
        "lower case": ("all_lowercase", ""),
    }[form]
    more = {"relation": "exactly"} if form == "sentences" else {}
    return {"kind": kind, **more, **({key: value} if key else {})}


def example(p: Text) -> str:
    """Write a text whose counts lie exactly at their limits."""
    rules = dict(p.rules)
    sentences: int = rules.get("sentences", 3)
    ending: list[str] = [str(rules["ending"])] if "ending" in rules else []
    words = [*rules.get("include", ()), *rules.get("against exclude", ())]
    parts = [["here"] for _ in range(max(sentences - len(ending), 1))]
    parts[0] = [*str(rules.get("opening", "So")).split(), *(word for kw in words for word in ("a", kw)), *parts[0]]
    wanted = next((rules[form] for form in ("exactly", "at_most", "at_least") if form in rules), 20)
    missing = wanted - sum(map(len, parts)) - sum(len(text.split()) for text in ending)
    parts[0][-1:] = ["very"] * missing + [parts[0][-1]]
    text = " ".join([*(f"{' '.join(part)}." for part in parts), *ending])
    text = text.replace(" a ", ", a ", 1).replace(" here", ", here", 1) if "against no commas" in rules else text
    return text.lower() if "lower case" in rules else text


def check(p: Text, answer: Answer) -> bool:
    """The verifier must pass a text that keeps every rule, and for each rule refuse one that breaks it, and only it."""
    assert isinstance(answer, str)
    try:
        if failed_constraint(answer, example(p)) is not None:
            return False
        for place, rule in enumerate(p.rules):
            fault = failed_constraint(answer, example(p._replace(rules=_broken(p.rules, place))))
            if fault is None or not fault.startswith(str(_spec(rule)["kind"])):
                return False
    except Undecided:
        return False
    return True


def _broken(rules: tuple[Rule, ...], place: int) -> tuple[Rule, ...]:
    """Replace one rule by one that contradicts it, as closely as it can be missed."""
    form, value = rules[place]
    against: dict[str, tuple[Rule, ...]] = {
        "at_most": (("exactly", value + 1 if form == "at_most" else 0),),
        "exactly": (("exactly", value + 1 if form == "exactly" else 0),),
        "at_least": (("exactly", value - 1 if form == "at_least" else 0),),
        "sentences": (("sentences", value + 1 if form == "sentences" else 0),),
        "include": (("include", value[1:] if form == "include" else ()),),
        "exclude": (("against exclude", value[-1:] if form == "exclude" else ()),),
        "opening": (("opening", "Then"),),
        "ending": (("ending", "It ended here."),),
        "no commas": (("against no commas", True),),
        "lower case": (),
    }
    return (*rules[:place], *against[form], *rules[place + 1 :])


def metamorphic(rng: Random, p: Text, answer: Answer) -> tuple[Text, Answer]:
    """Another topic with the same rules, except that word counts grow: the topic itself is not judged."""
    assert isinstance(answer, str)
    more = rng.randint(3, 9)
    topic = rng.choice([topic for topic in TOPICS if topic != p.topic])
    rules = tuple(
        (form, value + more if form in ("at_most", "at_least", "exactly") else value) for form, value in p.rules
    )
    specs = json.loads(answer)
    grown = [{**s, "value": s["value"] + more} if s["kind"] == "word_count" else s for s in specs]
    return Text(topic, rules), canonical_json(grown)


def _quoted(words: tuple[str, ...]) -> str:
    return join_and([f'"{word}"' for word in words])


def _stopped(text: str) -> str:
    """Put a full stop behind a sentence, unless it ends with a quotation that has one."""
    return text if text.endswith('."') else f"{text}."


def _demand(rule: Rule) -> str:
    """A rule as something to do."""
    form, value = rule
    if form in ("at_most", "at_least", "exactly"):
        return f"use {form.replace('_', ' ')} {value} words"
    if form == "sentences":
        return f"write exactly {NUMBERS[value]} sentence{'s' if value > 1 else ''}"
    if form in ("include", "exclude"):
        return f"{'use' if form == 'include' else 'avoid'} the word{'s' if len(value) > 1 else ''} {_quoted(value)}"
    return {
        "opening": f'begin with "{value}"',
        "ending": f'end with the sentence "{value}"',
        "no commas": "use no commas",
        "lower case": "write everything in lower case, without any capital letter",
    }[form]


def _fact(rule: Rule) -> str:
    """A rule as something that must be so."""
    form, value = rule
    if form in ("at_most", "at_least", "exactly"):
        return f"it has {form.replace('_', ' ')} {value} words"
    if form == "sentences":
        return f"it consists of exactly {count_of(value, 'sentence')}"
    if form in ("include", "exclude"):
        if form == "exclude" and len(value) == 2:
            return 'it contains neither "{}" nor "{}"'.format(*value)
        verb = "contains" if form == "include" else "does not contain"
        return f"it {verb} the word{'s' if len(value) > 1 else ''} {_quoted(value)}"
    return {
        "opening": f'its first words are "{value}"',
        "ending": f'its last sentence is "{value}"',
        "no commas": "there is no comma in it",
        "lower case": "it contains no capital letters",
    }[form]


ALONE: Final = "Reply with the text alone, because everything in the reply counts."


def _plain(p: Text) -> str:
    demands = "; ".join(_demand(rule) for rule in p.rules)
    return f"Write a short text about {p.topic}. These are the conditions: {_stopped(demands)} {ALONE}"


def _listed(p: Text) -> str:
    rules = "\n".join(f"- {text[0].upper()}{_stopped(text[1:])}" for text in map(_demand, p.rules))
    return f"Compose a short text on the subject of {p.topic}, following these rules:\n{rules}\n{ALONE}"


def _magazine(p: Text) -> str:
    facts = _stopped(join_and([_fact(rule) for rule in p.rules]))
    return f"A children's magazine needs a text about {p.topic}. The editor accepts it only if {facts} {ALONE}"


def _rules_first(p: Text) -> str:
    facts = " ".join(f"{text[0].upper()}{_stopped(text[1:])}" for text in map(_fact, p.rules))
    return f"These rules hold for the text you are going to write. {facts} Its subject is {p.topic}. {ALONE}"


FAMILY = Family(
    name="short_texts",
    domain="instruction following",
    version=1,
    answer_type=None,
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=(_plain, _listed, _magazine, _rules_first),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
    verifier="constraint",
    example=example,
)
