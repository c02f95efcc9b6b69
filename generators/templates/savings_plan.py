"""Saving week by week towards a goal, with a start amount, spending, regular fees and rising deposits: how long?"""

from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import pick_names

GOALS = {
    "telescope": (150, 450),
    "tent": (90, 300),
    "camera": (180, 600),
    "keyboard": (80, 300),
    "sewing machine": (120, 400),
    "canoe": (300, 800),
    "loudspeaker": (90, 350),
}
ORDINALS = {3: "third", 4: "fourth", 5: "fifth"}
LONGEST = 60


class Plan(NamedTuple):
    """Money in dollars. In week n, `earned` + (n - 1) * `rise` comes in and `spent` goes out at once.

    Every `every`-th week `fee` goes out as well (0: never). The box is looked at when the week is over.
    """

    name: str
    thing: str
    goal: int
    start: int
    earned: int
    spent: int
    rise: int
    every: int
    fee: int


def sample(rng: Random, level: int) -> Plan:
    thing = rng.choice(tuple(GOALS))
    low, high = GOALS[thing]
    start, weekly = rng.randint(10, low // 2), rng.randint(6, 25)
    goal = 5 * rng.randint(low // 5, high // 5)
    if level == 1:
        goal = start + weekly * rng.randint(4, 15)
    spent = rng.randint(3, 20) if level == 2 else 0
    every = rng.choice(tuple(ORDINALS)) if level >= 3 else 0
    fee = rng.randint(weekly // 2, 2 * weekly) if level >= 3 else 0
    rise = rng.randint(1, 3) if level == 4 else 0
    return Plan(pick_names(rng, 1)[0], thing, goal, start, weekly + spent, spent, rise, every, fee)


def is_valid(p: Plan) -> bool:
    """The goal is reached after some weeks, and a week's fee can always be paid without the box running empty.

    Whether a fee goes out before or after the box is looked at must not matter: no fee takes the box below the goal.
    """
    if any(before >= p.goal for before, _ in _book(p)[:-1]):
        return False
    if not p.start + 2 * (p.earned - p.spent) < p.goal or p.fee > p.start:
        return False
    shortest = 4 if p.every == 0 else p.every + 1
    return p.every * (p.earned - p.spent) >= p.fee + p.every and shortest <= solve(p) <= 30


def _book(p: Plan) -> list[tuple[int, int]]:
    """Keep the book: the box at the end of each week before and after a fee, up to the first week that leaves enough.

    A plan that is still short after LONGEST weeks is refused by the guard.
    """
    box, deposit, book = p.start, p.earned - p.spent, list[tuple[int, int]]()
    while box < p.goal and len(book) < LONGEST:
        before = box + deposit
        box = before - (p.fee if p.every and (len(book) + 1) % p.every == 0 else 0)
        book.append((before, box))
        deposit += p.rise
    return book


def solve(p: Plan) -> int:
    return len(_book(p))


def check(p: Plan, answer: Answer) -> bool:
    """By the sum of an arithmetic progression, the box holds enough after `answer` weeks and at no earlier time."""
    assert isinstance(answer, int)

    def box(n: int) -> int:
        fees = n // p.every * p.fee if p.every else 0
        return p.start + n * (2 * (p.earned - p.spent) + (n - 1) * p.rise) // 2 - fees

    return answer > 0 and box(answer) >= p.goal and all(box(n) < p.goal for n in range(answer))


def metamorphic(rng: Random, p: Plan, answer: Answer) -> tuple[Plan, Answer]:
    """Every amount of money k times as large: the number of weeks stays."""
    k = rng.randint(2, 5)
    scaled = p._replace(
        name=pick_names(rng, 1)[0],
        goal=k * p.goal,
        start=k * p.start,
        earned=k * p.earned,
        spent=k * p.spent,
        rise=k * p.rise,
        fee=k * p.fee,
    )
    return scaled, answer


def _fee(p: Plan, place: str, reason: str) -> str:
    """The sentence about the regular fee with its trailing space; empty without one."""
    if p.every == 0:
        return ""
    weeks = f"every {ORDINALS[p.every]} week (week {p.every}, week {2 * p.every}, and so on)"
    return f"At the end of {weeks}, ${p.fee} is taken out of the {place} for {reason}. "


def _box(p: Plan) -> str:
    if p.spent:
        deposit = f"Each week {p.name} earns ${p.earned}, spends ${p.spent} of it, and puts the rest into the box"
    elif p.rise:
        deposit = (
            f"{p.name} puts in ${p.earned} in week 1, and in each later week ${p.rise} more than in the week before"
        )
    else:
        deposit = f"{p.name} puts in ${p.earned} each week"
    return (
        f"{p.name} has ${p.start} in a savings box and wants to buy a {p.thing} for ${p.goal}. {deposit}. "
        f"{_fee(p, 'box', 'music lessons')}At the end of which week is there enough in the box for the first time? "
        f"Give the number of that week."
    )


def _account(p: Plan) -> str:
    if p.spent:
        deposit = f"Each week ${p.earned} is paid in and ${p.spent} is paid out for travel"
    elif p.rise:
        deposit = f"In week 1, ${p.earned} is paid in, and each later week ${p.rise} more than in the week before"
    else:
        deposit = f"Each week ${p.earned} is paid in"
    return (
        f"How many full weeks does it take until {p.name}'s account, looked at when each week is over, first shows at "
        f"least ${p.goal}, the price of a {p.thing}? The account starts with ${p.start}. {deposit}. "
        f"{_fee(p, 'account', 'a club membership')}Nothing else is paid in or out."
    )


def _club(p: Plan) -> str:
    if p.spent:
        money = f"Every week its sales bring in ${p.earned}, but the goods for them cost ${p.spent}"
    elif p.rise:
        money = (
            f"Sales bring in ${p.earned} in week 1, and every week after that ${p.rise} more than in the week before"
        )
    else:
        money = f"Every week its sales bring in ${p.earned}"
    return (
        f"{p.name}'s club is collecting for a {p.thing}. {money}. {_fee(p, 'club fund', 'the rent of a room')}"
        f"The fund held ${p.start} before the first week, and the {p.thing} costs ${p.goal}. "
        f"It is bought at the end of the first week that leaves enough in the fund. After how many weeks is that?"
    )


def _notebook(p: Plan) -> str:
    lines = [f"already saved: ${p.start}"]
    if p.rise:
        lines += [f"saved in week 1: ${p.earned}", f"each week after that: ${p.rise} more than in the week before"]
    else:
        lines += [f"{'earned' if p.spent else 'saved'} per week: ${p.earned}"]
    lines += [f"spent per week: ${p.spent}"] * (p.spent > 0)
    if p.every:
        lines.append(
            f"to pay back at the end of weeks {p.every}, {2 * p.every}, {3 * p.every}, and so on: ${p.fee} each time"
        )
    return (
        f"{p.name} writes down a plan for buying a {p.thing}: {'; '.join(lines)}. The price is ${p.goal}. "
        f"Counting the money only at the end of each week, after how many weeks can {p.name} first pay for it?"
    )


FAMILY = Family(
    name="savings_plan",
    domain="arithmetic",
    version=2,
    answer_type="integer",
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=(_box, _account, _club, _notebook),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
