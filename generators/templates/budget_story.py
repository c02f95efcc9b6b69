"""A story of gains, losses, gifts and shares among people: find who has how much at the end, or had at the start."""

from collections.abc import Sequence
from fractions import Fraction
from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import join_and, pick_names

Event = tuple[str, int, int, int]  # kind, who, to whom, amount or number of equal parts
Themed = dict[str, tuple[str, ...]]
PARTS = {2: "half", 3: "one third", 4: "one quarter", 5: "one fifth"}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
SCALED = ("gain", "lose", "give")  # the events whose number is an amount

MONEY: Themed = {
    "gain": ("{a} earns {n} by washing cars", "{a} gets {n} as a birthday gift", "{a} sells an old book for {n}"),
    "lose": ("{a} spends {n} on a ticket", "{a} pays {n} for a repair", "{a} buys a bag for {n}"),
    "give": ("{a} gives {n} to {b}",),
    "use": ("{a} spends {part} of the money that {a} has on a present",),
    "part": ("{a} gives {b} {part} of the money that {a} has",),
    "double": ("an aunt gives {a} exactly as much money as {a} already has",),
    "split": (
        "{a} divides all of their own money into three equal shares, keeps one and gives one to each of the other two",
    ),
}
TOKENS: Themed = {
    "gain": ("{a} wins {n} from the bank", "{a} draws a card worth {n}"),
    "lose": ("{a} pays {n} to the bank", "{a} lands on a trap and loses {n} to the bank"),
    "give": ("{a} pays {n} to {b}",),
    "use": ("{a} must return {part} of the tokens that {a} has to the bank",),
    "part": ("{a} must hand {b} {part} of the tokens that {a} has",),
    "double": ("the bank doubles the number of {a}'s tokens",),
    "split": ("{a} must deal out all of their own tokens equally to the three players, {a} included",),
}
STICKERS: Themed = {
    "gain": ("{a} opened a packet of {n}", "{a} was given {n} by a neighbour"),
    "lose": ("{a} gave {n} to a cousin", "{a} lost {n} on the way to school"),
    "give": ("{a} gave {n} to {b}",),
    "use": ("{a} gave a cousin {part} of the stickers that {a} had",),
    "part": ("{a} gave {b} {part} of the stickers that {a} had",),
    "double": ("{a} won as many stickers as {a} already had",),
    "split": (
        "{a} split all of their own stickers into three equal piles, kept one and gave one to each of the others",
    ),
}
CONNECTORS = ("First", "Then", "Next", "After that", "Later", "Finally")


class Story(NamedTuple):
    """What each person starts with and what happens, in order; `told` is `asked`'s final amount where it is known.

    A first start of 0 is the one asked for (then `told` is given); else the final amount of `asked` is the question.
    """

    names: tuple[str, ...]
    starts: tuple[int, ...]
    events: tuple[Event, ...]
    asked: int
    told: int


def sample(rng: Random, level: int) -> Story:
    people, steps = ((1, 3), (2, 4), (3, 6), (3, 6))[level - 1]
    starts = tuple(rng.randint(20, 60) if level <= 2 else rng.randint(30, 120) for _ in range(people))
    have, events = list(starts), list[Event]()
    while len(events) < steps:
        events.append(_next_event(rng, have, events[-1][0] if events else ""))
        _apply(have, events[-1])
    busy = [_times_touched(events, person) for person in range(people)]
    asked = rng.choice([person for person in range(people) if busy[person] == max(busy)])
    if level < 4:
        return Story(pick_names(rng, people), starts, tuple(events), asked, 0)
    return Story(pick_names(rng, people), (0, *starts[1:]), tuple(events), asked, have[asked])


def _times_touched(events: Sequence[Event], person: int) -> int:
    return sum(person in event[1:3] or event[0] == "split" for event in events)


