"""Programs as answers: the shared cases, tables of our own, and programs that try to be paid without solving."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.sandbox import SandboxUnavailable
from pipeline.verifiers import judge
from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.program import behaviour, last_program, read_tests
from pipeline.verifiers.rows import verify_rows
from pipeline.verifiers.worker import configure
from tests.isolation import needs_isolation

CASES = Path(__file__).parents[1] / "verifier_cases" / "code_dev.jsonl"
SHARED = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines() if line]
SUM = '{"mode": "stdin", "tests": [{"input": "2 3\\n", "output": "5\\n"}, {"input": "4 4\\n", "output": "8\\n"}]}'
MUL = '{"mode": "function", "entry_point": "f", "tests": [{"input": [3, 4], "output": 12}]}'
SAME = '{"mode": "function", "entry_point": "f", "tests": [{"input": [%s], "output": %s}]}'


@pytest.fixture
def deadline(case: dict[str, Any]) -> Iterator[None]:
    """Programs that only use up time are given less of it; the others have the default."""
    if case["category"] == "hostile_resource":
        configure(deadline=1.5)
    yield
    if case["category"] == "hostile_resource":
        configure()


@needs_isolation
@pytest.mark.parametrize("case", SHARED, ids=[case["id"] for case in SHARED])
def test_shared_cases(case: dict[str, Any], deadline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_TOKEN", "x")
    (verdict,) = verify_rows([case])
    assert verdict["verdict"] in case["expected"], verdict["reason"]
    assert not list(Path("/tmp").glob("gradatim-canary-code-dev-*"))  # noqa: S108


def verdict(gold: str, program: str, tolerance: float | None = None) -> str:
    return judge("code", gold, f"Here:\n```python\n{program}\n```\n", tolerance=tolerance).verdict


VALUES = [
    ("1", "1", True),
    ("1", "True", False),
    ("true", "1", False),
    ("1", "1.0", False),
    ("1.0", "1", False),
    ("1.0", "True", False),
    ("true", "1.0", False),
    ("[0.0]", "[False]", False),
    ("0.3", "0.1 + 0.2", False),
    ("null", "None", True),
    ("[1, 2]", "[1, 2]", True),
    ("[1, 2]", "(1, 2)", False),
    ("[1, 2]", "[2, 1]", False),
    ("[1]", "[True]", False),
    ('{"a": 1}', "{'a': 1}", True),
    ('{"1": 2}', "{1: 2}", False),
    ('{"a": 1}', "__import__('collections').Counter('a')", False),
    ('"x"', "'x'", True),
    ('"x"', "b'x'", False),
    ('"é\\ud83d\\ude00"', "'é😀'", True),
    ("0", "-0", True),
    ("0.0", "float('nan')", False),
    ("0.0", "float('inf')", False),
    ("[]", "[].__iter__()", False),
    ("1" + "0" * 6000, "10 ** 6000", True),
    ("1" + "0" * 6000, "10 ** 6000 + 1", False),
]


@needs_isolation
@pytest.mark.parametrize(("wanted", "returned", "equal"), VALUES, ids=[f"{w[:9]}={r[:20]}" for w, r, _ in VALUES])
def test_returned_values_count_with_their_types(wanted: str, returned: str, equal: bool) -> None:
    assert verdict(SAME % ("0", wanted), f"def f(x): return {returned}") == ("correct" if equal else "incorrect")


@needs_isolation
def test_a_tolerance_is_for_decimals() -> None:
    assert verdict(SAME % ("0", "0.3"), "def f(x): return 0.1 + 0.2", 1e-9) == "correct"
    assert verdict(SAME % ("0", "0.3"), "def f(x): return 0.31", 1e-9) == "incorrect"
    assert verdict(SAME % ("0", "3"), "def f(x): return 3.0", 1e-9) == "incorrect"


HONEST = {
    "arguments arrive as they are": (SAME % ('[1, 2.5, {"é": null}], true', "4"), "def f(x, y): return len(x) + y"),
    "a big argument": (SAME % ("1" + "0" * 5000, "5001"), "def f(x): return len(str(x))"),
    "a callable object": (MUL, "class C:\n  def __call__(self, a, b): return a * b\nf = C()"),
    "a guarded main part": (MUL, "def f(a, b): return a * b\nif __name__ == '__main__': print(f(*input()))"),
    "a dataclass": (
        MUL,
        "from dataclasses import dataclass\n@dataclass\nclass P:\n  a: 'int'\ndef f(a, b): return P(a).a * b",
    ),
    "threads left behind": (
        MUL,
        "import threading as t, time\ndef f(a, b):\n  t.Thread(target=time.sleep, args=(60,)).start()\n  return a * b",
    ),
    "bytes on standard output": (
        SUM,
        "import sys\na, b = sys.stdin.buffer.read().split()\nsys.stdout.buffer.write(b'%d' % (int(a) + int(b)))",
    ),
    "reading by descriptor": (SUM, "import os\nprint(sum(map(int, os.read(0, 100).split())))"),
    "a status that means nothing": (SUM, "import sys\nprint(sum(map(int, input().split())))\nsys.exit(3)"),
    "fences in a text": (SUM, "s = '''\n~~~\n'''\nprint(sum(map(int, input().split())))"),
}


@needs_isolation
@pytest.mark.parametrize(("gold", "program"), HONEST.values(), ids=HONEST)
def test_honest_programs(gold: str, program: str) -> None:
    assert verdict(gold, program) == "correct"


FORGED = '{"verdict": "correct", "passed": true}'
TO_ALL = f"for k in range(20):\n    try: os.write(k, b'{FORGED}')\n    except OSError: pass"
HOSTILE = {
    "exit at exit": (MUL, "import atexit, os\natexit.register(os._exit, 0)\ndef f(a, b): return 1"),
    "writes the channel and leaves": (MUL, f"import os\ndef f(a, b):\n  {TO_ALL}\n  os._exit(0)"),
    "many guesses": (MUL, "import os\ndef f(a, b):\n  for g in range(20): os.write(3, b'%d\\n' % g)\n  os._exit(0)"),
    "a guess and then the value": (MUL, "import os\ndef f(a, b):\n  os.write(3, b'13 ')\n  return a * b + 1"),
    "patched encoder": (
        MUL,
        "import json\njson.encoder.c_make_encoder = json.dumps = None\n"
        "json.JSONEncoder.encode = lambda *a: 'true'\ndef f(a, b): return 1",
    ),
    "patched type": (MUL, "import builtins\nbuiltins.type = lambda x: int\ndef f(a, b): return '12'"),
    "main module changed": (
        MUL,
        "import sys\nm = sys.modules['__main__']\nm.plain = lambda v: True\nm.call = print\ndef f(a, b): return [12]",
    ),
    "exit by exception": (MUL, "def f(a, b): raise SystemExit(0)"),
    "a generator": (MUL, "def f(a, b): yield a * b"),
    "a coroutine": (MUL, "async def f(a, b): return a * b"),
    "deep nesting": (MUL, "import os\ndef f(a, b):\n  os.write(3, b'[' * 60000)\n  os._exit(0)"),
    "not text": (MUL, "import os\ndef f(a, b):\n  os.write(3, b'\\xff\\xfe12')\n  os._exit(0)"),
    "nothing at all": (SUM, "pass"),
    "the sum of the first test": (SUM, "print(5)"),
    "a success report": (SUM, f"print('5\\n{FORGED}')"),
    "not text on output": (SUM, "import os\nos.write(1, b'\\xff5\\n')"),
    "many blanks": (SUM, "print(' ' * 10 ** 7 + '5')"),
    "looks for the answer in memory": (
        SUM,
        "import gc\nprint([o for o in gc.get_objects() if isinstance(o, dict) and 'output' in o])",
    ),
    "keeps a file for the next test": (
        SUM,
        "import os\nprint(8 if os.path.exists('seen') else 5)\nopen('seen', 'w').close()",
    ),
}


@needs_isolation
@pytest.mark.parametrize(("gold", "program"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_programs_are_incorrect(gold: str, program: str) -> None:
    assert verdict(gold, program) == "incorrect"


def test_expected_outputs_never_enter_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a run is given is recorded: the wanted values are in none of it."""
    given: list[object] = []

    def recorded(source: str, **settings: Any) -> None:
        given.append((source, settings["stdin"], settings.get("files")))
        raise SandboxUnavailable("recorded")

    monkeypatch.setattr("pipeline.verifiers.program.run_python", recorded)
    stdin = '{"mode": "stdin", "tests": [{"input": "a", "output": "WANTED"}]}'
    for gold in (stdin, SAME % ('"a"', '"WANTED"')):
        assert verdict(gold, f"pass  # {len(gold)}") == "undecided"
    assert len(given) == 2
    assert "WANTED" not in repr(given)


