"""Programs: the last Python block of a completion, run in the sandbox on the problem's tests, judged outside of it.

Only inputs enter the sandbox, one test and one fresh process at a time; outputs and returned values are compared here,
so nothing that a program prints, patches, forges or returns as its status can make it pass: to write the right value
it has to know it. The deadline is the shared one of the verifiers for all tests of a program together, and a fifth of
a second more for each test after the first (its interpreter has to start), in seconds of the program's own: computing
or asleep, but not waiting for a processor (see pipeline/sandbox.py, where the limit on the wall clock stands too).
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

from pipeline.answers import strip_special
from pipeline.records import content_id
from pipeline.sandbox import Limits, Run, SandboxUnavailable, run_python
from pipeline.verifiers.equality import Undecided

MAX_PROGRAM: Final = 1_000_000
MAX_GOLD: Final = 2_000_000
START_SECONDS: Final = 0.2


class Integer(NamedTuple):
    """An integer of any size by its digits: nobody has to pay for turning it into a number."""

    digits: str


class IoTest(NamedTuple):
    """One test: what goes in (text on standard input, or arguments) and what must come out."""

    given: Any
    wanted: Any


class IoTests(NamedTuple):
    """The gold of a problem: how a program is run, and its tests."""

    mode: Literal["stdin", "function"]
    entry_point: str
    tests: tuple[IoTest, ...]


def read_tests(gold: str) -> IoTests:
    """Read a gold. Raises Undecided where no program could be judged by it."""
    if len(gold) > MAX_GOLD:
        raise Undecided("the tests are too long")
    try:
        data = _loads(gold)
        mode, entry_point = data["mode"], data.get("entry_point", "")
        tests = tuple(IoTest(test["input"], test["output"]) for test in data["tests"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Undecided("the tests cannot be read") from error
    kind = {"stdin": str, "function": list}.get(mode) if isinstance(mode, str) else None
    if kind is None or not all(isinstance(test.given, kind) for test in tests):
        raise Undecided("the tests cannot be read")
    if not tests:
        raise Undecided("there are no tests")
    if mode == "function" and not (isinstance(entry_point, str) and entry_point.isidentifier()):
        raise Undecided("the tests name no function")
    if mode == "stdin" and not all(isinstance(test.wanted, str) for test in tests):
        raise Undecided("the tests cannot be read")
    if mode == "stdin" and not any(_lines(test.wanted) for test in tests):
        raise Undecided("no test expects any output: a program that does nothing would pass")
    return IoTests(mode, entry_point, tests)


_FENCE: Final = re.compile(r"[ \t>]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<label>[^`\r]*)\r?")
_LABELS: Final = frozenset({"python", "py", "python3"})


def last_program(text: str, labels: frozenset[str] = _LABELS) -> str | None:
    """Return the content of the last fenced block with one of these labels; at the end of the text it may be open."""
    found: list[str] | None = None
    block: list[str] = []
    opening: re.Match[str] | None = None
    for line in text.split("\n"):
        fence = _FENCE.fullmatch(strip_special(line)) if "```" in line or "~~~" in line else None
        if opening is None:
            opening, block = fence, []
        elif fence and not fence["label"].strip() and fence["mark"].startswith(opening["mark"]):
            found = block if _is_labelled(opening, labels) else found
            opening = None
        else:
            block.append(line)
    if opening is not None and _is_labelled(opening, labels):
        found = strip_special("\n".join(block)).split("\n")
    return None if found is None else _dedented(found)


def _is_labelled(opening: re.Match[str], labels: frozenset[str]) -> bool:
    label = opening["label"].split() or [""]
    return label[0].lower() in labels


def _dedented(lines: list[str]) -> str:
    """Drop the indentation that all lines share, as a block inside a list has it."""
    widths = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
    width = min(widths, default=0)
    return "\n".join(line[width:] for line in lines) + "\n"


def failed_test(tests: IoTests, program: str, seconds: float, tolerance: float | None = None) -> str | None:
    """Run a program on its tests up to the first that fails. Returns what failed, or None.

    Raises Undecided at a limit of time or memory, and where programs cannot be confined.
    """
    for number, (test, run) in enumerate(_runs(tests, program, seconds), 1):
        fault = _fault(tests.mode, test, run, tolerance)
        if fault is not None:
            return f"test {number} of {len(tests.tests)}: {fault}"
    return None


def behaviour(tests: IoTests, program: str, seconds: float, tolerance: float | None = None) -> str:
    """Run a program on all tests. Returns a key that is equal for programs from which the same comes out of every one,
    as programs are grouped for a vote by AlphaCode (Li et al. 2022, arXiv 2203.07814, section 4.6).

    Raises Undecided as `failed_test` does.
    """
    seen = [
        None if _fault(tests.mode, test, run, tolerance) is None else _came_out(tests.mode, run)
        for test, run in _runs(tests, program, seconds)
    ]
    return content_id("behaviour", *seen)


def _runs(tests: IoTests, program: str, seconds: float) -> Iterator[tuple[IoTest, Run]]:
    """Run a program on one test after the other. Raises Undecided where nobody knows what it would have done."""
    if len(program) > MAX_PROGRAM:
        raise Undecided("the program is too long")
    left = seconds + START_SECONDS * (len(tests.tests) - 1)
    for number, test in enumerate(tests.tests, 1):
        try:
            run = _run(tests, test, program, Limits(seconds=max(left, 0.001)))
        except (SandboxUnavailable, OSError) as error:  # a full disk says nothing about the program either
            raise Undecided(f"no sandbox: {error}") from error
        if run.ending in ("out of time", "over a limit"):
            raise Undecided(f"test {number} of {len(tests.tests)}: the program was {run.ending}")
        yield test, run
        left -= run.seconds


_CALL: Final = """
import json, os, sys, types
def call():
    channel, loads, dumps, write, leave = os.dup(1), json.loads, json.dumps, os.write, os._exit
    request = loads(sys.stdin.read())
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 0)
    os.dup2(silence, 1)
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    with open("solution.py", "rb") as file:
        exec(compile(file.read(), "solution.py", "exec"), module.__dict__)
    value = getattr(module, request["entry_point"])(*request["arguments"])
    if plain(value):
        data = dumps(value, allow_nan=False).encode()
        while data:
            data = data[write(channel, data):]
    leave(0)