def _next_event(rng: Random, have: list[int], before: str) -> Event:
    """Draw something that can happen to one person so that all keep whole amounts; the same kind rarely twice running.

    A kind that is listed twice is drawn more often.
    """
    a, people = rng.randrange(len(have)), len(have)
    b = (a + rng.randint(1, people - 1)) % people if people > 1 else a
    parts = [n for n in PARTS if have[a] >= 10 and have[a] % n == 0]
    kinds = ["gain"]
    if have[a] >= 12:
        kinds += ["lose", "give"] if people > 1 else ["lose"]
    if parts:
        kinds += ["use", "part", "part"] if people > 1 else ["use"]
    if people > 1 and 5 <= have[a] <= 80:
        kinds.append("double")
    if people == 3 and have[a] >= 15 and have[a] % 3 == 0:
        kinds += ["split", "split"]
    kind = rng.choice([kind for kind in kinds if kind != before] or kinds)
    if kind in ("use", "part"):
        number = rng.choice(parts)
    elif kind in ("double", "split"):
        number = {"double": 2, "split": 3}[kind]
    else:
        number = rng.randint(5, 30) if kind == "gain" else rng.randint(4, min(have[a] - 6, 40))
    return kind, a, b if kind in ("give", "part") else a, number


def _apply(have: list[int], event: Event) -> None:
    kind, a, b, n = event
    if kind == "double":
        have[a] *= 2
    elif kind == "split":
        share = have[a] // n
        have[a] = 0
        have[:] = [amount + share for amount in have]
    else:
        moved = n if kind in SCALED else have[a] // n
        have[a] += moved if kind == "gain" else -moved
        if kind in ("give", "part"):
            have[b] += moved


def _finals(p: Story, first: int, scale: int) -> list[int]:
    """The final amounts, all `scale` times as large, if the first person starts with `first`."""
    have = [scale * amount for amount in (first, *p.starts[1:])]
    for kind, a, b, n in p.events:
        _apply(have, (kind, a, b, scale * n if kind in SCALED else n))
    return have


def _needed_start(p: Story) -> Fraction | None:
    """The final amount is linear in the first start, so its values at 0 and 1 tell the start that was needed."""
    scale = 1
    for kind, _, _, n in p.events:
        scale *= 1 if kind in SCALED else n
    at_zero, at_one = (_finals(p, first, scale)[p.asked] for first in (0, 1))
    return Fraction(scale * p.told - at_zero, at_one - at_zero) if at_zero != at_one else None


def solve(p: Story) -> int:
    if p.starts[0]:
        return _finals(p, p.starts[0], 1)[p.asked]
    start = _needed_start(p)
    assert start is not None and start.denominator == 1
    return start.numerator


def _play(p: Story, first: int) -> list[int] | None:
    """Move the pieces themselves, dealing them out one by one for shares; None where that cannot be done."""
    piles = [[0] * amount for amount in (first, *p.starts[1:])]
    for kind, a, b, n in p.events:
        pile = piles[a]
        if kind == "gain":
            pile += [0] * n
        elif kind == "double":
            pile += pile[:]
        elif kind in ("lose", "give"):
            if len(pile) < n:
                return None
            piles[b] += pile[:n] if kind == "give" else []
            del pile[:n]
        elif len({len(pile[i::n]) for i in range(n)}) > 1:
            return None
        elif kind == "split":
            dealt = [pile[i::n] for i in range(n)]
            pile.clear()
            piles = [own + share for own, share in zip(piles, dealt, strict=True)]
        else:
            piles[b] += pile[::n] if kind == "part" else []
            del pile[::n]
    return [len(pile) for pile in piles]


def check(p: Story, answer: Answer) -> bool:
    """Play the story with counted pieces, from the answer where the start is asked, and look at the asked pile."""
    assert isinstance(answer, int)
    if answer <= 0:
        return False
    finals = _play(p, p.starts[0] or answer)
    return finals is not None and finals[p.asked] == (answer if p.starts[0] else p.told)


def is_valid(p: Story) -> bool:
    """The asked amount must depend on several events, some of them shares; nobody gets into debt or splits a piece."""
    shares = sum(kind not in SCALED for kind, *_ in p.events)
    often = _times_touched(p.events, p.asked) > len(p.events) // 2
    if not often or not max(1, len(p.names) - 1) <= shares < len(p.events):
        return False
    start = Fraction(p.starts[0]) if p.starts[0] else _needed_start(p)
    return start is not None and start.denominator == 1 and start > 0 and _play(p, start.numerator) is not None


