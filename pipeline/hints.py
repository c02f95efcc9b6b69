"""What a model is told where the answer is told (STaR's rationalisation, Zelikman et al. 2022, section 3.2): the answer
itself; of a program, which is judged by hidden tests, what it has to give back in them. Of proofs and constraints
nothing can be told that is not the whole solution, or in the question already.
"""

from typing import Any, Final

from pipeline.prompts import NO_ANSWER
from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.program import Integer, IoTest, IoTests, read_tests

MAX_TOLD: Final = 2_000  # characters: a hint is no place for an input of a megabyte

ANSWER: Final = (
    "Hint: the correct answer is {answer}. Write the solution that leads to it, every step from the question "
    "alone, as for a reader who does not know the answer. Do not mention this hint."
)
TESTS: Final = (
    "Hint: these tests are passed by a correct program.\n{tests}\nWrite the program that the question describes, for "
    "every input, as for a reader who does not know the tests. Do not mention this hint."
)
FUNCTION_TEST: Final = "{function}({given}) must return {wanted}"
STDIN_TEST: Final = "for the input {given} it must print {wanted}"


def hint_for(verifier: str, answer: str | None) -> str | None:
    """Return the words that tell a problem's answer, or None where none can be told."""
    if answer is None or verifier in NO_ANSWER:
        return None
    if verifier != "code":
        return ANSWER.replace("{answer}", answer)
    tests = told_tests(answer)
    return TESTS.replace("{tests}", "\n".join(_in_words(tests, test) for test in tests.tests)) if tests else None


def told_tests(gold: str) -> IoTests | None:
    """Return the tests that a hint tells, in their order: those for which there is room, or None."""
    try:
        tests = read_tests(gold)
        told, room = [], MAX_TOLD
        for test in tests.tests:
            length = len(_in_words(tests, test))
            if length <= room:
                told.append(test)
                room -= length
    except (Undecided, RecursionError):
        return None
    return tests._replace(tests=tuple(told)) if told else None


def in_python(value: Any) -> str:
    """Write what was read from a test as a Python literal."""
    if isinstance(value, Integer):
        return value.digits
    if isinstance(value, list):
        return f"[{', '.join(map(in_python, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{in_python(key)}: {in_python(member)}' for key, member in value.items())}}}"
    return repr(value)


def _in_words(tests: IoTests, test: IoTest) -> str:
    if tests.mode == "stdin":
        return STDIN_TEST.format(given=in_python(test.given), wanted=in_python(test.wanted))
    given = ", ".join(map(in_python, test.given))
    return FUNCTION_TEST.format(function=tests.entry_point, given=given, wanted=in_python(test.wanted))
