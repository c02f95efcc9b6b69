"""Mathematical answers, compared by type; where the problem names no type, the gold decides.

`compare` raises Unreadable for what is not an answer, Undefined for what has no value, Limit or Undecided for what
could not be judged. The policy is in tests/verifier_cases/README.md.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from pipeline.verifiers.bases import based_digits
from pipeline.verifiers.choice import same_choice
from pipeline.verifiers.equality import SymbolicCheck, equal_values, fold
from pipeline.verifiers.equations import is_equation, is_inequality, same_equation, same_inequality, substitute
from pipeline.verifiers.exact import rational
from pipeline.verifiers.inference import inferred_types, read_percentage
from pipeline.verifiers.intervals import read_region, same_region
from pipeline.verifiers.naming import unnamed, without_lead_in
from pipeline.verifiers.notation import Limit, Undefined, Unreadable, check_visible, string_key, undressed, visible
from pipeline.verifiers.numeric import constant_value
from pipeline.verifiers.parsing import parse
from pipeline.verifiers.structures import members, read_matrix, read_tuple, same_any, same_matrix, same_members
from pipeline.verifiers.tree import Node, is_arithmetic, number, operations, symbols
from pipeline.verifiers.units import POUND_STERLING, Quantity, base_value, read_quantity
from pipeline.verifiers.vocabulary import PENDING


@dataclass(frozen=True, slots=True)
class Context:
    """What a comparison may look at besides the two texts. `bare`: a number without the gold's unit is accepted."""

    question: str
    tolerance: Fraction | None
    bare: bool
    symbolic: SymbolicCheck

    def equal(self, left: Node, right: Node) -> bool:
        """Compare two values."""
        return equal_values(left, right, self.symbolic)


Comparison = Callable[[str, str, Context], bool]
_PENDING: Final = {f"pending:{name}" for name in PENDING}
_APPROXIMATELY: Final = re.compile(r"^\s*(?:[A-Za-z]\s*)?(?:\\approx(?:eq)?|\\sim(?:eq)?|≈|~)\s*")


def _value(text: str) -> Node:
    """Parse a single value, its name dropped."""
    node = unnamed(parse(text))
    if node.op == "set" or not is_arithmetic(node):
        raise Unreadable("not a single value")
    return node


# --- numbers


def same_number(gold: str, answer: str, context: Context) -> bool:
    """Compare two numbers exactly, or within the tolerance."""
    if context.tolerance is not None:
        answer = _APPROXIMATELY.sub("", answer)
    return _same_numbers(_value(gold), _value(answer), context)


def _same_numbers(wanted: Node, given: Node, context: Context) -> bool:
    if symbols(given) - symbols(wanted):
        return False
    if operations(given) & (_PENDING | {"floor", "ceil"}) - operations(wanted) or _is_sum_to_do(given, wanted):
        raise Unreadable("the value is left to be worked out")
    if context.tolerance is not None:
        return _within(wanted, given, context.tolerance)
    return context.equal(wanted, given)


def _is_sum_to_do(given: Node, wanted: Node) -> bool:
    """Tell whether the answer leaves a sum or a product to be worked out (40 + 2, 6 × 7) where the gold is a number."""
    if not operations(wanted) <= {"num", "neg", "div"} or _is_scientific(given):
        return False
    return bool(operations(given) & {"add", "mul", "apply"})


def _is_scientific(node: Node) -> bool:
    """Tell whether a tree is a number times a power of ten."""
    node = node.args[0] if node.op == "neg" else node
    if node.op != "mul" or len(node.args) != 2 or node.args[1].op != "pow":
        return False
    mantissa, (base, exponent) = node.args[0], node.args[1].args
    return mantissa.op == "num" and base == number(10) and operations(exponent) <= {"num", "neg"}


def _within(wanted: Node, given: Node, tolerance: Fraction) -> bool:
    a, b = rational(fold(wanted)), rational(fold(given))
    if a is not None and b is not None:
        return abs(a - b) <= tolerance
    x, y = constant_value(wanted), constant_value(given)
    return x is not None and y is not None and abs(x - y) * tolerance.denominator <= tolerance.numerator


def same_percent(gold: str, answer: str, context: Context) -> bool:
    """Compare the numbers before the percent sign; a percentage without its sign only where the gold's type is open."""
    wanted, has_sign = read_percentage(gold)
    given, answered_sign = read_percentage(answer)
    if has_sign and not answered_sign and not context.bare:
        raise Unreadable("a percentage needs its sign")
    return _same_numbers(wanted, given, context)