def metamorphic(rng: Random, p: Story, answer: Answer) -> tuple[Story, Answer]:
    """Every amount k times as large, the number of equal parts as before: the answer is k times as large."""
    assert isinstance(answer, int)
    k = rng.randint(2, 5)
    events = tuple((kind, a, b, k * n if kind in SCALED else n) for kind, a, b, n in p.events)
    starts = tuple(k * amount for amount in p.starts)
    return p._replace(names=pick_names(rng, len(p.names)), starts=starts, events=events, told=k * p.told), k * answer


def _events(p: Story, theme: Themed, unit: str) -> list[str]:
    texts = []
    for i, (kind, a, b, n) in enumerate(p.events):
        phrase = theme[kind][i % len(theme[kind])]
        amount = f"${n}" if unit == "dollars" else f"{n} {unit}"
        texts.append(phrase.format(a=p.names[a], b=p.names[b], n=amount, part=PARTS.get(n)))
    return texts


def _holdings(p: Story, verb: str, unit: str) -> str:
    """Who has what at first: "Amara has $40 and Ben has $25", with "some money" for what is not told."""
    amounts = [f"${n}" if unit == "dollars" else f"{n} {unit}" for n in p.starts]
    if p.starts[0] == 0:
        amounts[0] = "some money" if unit == "dollars" else f"some {unit}"
    return join_and([f"{name} {verb} {amount}" for name, amount in zip(p.names, amounts, strict=True)])


def _told(p: Story, unit: str) -> str:
    return f"${p.told}" if unit == "dollars" else f"{p.told} {unit}"


def _days(p: Story) -> str:
    days = " ".join(f"On {day}, {event}." for day, event in zip(DAYS, _events(p, MONEY, "dollars"), strict=False))
    start = f"On Sunday evening, {_holdings(p, 'has', 'dollars')}. {days}"
    if p.starts[0]:
        return f"{start} How many dollars does {p.names[p.asked]} have after that?"
    return (
        f"{start} After that, {p.names[p.asked]} has {_told(p, 'dollars')}. "
        f"How many dollars did {p.names[0]} have on Sunday evening?"
    )


def _game(p: Story) -> str:
    turns = "; ".join(f"({i}) {event}" for i, event in enumerate(_events(p, TOKENS, "tokens"), 1))
    if p.starts[0]:
        question = f"How many tokens does {p.names[p.asked]} hold at the end of a board game?"
        return f"{question} At first, {_holdings(p, 'holds', 'tokens')}. The turns are, in this order: {turns}."
    return (
        f"With how many tokens did {p.names[0]} begin a board game? At first, {_holdings(p, 'holds', 'tokens')}. "
        f"The turns are, in this order: {turns}. In the end, {p.names[p.asked]} holds {_told(p, 'tokens')}."
    )


def _stickers(p: Story) -> str:
    events = zip(CONNECTORS, _events(p, STICKERS, "stickers"), strict=False)
    story = " ".join(f"{connector}, {event}." for connector, event in events)
    start = f"{_holdings(p, 'had', 'stickers')}. {story}"
    if p.starts[0]:
        return f"{start} How many stickers did {p.names[p.asked]} have in the end?"
    return (
        f"{start} In the end, {p.names[p.asked]} had {_told(p, 'stickers')}. "
        f"How many stickers did {p.names[0]} have in the beginning?"
    )


def _purse(p: Story) -> str:
    """The question between start and story; where a start is asked, the end is told before the story."""
    events = zip(CONNECTORS, _events(p, MONEY, "dollars"), strict=False)
    story = " ".join(f"{connector}, {event}." for connector, event in events)
    if p.starts[0]:
        question = f"How many dollars does {p.names[p.asked]} have once all of the following has happened?"
        return f"{_holdings(p, 'has', 'dollars')}. {question} {story}"
    return (
        f"{p.names[p.asked]} ends up with {_told(p, 'dollars')}. At the beginning, {_holdings(p, 'has', 'dollars')}. "
        f"With how many dollars does {p.names[0]} begin, if all of the following happens in between? {story}"
    )


FAMILY = Family(
    name="budget_story",
    domain="arithmetic",
    version=3,
    answer_type="integer",
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=(_days, _game, _stickers, _purse),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
