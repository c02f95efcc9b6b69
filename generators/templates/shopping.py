"""Buying several things with an offer, a discount and a coupon: find the change, or a price from the change."""

from random import Random
from typing import NamedTuple

from generators.templates.family import Answer, Family
from generators.templates.language import a_or_an, count_of, dollars, join_and, pick_names, plural

# shop -> article -> lowest and highest price in dollars
SHOPS = {
    "bakery": {"muffin": (2, 4), "croissant": (2, 5), "bagel": (1, 3), "cake": (12, 25), "pie": (8, 15)},
    "stationery shop": {"notebook": (2, 6), "pen": (1, 4), "folder": (2, 5), "calendar": (8, 15), "stapler": (6, 12)},
    "garden centre": {"seed packet": (2, 4), "flower pot": (3, 9), "rose bush": (9, 20), "watering can": (8, 18)},
    "sports shop": {"tennis ball": (2, 4), "water bottle": (5, 14), "skipping rope": (4, 9), "football": (12, 30)},
    "toy shop": {"puzzle": (6, 15), "toy car": (3, 8), "kite": (8, 18), "board game": (15, 35), "balloon": (1, 2)},
}
ORDINALS = {3: "third", 4: "fourth"}
CENTS = {"dollars": 100, "cents": 1}


class Shopping(NamedTuple):
    """All money in cents. A last price of 0 is the one asked for and `change` is told; else the change is asked for.

    Every `free_every`-th piece of the last article is free, then `percent` comes off the bill, then `coupon` (0: none).
    """

    name: str
    shop: str
    articles: tuple[str, ...]
    counts: tuple[int, ...]
    prices: tuple[int, ...]
    free_every: int
    percent: int
    coupon: int
    paid: int
    change: int
    unit: str