def same_quantity(gold: str, answer: str, context: Context) -> bool:
    """Compare two quantities after exact conversion; the units must measure the same."""
    wanted = _quantity(gold, context, opaque=True)
    given = _quantity(answer, context, opaque=True)
    if symbols(given.value):
        return False
    if operations(given.value) & _PENDING:
        raise Unreadable("the value is left to be worked out")
    if given.unit is None or wanted.unit is None:
        if given.unit is not None or (wanted.unit is not None and not context.bare):
            raise Unreadable("a quantity needs its unit")
        return context.equal(wanted.value, given.value)
    if POUND_STERLING in (given.unit.dimension, wanted.unit.dimension):  # "8 pounds" is money beside £8
        wanted, given = (
            _quantity(re.sub(r"(?i)\bpounds?\b", "GBP", text), context, opaque=True) for text in (gold, answer)
        )
    if given.unit is None or wanted.unit is None or given.unit.dimension != wanted.unit.dimension:
        return False
    return context.equal(base_value(wanted.value, wanted.unit), base_value(given.value, given.unit))


def _quantity(text: str, context: Context, *, opaque: bool) -> Quantity:
    name, equals, value = text.partition("=")
    if equals and "=" not in value and "<" not in name and len(name) < 60 and unnamed(parse(f"{name}=1")).op == "num":
        text = value
    return read_quantity(text, opaque=opaque, strict=context.bare)


# --- expressions and equations


def same_expression(gold: str, answer: str, context: Context) -> bool:
    """Compare two expressions wherever both are defined."""
    wanted, given = _value(gold), _value(answer)
    pending = operations(wanted) & _PENDING
    if (operations(given) & _PENDING) - pending:
        raise Unreadable("the value is left to be worked out")
    if pending:
        return fold(wanted) == fold(given)
    if symbols(wanted) != symbols(given):
        given = _with_constant(wanted, given)
        if symbols(wanted) != symbols(given):
            return False
    return context.equal(wanted, given)


def _with_constant(wanted: Node, given: Node) -> Node:
    """Read + c or + k as the constant of integration C, where the gold has one."""
    extra = symbols(given) - symbols(wanted)
    if symbols(wanted) - symbols(given) != {"C"} or extra not in ({"c"}, {"K"}, {"k"}):
        return given
    return substitute(given, {next(iter(extra)): Node("sym", value="C")})


def same_equation_text(gold: str, answer: str, context: Context) -> bool:
    """Compare two equations; the question's own equation handed back is no answer."""
    wanted, given = parse(gold), parse(answer)
    if not is_equation(wanted):
        raise Limit("the gold is not an equation")
    if not is_equation(given) or not all(map(is_arithmetic, given.args)):
        raise Unreadable("not an equation")
    if _is_restated(gold, answer, context.question):
        raise Unreadable("the question's own equation")
    return same_equation(wanted, given, context.symbolic)


def same_inequality_text(gold: str, answer: str, context: Context) -> bool:
    """Compare two inequalities that are not solved for one variable: sides swapped, terms moved, a positive factor."""
    wanted, given = parse(gold), parse(answer)
    if not is_inequality(wanted) or not is_inequality(given):
        raise Unreadable("not an inequality")
    if _is_restated(gold, answer, context.question):
        raise Unreadable("the question's own inequality")
    return same_inequality(wanted, given, context.symbolic)


def _is_restated(gold: str, answer: str, question: str) -> bool:
    shown = [re.sub(r"\s|\\[,;:! ]", "", visible(t)) if t else "" for t in (gold, answer, question)]
    return shown[1] != shown[0] and shown[1] in shown[2]


# --- what holds several values


def _readings(text: str) -> list[Node]:
    """Parse a list both ways: with commas as thousands separators, and with every comma separating."""
    trees: list[Node] = []
    for join in (False, True):
        try:
            tree = parse(text, join)
        except Unreadable:
            continue
        trees += [tree] if tree not in trees else []
    if not trees:
        parse(text)
    return trees


def _any_reading(gold: str, answer: str, same: Callable[[Node, Node], bool]) -> bool:
    failure: Unreadable | None = None
    for wanted in _readings(gold):
        for given in _readings(answer):
            try:
                if same(wanted, given):
                    return True
            except Unreadable as error:
                failure = failure or error
    if failure is not None:
        raise failure
    return False