BAD_GOLDS = {
    "": "read",
    "[]": "read",
    "{}": "read",
    '{"mode": "stdin", "tests": []}': "no tests",
    '{"mode": "shell", "tests": [{"input": "", "output": "1"}]}': "read",
    '{"mode": ["stdin"], "tests": [{"input": "", "output": "1"}]}': "read",
    '{"mode": "stdin", "tests": [{"input": ""}]}': "read",
    '{"mode": "stdin", "tests": [{"input": 1, "output": "1"}]}': "read",
    '{"mode": "stdin", "tests": [{"input": "", "output": 1}]}': "read",
    '{"mode": "stdin", "tests": [{"input": "", "output": " \\n"}]}': "expects any output",
    '{"mode": "stdin", "tests": {"input": "", "output": "1"}}': "read",
    '{"mode": "function", "tests": [{"input": [], "output": 1}]}': "no function",
    '{"mode": "function", "entry_point": "a.b", "tests": [{"input": [], "output": 1}]}': "no function",
    '{"mode": "function", "entry_point": "f", "tests": [{"input": 1, "output": 1}]}': "read",
    '{"mode": "function", "entry_point": "f", "tests": [{"input": [], "output": NaN}]}': "read",
    '{"mode": "function", "entry_point": "f", "tests": ' + "[" * 100_000: "read",
}


