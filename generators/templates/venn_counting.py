"""Count people by what they do, with two or three overlapping sets: inclusion and exclusion, forwards and back."""

from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import join_and, plural

# Who, what they do, what the three choices are called, the choices.
SETTINGS = (
    ("student", "learn", "languages", ("French", "Spanish", "German")),
    ("club member", "play", "sports", ("tennis", "badminton", "squash")),
    ("household", "keep", "kinds of animal", ("dogs", "cats", "rabbits")),
    ("commuter", "read", "newspapers", ("the Courier", "the Herald", "the Observer")),
    ("musician", "play", "instruments", ("the piano", "the flute", "the guitar")),
    ("tourist", "visit", "sights", ("the castle", "the harbour", "the cathedral")),
    ("guide", "speak", "languages", ("English", "Arabic", "Italian")),
)


class Survey(NamedTuple):
    """How many are in each region: index 1 + 2 + 4 for the first, second and third set, so 0 is outside all.

    `ask` is any, none, all, one, two or only (only the first set); with `by_two`, the number in exactly two sets is
    told in place of those in each pair and in all.
    """

    setting: int
    regions: tuple[int, ...]
    ask: str
    by_two: bool


def sample(rng: Random, level: int) -> Survey:
    high = (12, 20, 20, 30, 40)[level - 1]
    asks = (("any",), ("none", "all", "one"), ("any", "none"), ("one", "two", "only"), ("all",))
    regions = tuple(rng.randint(2, high) for _ in range(4 if level <= 2 else 8))
    return Survey(rng.randrange(len(SETTINGS)), regions, rng.choice(asks[level - 1]), level == 5 and rng.random() < 0.6)


def is_valid(p: Survey) -> bool:
    """Every number told is at least 2, and more than one set has people of its own."""
    return min(p.regions) >= 2 and len(set(p.regions)) > len(p.regions) // 2


def _inside(p: Survey, *sets: int) -> int:
    """How many are in all of the sets named, whatever else they are in."""
    return sum(n for mask, n in enumerate(p.regions) if all(mask >> s & 1 for s in sets))


def _exactly(p: Survey, count: int) -> int:
    return sum(n for mask, n in enumerate(p.regions) if mask.bit_count() == count)


def solve(p: Survey) -> int:
    """Inclusion and exclusion on the numbers that the question tells."""
    sets = range(2 if len(p.regions) == 4 else 3)
    total, outside, singles = sum(p.regions), p.regions[0], sum(_inside(p, s) for s in sets)
    if len(p.regions) == 4:
        if p.ask == "all":
            return singles - (total - outside)
        both = _inside(p, 0, 1)
        return {"any": singles - both, "none": total - singles + both, "one": singles - 2 * both}[p.ask]
    pairs = _inside(p, 0, 1) + _inside(p, 0, 2) + _inside(p, 1, 2)
    if p.ask == "all":
        union = total - outside
        return (singles - union - _exactly(p, 2)) // 2 if p.by_two else union - singles + pairs
    triple = _inside(p, 0, 1, 2)
    return {
        "any": singles - pairs + triple,
        "none": total - singles + pairs - triple,
        "one": singles - 2 * pairs + 3 * triple,
        "two": pairs - 3 * triple,
        "only": _inside(p, 0) - _inside(p, 0, 1) - _inside(p, 0, 2) + triple,
    }[p.ask]


def check(p: Survey, answer: Answer) -> bool:
    """Go through the regions of the diagram and count the people in those that the question means."""
    sets = len(p.regions).bit_length() - 1
    wanted = {
        "any": range(1, len(p.regions)),
        "none": (0,),
        "all": (len(p.regions) - 1,),
        "one": tuple(1 << s for s in range(sets)),
        "two": (3, 5, 6),
        "only": (1,),
    }[p.ask]
    return answer == sum(p.regions[mask] for mask in wanted)


def metamorphic(rng: Random, p: Survey, answer: Answer) -> tuple[Survey, Answer]:
    """k groups just like this one: k times as many everywhere."""
    assert isinstance(answer, int)
    k = rng.randint(2, 3)
    changed = p._replace(setting=rng.randrange(len(SETTINGS)), regions=tuple(k * n for n in p.regions))
    return changed, k * answer