def plain(value):
    kind = type(value)
    if kind is list:
        return all(plain(member) for member in value)
    if kind is dict:
        return all(type(key) is str and plain(member) for key, member in value.items())
    return value is None or kind in (str, int, float, bool)
call()
"""


def _run(tests: IoTests, test: IoTest, program: str, limits: Limits) -> Run:
    """Run a program on one test: as a script, or as a module whose function is called."""
    if tests.mode == "stdin":
        return run_python(program, stdin=_bytes(test.given), limits=limits, max_output=_room(test.wanted))
    request = _dumps({"entry_point": tests.entry_point, "arguments": test.given}).encode()
    files = {"solution.py": _bytes(program)}
    return run_python(_CALL, stdin=request, files=files, limits=limits, max_output=_room(_dumps(test.wanted)))


def _fault(mode: str, test: IoTest, run: Run, tolerance: float | None) -> str | None:
    return _stdin_fault(test, run) if mode == "stdin" else _function_fault(test, run, tolerance)


def _came_out(mode: str, run: Run) -> str:
    text = run.output.decode("utf-8", "backslashreplace")
    return "\n".join(_lines(text)) if mode == "stdin" else text


def _stdin_fault(test: IoTest, run: Run) -> str | None:
    try:
        same = not run.truncated and _lines(run.output.decode("utf-8")) == _lines(test.wanted)
    except UnicodeDecodeError:
        same = False
    return None if same else "another output"


def _function_fault(test: IoTest, run: Run, tolerance: float | None) -> str | None:
    if not run.output:
        return "no plain value came back"
    try:
        value = _loads(run.output.decode("utf-8"))
        same = not run.truncated and same_value(value, test.wanted, tolerance)
    except (ValueError, RecursionError):
        same = False
    return None if same else "another value"


def same_value(value: Any, wanted: Any, tolerance: float | None = None) -> bool:
    """Compare two JSON values, types included: 1, 1.0 and true are three values, and a list is not a tuple."""
    if type(value) is not type(wanted):
        return False
    if isinstance(value, list):
        return len(value) == len(wanted) and all(
            same_value(a, b, tolerance) for a, b in zip(value, wanted, strict=True)
        )
    if isinstance(value, dict):
        return value.keys() == wanted.keys() and all(same_value(value[key], wanted[key], tolerance) for key in wanted)
    if isinstance(value, float) and tolerance is not None:
        return bool(abs(value - wanted) <= tolerance)
    return bool(value == wanted)


def _lines(text: str) -> list[str]:
    """Split an output into lines without the blanks at their ends and the empty lines at the end."""
    lines = [line.rstrip(" \t\r\v\f") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _room(wanted: str) -> int:
    """Return how much output is worth reading: what is longer by far differs, blanks aside."""
    return 2 * len(_bytes(wanted)) + 65_536


def _loads(text: str) -> Any:
    """Read JSON strictly, with integers of any size. Raises ValueError and RecursionError."""
    return json.loads(text, parse_int=_integer, parse_constant=_refuse)


def _integer(digits: str) -> Integer:
    return Integer("0" if digits == "-0" else digits)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _dumps(value: Any) -> str:
    """Write what `_loads` read."""
    if isinstance(value, Integer):
        return value.digits
    if isinstance(value, list):
        return f"[{','.join(_dumps(member) for member in value)}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(key)}:{_dumps(member)}' for key, member in value.items())}}}"
    return json.dumps(value)
