"""Programs: the last Python block of a completion, run in the sandbox on the problem's tests, judged outside of it.

Only inputs enter the sandbox, one test and one fresh process at a time; outputs and returned values are compared here,
so nothing that a program prints, patches, forges or returns as its status can make it pass: to write the right value
it has to know it. The deadline is the shared one of the verifiers for all tests of a program together, and a fifth of
a second more for each test after the first (its interpreter has to start).
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from pipeline.answers import strip_special, strip_thinking
from pipeline.sandbox import Limits, Run, run_python
from pipeline.verifiers.equality import Undecided

MAX_PROGRAM: Final = 1_000_000
MAX_OUTPUT: Final = 4_000_000
START_SECONDS: Final = 0.2


class Integer(NamedTuple):
    """An integer of any size by its digits: nobody has to pay for turning it into a number."""

    digits: str


class Test(NamedTuple):
    """One test: what goes in (text on standard input, or arguments) and what must come out."""

    given: Any
    wanted: Any


class Tests(NamedTuple):
    """The gold of a problem: how a program is run, and its tests."""

    mode: Literal["stdin", "function"]
    entry_point: str
    tests: tuple[Test, ...]


def read_tests(gold: str) -> Tests:
    """Read a gold. Raises Undecided where no program could be judged by it."""
    try:
        data = _loads(gold)
        mode, entry_point = data["mode"], data.get("entry_point", "")
        tests = tuple(Test(test["input"], test["output"]) for test in data["tests"])
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
    return Tests(mode, entry_point, tests)


_FENCE: Final = re.compile(r"[ \t>]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<label>[^`\r]*)\r?")
_LABELS: Final = frozenset({"python", "py", "python3"})


def last_program(text: str) -> str | None:
    """Return the content of the last fenced block that is labelled as Python; at the end of the text it may be open."""
    found: list[str] | None = None
    block: list[str] = []
    opening: re.Match[str] | None = None
    for line in text.split("\n"):
        fence = _FENCE.fullmatch(strip_special(line)) if "```" in line or "~~~" in line else None
        if opening is None:
            opening, block = fence, []
        elif fence and not fence["label"].strip() and fence["mark"].startswith(opening["mark"]):
            found = block if _is_python(opening) else found
            opening = None
        else:
            block.append(line)
    if opening is not None and _is_python(opening):
        found = strip_special("\n".join(block)).split("\n")
    return None if found is None else _dedented(found)


def _is_python(opening: re.Match[str]) -> bool:
    label = opening["label"].split() or [""]
    return label[0].lower() in _LABELS


def _dedented(lines: list[str]) -> str:
    """Drop the indentation that all lines share, as a block inside a list has it."""
    widths = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
    width = min(widths, default=0)
    return "\n".join(line[width:] for line in lines) + "\n"


def failed_test(tests: Tests, program: str, seconds: float, tolerance: float | None = None) -> str | None:
    """Run a program on its tests up to the first that fails. Returns what failed, or None.

    Raises Undecided at a limit of time or memory, and SandboxUnavailable where programs cannot be confined.
    """
    run_test = _run_stdin if tests.mode == "stdin" else _run_function
    left = seconds + START_SECONDS * (len(tests.tests) - 1)
    for number, test in enumerate(tests.tests, 1):
        limits = Limits(seconds=max(left, 0.001))
        fault, used = run_test(tests, test, program, limits, tolerance)
        left -= used
        if fault is not None:
            return f"test {number} of {len(tests.tests)}: {fault}"
    return None


def _run_stdin(
    tests: Tests, test: Test, program: str, limits: Limits, tolerance: float | None
) -> tuple[str | None, float]:
    wanted = _lines(test.wanted)
    run = _decided(run_python(program, stdin=_bytes(test.given), limits=limits, max_output=_room(test.wanted)))
    if run.truncated:
        return "too much output", run.seconds
    try:
        same = _lines(run.output.decode("utf-8")) == wanted
    except UnicodeDecodeError:
        same = False
    return None if same else "another output", run.seconds


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


def _run_function(
    tests: Tests, test: Test, program: str, limits: Limits, tolerance: float | None
) -> tuple[str | None, float]:
    request = '{"entry_point":%s,"arguments":%s}' % (json.dumps(tests.entry_point), _dumps(test.given))
    files = {"solution.py": _bytes(program)}
    room = _room(_dumps(test.wanted))
    run = _decided(run_python(_CALL, stdin=request.encode(), files=files, limits=limits, max_output=room))
    if not run.output:
        return "no plain value came back", run.seconds
    try:
        value = _loads(run.output.decode("utf-8"))
        same = not run.truncated and same_value(value, test.wanted, tolerance)
    except (ValueError, RecursionError):
        same = False
    return None if same else "another value", run.seconds


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
        return abs(value - wanted) <= tolerance
    return bool(value == wanted)


def _decided(run: Run) -> Run:
    """Let a run pass that ended by itself; at a limit nobody knows what it would have done."""
    if run.ending in ("out of time", "over a limit"):
        raise Undecided(
            f"the program ran {run.ending}" if run.ending == "out of time" else "the program went over a limit"
        )
    return run


def _lines(text: str) -> list[str]:
    """Split an output into lines without the blanks at their ends and the empty lines at the end."""
    return (
        "\n".join(line.rstrip(" \t\r\v\f") for line in text.split("\n")).rstrip("\n").split("\n")
        if text.strip()
        else []
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