def sample(rng: Random, level: int) -> Shopping:
    shop = rng.choice(tuple(SHOPS))
    articles = tuple(rng.sample(tuple(SHOPS[shop]), 2 if level == 1 else 3))
    step = 100 if level <= 2 else 10
    ranges = [SHOPS[shop][article] for article in articles]
    prices = tuple(step * rng.randint(100 * low // step, 100 * high // step) for low, high in ranges)
    free_every = rng.choice(tuple(ORDINALS)) if level >= 3 else 0
    counts = tuple(rng.randint(2, 4 + level) for _ in articles[1:])
    counts += (rng.randint(free_every, 10) if free_every else rng.randint(2, 6),)
    percent = rng.choice((5, 10, 15, 20, 25)) if level >= 2 else 0
    coupon = 100 * rng.randint(2, 6) if level >= 3 else 0
    (name,) = pick_names(rng, 1)
    unit = "cents" if level >= 3 else "dollars"
    p = Shopping(name, shop, articles, counts, prices, free_every, percent, coupon, 0, 0, unit)
    note = rng.choice((2000, 5000, 10000))
    p = p._replace(paid=-(_bill(p) // -note) * note)
    if level < 4:
        return p
    return p._replace(change=p.paid - _bill(p), prices=(*prices[:-1], 0))


def _charged(p: Shopping) -> tuple[int, ...]:
    """How many pieces of each article are paid for."""
    free = p.counts[-1] // p.free_every if p.free_every else 0
    return (*p.counts[:-1], p.counts[-1] - free)


def _full_price(p: Shopping) -> int:
    return sum(count * price for count, price in zip(_charged(p), p.prices, strict=True))


def _bill(p: Shopping) -> int:
    return _full_price(p) * (100 - p.percent) // 100 - p.coupon


def is_valid(p: Shopping) -> bool:
    """The discount leaves no part of the unit asked for, the coupon does not eat the bill, and change is given."""
    unit = CENTS[p.unit]
    if p.prices[-1] == 0:
        rest = (p.paid - p.change + p.coupon) * 100
        price = rest // (100 - p.percent) - _full_price(p)
        return 0 < p.change < p.paid and rest % (100 - p.percent) == 0 and price > 0 and price % _charged(p)[-1] == 0
    if _full_price(p) * (100 - p.percent) % (100 * unit):
        return False
    return p.coupon < _bill(p) < p.paid


def solve(p: Shopping) -> int:
    if p.prices[-1]:
        return (p.paid - _bill(p)) // CENTS[p.unit]
    before_discount = (p.paid - p.change + p.coupon) * 100 // (100 - p.percent)
    return (before_discount - _full_price(p)) // _charged(p)[-1] // CENTS[p.unit]


def check(p: Shopping, answer: Answer) -> bool:
    """Scan the pieces one by one with the answer put in: what was paid must match what was scanned."""
    assert isinstance(answer, int)
    cents = answer * CENTS[p.unit]
    prices, change = (p.prices, cents) if p.prices[-1] else ((*p.prices[:-1], cents), p.change)
    scanned = 0
    for i, (count, price) in enumerate(zip(p.counts, prices, strict=True)):
        for number in range(1, count + 1):
            is_free = i == len(prices) - 1 and p.free_every > 0 and number % p.free_every == 0
            scanned += 0 if is_free else price
    return scanned * (100 - p.percent) == 100 * (p.paid - change + p.coupon)


def metamorphic(rng: Random, p: Shopping, answer: Answer) -> tuple[Shopping, Answer]:
    """Every amount of money k times as large: so is the answer. The buyer's name does not matter."""
    assert isinstance(answer, int)
    k = rng.randint(2, 5)
    scaled = p._replace(
        name=pick_names(rng, 1)[0],
        prices=tuple(k * price for price in p.prices),
        coupon=k * p.coupon,
        paid=k * p.paid,
        change=k * p.change,
    )
    return scaled, k * answer


def _basket(p: Shopping) -> str:
    return join_and([count_of(n, article) for n, article in zip(p.counts, p.articles, strict=True)])


def _priced_basket(p: Shopping) -> str:
    told = [
        f"{count_of(n, article)} at {dollars(price)} each" if price else f"{count_of(n, article)} without a price tag"
        for n, article, price in zip(p.counts, p.articles, p.prices, strict=True)
    ]
    return join_and(told)


def _price_list(p: Shopping) -> str:
    told = [
        f"{a_or_an(article)} costs {dollars(price)}"
        for article, price in zip(p.articles, p.prices, strict=True)
        if price
    ]
    return join_and(told)


def _reductions(p: Shopping) -> str:
    """The sentences about offer, discount and coupon, each ending in a space; empty without any."""
    text = ""
    if p.free_every:
        text += f"Every {ORDINALS[p.free_every]} {p.articles[-1]} bought is free. "
    if p.percent:
        text += f"A discount of {p.percent}% is then taken off the whole bill. "
    if p.coupon:
        text += f"After that, a coupon takes off another {dollars(p.coupon)}. "
    return text if p.free_every else text.replace(" is then taken", " is taken")


def _ask(p: Shopping, payer: str) -> str:
    form = f"Give the answer in {p.unit}, as an integer."
    if p.prices[-1]:
        return f"{payer} pays with {dollars(p.paid)}. How much change is due? {form}"
    return (
        f"{payer} pays with {dollars(p.paid)} and gets {dollars(p.change)} in change. "
        f"What is the normal price of one {p.articles[-1]}? {form}"
    )


def _plain(p: Shopping) -> str:
    return f"At the {p.shop}, {p.name} buys {_priced_basket(p)}. {_reductions(p)}{_ask(p, p.name)}"


def _price_list_first(p: Shopping) -> str:
    unknown = "" if p.prices[-1] else f" The price of {a_or_an(p.articles[-1])} cannot be read."
    return (
        f"A sign in the {p.shop} says that {_price_list(p)}.{unknown} "
        f"{p.name} takes {_basket(p)}. {_reductions(p)}{_ask(p, p.name)}"
    )


def _question_first(p: Shopping) -> str:
    form = f"Give the answer in {p.unit}, as an integer."
    if p.prices[-1]:
        wanted = f"How much change does {p.name} get from {dollars(p.paid)} at the {p.shop} after buying {_basket(p)}?"
        return f"{wanted} There, {_price_list(p)}. {_reductions(p)}{form}"
    return (
        f"What is the normal price of one {p.articles[-1]} at the {p.shop} if {p.name} pays with {dollars(p.paid)} "
        f"and gets {dollars(p.change)} back after buying {_basket(p)}? There, {_price_list(p)}. {_reductions(p)}{form}"
    )


def _errand(p: Shopping) -> str:
    """The money comes first here: what is left of it is the change."""
    start = f"{p.name} is sent to the {p.shop} with {dollars(p.paid)} and a list: {_basket(p)}. "
    form = f"Give the answer in {p.unit}, as an integer."
    if p.prices[-1]:
        return (
            f"{start}In the shop {_price_list(p)}. {_reductions(p)}"
            f"How much of the money is left when everything on the list has been bought? {form}"
        )
    return (
        f"{start}In the shop {_price_list(p)}. {_reductions(p)}When everything on the list has been bought, "
        f"{dollars(p.change)} of the money is left. What do {plural(p.articles[-1])} normally cost apiece? {form}"
    )


FAMILY = Family(
    name="shopping",
    domain="arithmetic",
    version=1,
    answer_type="integer",
    levels=(1, 2, 3, 4),
    sample=sample,
    is_valid=is_valid,
    wordings=(_plain, _price_list_first, _question_first, _errand),
    solve=solve,
    check=check,
    metamorphic=metamorphic,
)