def same_set(gold: str, answer: str, context: Context) -> bool:
    """Compare two sets without order."""

    def same(wanted: Node, given: Node) -> bool:
        return same_members(members(wanted), members(given), context.equal)

    return _any_reading(gold, answer, same)


def same_tuple(gold: str, answer: str, context: Context) -> bool:
    """Compare two tuples in order."""

    def same(wanted: Node, given: Node) -> bool:
        a, b = (read_tuple(node, context.question) for node in (wanted, given))
        return len(a) == len(b) and all(same_any(x, y, context.equal) for x, y in zip(a, b, strict=True))

    return _any_reading(gold, answer, same)


def same_interval(gold: str, answer: str, context: Context) -> bool:
    """Compare two regions of the real line."""

    def same(wanted: Node, given: Node) -> bool:
        return same_region(read_region(unnamed(wanted)), read_region(unnamed(given)), context.equal)

    return _any_reading(gold, answer, same)


def same_matrix_text(gold: str, answer: str, context: Context) -> bool:
    """Compare two matrices entry by entry."""
    return same_matrix(read_matrix(parse(gold)), read_matrix(parse(answer)), context.equal)


# --- words


def same_string(gold: str, answer: str, _context: Context) -> bool:
    """Compare two texts, case, blanks and a final period aside; one letter or "answer" and one = may stand before."""
    wanted = string_key(gold)
    if not wanted:
        raise Limit("the gold is empty")
    name, equals, value = answer.partition("=")  # another word is no name but a rival: Friday = Saturday
    named = equals and re.fullmatch(r"\s*(?:\\text\s*\{)?\s*(?:[A-Za-z](?:_?\d)?|[Aa]nswer)\s*\}?\s*", name)
    return string_key(answer) == wanted or (bool(named) and string_key(value) == wanted)


def same_boolean(gold: str, answer: str, context: Context) -> bool:
    """Compare two truth values as the words they are."""
    if string_key(answer) not in ("yes", "no", "true", "false"):
        raise Unreadable("not a truth value")
    return same_string(gold, answer, context)


def same_based(gold: str, answer: str, _context: Context) -> bool:
    """Compare digits in a stated base: the base must be stated and the same."""
    name, equals, value = answer.partition("=")
    given = based_digits(value if equals and re.fullmatch(r"\s*[A-Za-z]\s*", name) else answer)
    if given is None:
        raise Unreadable("digits without their base")
    return given == based_digits(gold)


# --- the type of the gold

_BY_TYPE: Final[dict[str, Comparison]] = {
    "integer": same_number,
    "rational": same_number,
    "decimal": same_number,
    "percent": same_percent,
    "quantity": same_quantity,
    "expression": same_expression,
    "equation": same_equation_text,
    "tuple": same_tuple,
    "set": same_set,
    "interval": same_interval,
    "matrix": same_matrix_text,
    "string": same_string,
    "boolean": same_boolean,
    "choice": lambda gold, answer, context: same_choice(gold, answer, context.question),
    "base": same_based,
    "inequality": same_inequality_text,
}


def _same_seq(gold: str, answer: str, context: Context) -> bool:
    def same(wanted: Node, given: Node) -> bool:
        return same_any(unnamed(wanted), unnamed(given), context.equal)

    return _any_reading(gold, answer, same)


_BY_TYPE["members"] = _same_seq


def compare(gold: str, answer: str, answer_type: str | None, context: Context) -> bool:
    """Tell whether the answer equals the gold under its type; without a type, under any reading of the gold."""
    check_visible(answer)
    answer = undressed(without_lead_in(undressed(answer)))
    return answer.strip() == gold.strip() or _compare_by_type(gold, answer, answer_type, context)


def _compare_by_type(gold: str, answer: str, answer_type: str | None, context: Context) -> bool:
    types = (answer_type,) if answer_type else inferred_types(gold)
    failure: Exception | None = None
    for name in types:
        try:
            if _BY_TYPE[name](gold, answer, context):
                return True
        except (Unreadable, Undefined) as error:
            failure = error
    if failure is not None and len(types) == 1:
        raise failure
    return False


def readable_gold(gold: str, answer_type: str | None, context: Context) -> bool:
    """Tell whether the gold itself can be read under its type."""
    try:
        return _compare_by_type(gold, gold, answer_type, context)
    except (Unreadable, Undefined, Limit):
        return False
