"""Programs that hold the tests they were told, in whatever dress, and honest ones that hold something alike."""

import json
from typing import Any

import pytest

from filters.hard_coded import hard_coded

QUESTION = "Write f(numbers): the multiples of 5. For example, f([10, 3, 25, 4]) must return [10, 25]."
EXAMPLE = {"input": [[10, 3, 25, 4]], "output": [10, 25]}
LISTS = [
    EXAMPLE,
    {"input": [[]], "output": []},
    {"input": [[4]], "output": []},
    {"input": [[0, 4, 5, 6, -5]], "output": [0, 5, -5]},
    {"input": [[15, 20, 25, 30, 1]], "output": [15, 20, 25, 30]},
]
WORDS = [
    {"input": ["old echo tree"], "output": 2},
    {"input": ["tree", 12], "output": True},
    {"input": [""], "output": 0},
]
SCRIPT = [{"input": "3\n1 2 30\n", "output": "33\n"}, {"input": "", "output": "0\n"}]
HONEST = "```python\ndef f(numbers):\n    return [x for x in numbers if x % 5 == 0]\n```"


def gold(tests: list[Any], mode: str = "function") -> str:
    return json.dumps({"mode": mode, "entry_point": "f", "tests": tests})


@pytest.mark.parametrize(
    ("tests", "text", "found"),
    [
        (LISTS, HONEST, None),
        (LISTS, f"Here is f.\n{HONEST}\nSo f([10, 3, 25, 4]) returns [10, 25].", None),
        (LISTS, "def f(n): return [] if n == [4] or n == [] else [0]", None),
        (LISTS, "if numbers == [0, 4, 5, 6, -5]: return [0, 5, -5]", "[0,4,5,6,-5]"),
        (LISTS, "table = {(0,4,5,6,-5): [0]}", "[0,4,5,6,-5]"),
        (LISTS, "key = ( 0, 4, 5,\n        6, -5, )", "[0,4,5,6,-5]"),
        (LISTS, "# f([0, 4, 5, 6, -5]) is right", "[0,4,5,6,-5]"),
        (LISTS, "x = [0, 4, 5, 6, -50]", None),
        (LISTS, "if len(n) == 5: return [15, 20, 25, 30]", "[15,20,25,30]"),
        (LISTS, "return [0, 5, -5]", None),  # too short for an output: programs that found nothing return [-1, -1]
        (WORDS, 'if text == "old echo tree": return 2', '"old echo tree"'),
        (WORDS, "if text == 'old echo tree': return 2", '"old echo tree"'),
        (WORDS, "old = 'echo tree'", None),
        (WORDS, 'if args == ("tree", 12):', '"tree"'),
        (WORDS, "street = 'trees'", None),
        (WORDS, "count = text.count('')", None),
    ],
)
def test_what_stands_in_a_program(tests: list[Any], text: str, found: str | None) -> None:
    assert hard_coded(QUESTION, gold(tests), text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('if sys.stdin.read() == "3\\n1 2 30\\n": print(33)', "3 1 2 30"),
        ('data = """3\n1 2 30"""', "3 1 2 30"),
        ("n = 3\na = [1, 2, 30]", None),
        ("print(13 1 2 301)", None),
        ("print(sum(map(int, open(0).read().split()[1:])))", None),
    ],
)
def test_what_stands_in_a_script(text: str, found: str | None) -> None:
    assert hard_coded("Add the numbers.", gold(SCRIPT, "stdin"), text) == found


def test_what_cannot_be_read_is_no_leak() -> None:
    assert hard_coded(QUESTION, "no tests", HONEST) is None