def _all_of(p: Survey) -> str:
    """The choices together: "both French and Spanish" or "all three"."""
    choices = SETTINGS[p.setting][3]
    return f"both {choices[0]} and {choices[1]}" if len(p.regions) == 4 else "all three"


def _none_of(p: Survey) -> str:
    choices = SETTINGS[p.setting][3]
    return f"neither {choices[0]} nor {choices[1]}" if len(p.regions) == 4 else "none of the three"


def _facts(p: Survey) -> list[str]:
    """The numbers told, each as a clause: those in single sets first, then the overlaps, then those outside."""
    _, verb, kinds, choices = SETTINGS[p.setting]
    two = len(p.regions) == 4
    facts = [f"{_inside(p, s)} {verb} {choices[s]}" for s in range(2 if two else 3)]
    if p.by_two:
        facts.append(f"{_exactly(p, 2)} {verb} exactly two of these {kinds}")
    elif not two:
        pairs = ((0, 1), (0, 2), (1, 2))
        facts += [f"{_inside(p, a, b)} {verb} both {choices[a]} and {choices[b]}" for a, b in pairs]
    if p.ask != "all":
        facts.append(f"{p.regions[-1]} {verb} {_all_of(p)}")
    else:
        facts.append(f"{p.regions[0]} {verb} {_none_of(p)}")
    return facts


def _note(p: Survey) -> str:
    """How the overlaps are counted, as a sentence with a blank before it, where it could be misread."""
    if len(p.regions) == 4 or p.by_two:
        return ""
    who, verb, *_ = SETTINGS[p.setting]
    pronoun = "that" if who == "household" else "who"
    return f" Those {pronoun} {verb} all three are also counted in each of the pairs."


def _question(p: Survey, people: str) -> str:
    _, verb, kinds, choices = SETTINGS[p.setting]
    number = "two" if len(p.regions) == 4 else "three"
    what = {
        "any": f"at least one of the {number} {kinds}",
        "none": _none_of(p),
        "all": _all_of(p),
        "one": f"exactly one of the {number} {kinds}",
        "two": f"exactly two of the three {kinds}",
        "only": f"{choices[0]} but not {' or '.join(choices[1:3])}",
    }[p.ask]
    return f"How many {people} {verb} {what}?"


def _size_matters(p: Survey) -> bool:
    return p.ask in ("none", "all")


def _survey(p: Survey) -> str:
    people = plural(SETTINGS[p.setting][0])
    start = f"Of {sum(p.regions)} {people}" if _size_matters(p) else f"Among the {people} asked in a survey"
    return f"{start}, {join_and(_facts(p))}.{_note(p)} {_question(p, 'of them')}"


def _question_first(p: Survey) -> str:
    people = plural(SETTINGS[p.setting][0])
    size = f"There are {sum(p.regions)} {people} in all; among them, " if _size_matters(p) else "It is known that "
    return f"{_question(p, people)} {size}{join_and(_facts(p))}.{_note(p)}"


def _notes(p: Survey) -> str:
    people = plural(SETTINGS[p.setting][0])
    size = f" in a group of {sum(p.regions)}" if _size_matters(p) else ""
    facts = f"A reporter writes down the following about the {people}{size}: {'; '.join(_facts(p))}."
    return f"{facts}{_note(p)} {_question(p, people)}"


def _backwards(p: Survey) -> str:
    people = plural(SETTINGS[p.setting][0])
    size = f" Altogether, {sum(p.regions)} {people} were counted." if _size_matters(p) else ""
    facts = join_and(_facts(p)[::-1])
    return f"In a count of {people}, it was found that {facts}.{_note(p)}{size} {_question(p, 'of these ' + people)}"


FAMILY = Family(
    name="venn_counting",
    domain="combinatorics",
    version=2,
    answer_type="integer",
    levels=(1, 2, 3, 4, 5),
    sample=sample,
    is_valid=is_valid,
    wordings=(_survey, _question_first, _notes, _backwards),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