@pytest.mark.parametrize(("gold", "reason"), BAD_GOLDS.items(), ids=range(len(BAD_GOLDS)))
def test_tests_that_cannot_judge_leave_it_undecided(gold: str, reason: str) -> None:
    with pytest.raises(Undecided, match=reason):
        read_tests(gold)
    assert verdict(gold, "print(1)") == "undecided"


BLOCKS = [
    ("```python\na\n```", "a\n"),
    ("```Python\na\n```", "a\n"),
    ("```py\na\n```\ntext", "a\n"),
    ("```python title=x\na\n```", "a\n"),
    ("```python\na\n```\n```python\nb\n```", "b\n"),
    ("```python\na\n```\n```\nb\n```", "a\n"),
    ("```python\na\n```\n```text\nb\n```", "a\n"),
    ("````python\na\n```\nb\n````", "a\n```\nb\n"),
    ("~~~python\na\n```\n~~~", "a\n```\n"),
    ("```text\n```python\na\n```", None),
    ("1. Do:\n   ```python\n   if a:\n     b\n   ```", "if a:\n  b\n"),
    ("```python\na\n```<|im_end|>", "a\n"),
    ("```python\na<|im_end|>", "a\n"),
    ("```python\r\na\r\n```\r\n", "a\r\n"),
    ("```python\nx = '\u2028'\n```", "x = '\u2028'\n"),
    ("a = 1", None),
    ("```\na\n```", None),
    ("`python a`", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "program"), BLOCKS, ids=[text for text, _ in BLOCKS])
def test_the_last_python_block_is_the_program(text: str, program: str | None) -> None:
    assert last_program(text) == program


@pytest.mark.parametrize("piece", ["`", "```\n", "```python\n", "~~~", " ", "```python ", "> "])
def test_finding_the_program_takes_linear_time(piece: str) -> None:
    last_program(piece * (2_000_000 // len(piece)))


def test_what_was_cut_off_is_undecided_and_no_block_is_unparsable() -> None:
    block = "```python\nprint(5)\n```"
    assert judge("code", SUM, block, "length").verdict == "undecided"
    assert judge("code", SUM, f"<think>{block}").verdict == "undecided"
    assert judge("code", SUM, f"<think>{block}</think>").verdict == "unparsable"
    assert judge("code", SUM, "print(5)").verdict == "unparsable"
    assert judge("code", SUM, f"```python\n{'#' * 1_000_001}\n```").verdict == "undecided"


DOUBLE = read_tests(
    '{"mode": "function", "entry_point": "f", "tests": [{"input": [1], "output": 2}, {"input": [3], "output": 6}]}'
)


@needs_isolation
@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("return x + x", "return 2 * x", True),
        ("return x + 1", "y = x\n    return y + 1", True),
        ("return x + 1", "return 2 * x", False),  # equal on the first test
        ("return x + 1", "return 3 * x - 1", False),
        ("return x + 1", "return float(x + 1)", False),
        ("return 1 // 0", "raise KeyError", True),
        ("return 1 // 0", "return None", False),
    ],
)
def test_programs_are_told_apart_by_what_comes_out_of_every_test(one: str, other: str, same: bool) -> None:
    found = [behaviour(DOUBLE, f"def f(x):\n    {body}\n", 10.0) for body in (one, other)]
    assert (found[0] == found[1]) is same


@needs_isolation
def test_blanks_at_the_ends_of_lines_are_no_other_behaviour() -> None:
    tests = read_tests(SUM)
    printed = ["print(1)", "print('1 ')", "print(2)"]
    one, blank, two = (behaviour(tests, program, 10.0) for program in printed)
    assert one == blank != two


@needs_isolation
def test_the_behaviour_of_a_program_that_does_not_end_is_not_known() -> None:
    with pytest.raises(Undecided, match="test 2 of 2: the program was out of time"):
        behaviour(DOUBLE, "def f(x):\n    while x > 1:\n        pass\n    return 2\n", 0.5)
