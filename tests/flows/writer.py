"""A fake model that writes problems and solves them, for runs of every strategy: it adds up a question's numbers."""

import json
import random
import re
from typing import Any

NAMES = ("Ana", "Ben", "Chen", "Dana", "Emil", "Fay")
THINGS = ("pens", "eggs", "tickets", "stamps", "bricks", "apples")


class WriterAndSolver:
    """Writes sums as stories where a JSON Schema asks for a problem, and solves sums, one in `wrong` of them wrong."""

    def __init__(self, wrong: float = 0.1) -> None:
        self.wrong = wrong
        self.written: list[str] = []

    def __call__(self, body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        rng = random.Random(text + str(body.get("seed")))
        if "response_format" in body:
            self.written.append(text)
            return json.dumps({"problem": self._problem(text, rng)})
        total = sum(int(number) for number in re.findall(r"\d+", text.split("Solve the problem")[0]))
        if rng.random() < self.wrong:
            total += rng.randint(1, 9)
        words = " ".join(rng.choices(THINGS + NAMES, k=20))
        return f"{words}: I add them all up. \\boxed{{{total}}}"

    def _problem(self, text: str, rng: random.Random) -> str:
        plan = re.search(r"It tells ([\d, and]+) and asks", text)
        given = re.findall(r"\d+", plan[1] if plan else text)
        given = given if plan or "out of the two" in text else given[:2]
        numbers = given if plan else [*given, str(rng.randint(20, 90)), str(rng.randint(100, 190))]
        name, thing = rng.choice(NAMES), rng.choice(THINGS)
        first, *others = numbers
        more = " ".join(f"Then {name} gets {number} more." for number in others)
        return f"{name} has {first} {thing} in a {rng.choice(THINGS)} box. {more} How many {thing} are there in all?"
