"""The parser of answers: recursive descent over tokens into a tree of plain data.

Raises Unreadable for what is not an answer and Limit for nesting deeper than MAX_DEPTH.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from pipeline.verifiers.notation import Limit, Token, Undefined, Unreadable, tokenise
from pipeline.verifiers.tree import ONE, Node, number

MAX_DEPTH: Final = 40
MAX_DIGITS: Final = 50_000
MAX_EXPONENT: Final = 20_000

RELATIONS: Final = frozenset(["=", "<", ">", "<=", ">=", "!=", "~=", "==", "∈"])
FUNCTIONS: Final = frozenset(
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth asin acos atan arsinh arcosh "
    "artanh ln log lg exp sgn Re Im".split()
)
PENDING: Final = frozenset(
    "int iint iiint oint sum prod coprod lim limsup liminf max min sup inf gcd lcm det mod bmod pmod tr dim deg arg argmax "
    "argmin rank partial nabla GCD LCM HCF lcd Pr".split()
)
GREEK: Final = frozenset(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho varrho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar aleph".split()
)
_SAME_LETTER: Final = {"varepsilon": "epsilon", "vartheta": "theta", "varrho": "rho", "varphi": "phi"}
_DECORATIONS: Final = frozenset("vec hat bar overline tilde widehat overrightarrow dot ddot angle triangle".split())
_MATRICES: Final = frozenset("pmatrix bmatrix matrix Bmatrix smallmatrix array".split())
_DETERMINANTS: Final = frozenset("vmatrix Vmatrix".split())
_CLOSES: Final = {"(": ")", "[": "]", "set{": "set}", "{": "}", "|": "|"}
_WORD_JOINS: Final = {"or": "or", "and": "and"}
_WORD_CONSTANTS: Final = {"pi": "pi", "infinity": "inf", "inf": "inf", "oo": "inf"}


def parse_digits(text: str) -> int:
    """Read a decimal integer of any length up to MAX_DIGITS (int() itself refuses more than 4,300 digits)."""
    if len(text) > MAX_DIGITS:
        raise Limit(f"a number has more than {MAX_DIGITS} digits")
    value = 0
    for start in range(0, len(text), 4000):
        part = text[start : start + 4000]
        value = value * 10 ** len(part) + int(part)
    return value


def parse_number(text: str) -> Fraction:
    """Read 12, 1.5, .5, 3., 2.5e-3 exactly."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    power = (int(exponent) if exponent else 0) - len(decimals)
    if abs(power) > MAX_EXPONENT + len(decimals):
        raise Limit(f"an exponent is beyond {MAX_EXPONENT}")
    digits = parse_digits(whole + decimals)
    return Fraction(digits * 10**power) if power >= 0 else Fraction(digits, 10**-power)


def parse_repeating(text: str) -> Fraction:
    """Read 0.1\\overline{6}, 0.\\bar{3} and 0.(3) exactly."""
    match = re.fullmatch(r"(\d*)\.(\d*)\D+(\d+)\D*", text)
    if match is None:
        raise Unreadable("a repeating decimal that cannot be read")
    whole, fixed, repeated = (parse_digits(g or "0") for g in match.groups())
    scale = 10 ** len(match.group(2))
    return whole + Fraction(fixed, scale) + Fraction(repeated, scale * (10 ** len(match.group(3)) - 1))


def parse(text: str, *, join_thousands: bool = True) -> Node:
    """Parse a whole answer. The result may be a value, a list, a relation, a set, an interval, a matrix."""
    return parse_tokens(tokenise(text, join_thousands=join_thousands))


def parse_tokens(tokens: list[Token]) -> Node:
    """Parse all of the tokens."""
    if not tokens:
        raise Unreadable("the answer is empty")
    parser = _Parser(tokens)
    node = parser.items()
    if parser.position != len(tokens):
        raise Unreadable(f"unexpected {tokens[parser.position].text[:20]!r}")
    return node


_END: Final = Token("end", "", False)
_STOPS: Final = frozenset("end rfloor rceil rangle rVert circ prime".split())


class _Parser:
    """The state of one parse: the tokens, the position, the depth, and how many bars |…| are open."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0
        self.bars = 0

    # --- tokens

    def peek(self, ahead: int = 0) -> Token:
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else _END

    def take(self) -> Token:
        token = self.peek()
        self.position += 1
        return token

    def at(self, *marks: str) -> bool:
        token = self.peek()
        return token.kind == "mark" and token.text in marks

    def accept(self, *marks: str) -> bool:
        found = self.at(*marks)
        self.position += found
        return found

    def expect(self, mark: str) -> None:
        if not self.accept(mark):
            raise Unreadable(f"expected {mark!r}, found {self.peek().text[:20]!r}")

    def nested(self, rule: Callable[[], Node], bars: int | None = None) -> Node:
        """Apply a rule one level deeper; `bars` says how many |…| are open inside (None: as outside)."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Limit(f"the answer is nested deeper than {MAX_DEPTH}")
        outside = self.bars
        self.bars = outside if bars is None else bars
        node = rule()
        self.bars = outside
        self.depth -= 1
        return node

    # --- lists, relations, sets

    def join(self) -> str | None:
        """Take a separator of list parts, if one stands here."""
        token = self.peek()
        if token.kind == "mark" and token.text in (",", ";", "or", "and"):
            self.position += 1
            return "," if token.text == ";" else token.text
        if token.kind in ("word", "text") and token.text.lower() in _WORD_JOINS:
            self.position += 1
            return token.text.lower()
        return None

    def items(self) -> Node:
        parts = [self.relation()]
        joins: list[str] = []
        while (join := self.join()) is not None:
            second = self.join() if join == "," else None  # "1, 2, and 3"
            joins.append(second or join)
            parts.append(self.relation())
        if not joins:
            return parts[0]
        words = set(joins) - {","}
        if len(words) > 1:
            raise Unreadable("a list joined by both 'and' and 'or'")
        return Node("list", tuple(parts), words.pop() if words else ",")

    def relation(self) -> Node:
        parts = [self.sets()]
        signs: list[str] = []
        while self.peek().kind == "mark" and self.peek().text in RELATIONS:
            signs.append(self.take().text)
            parts.append(self.sets())
        return Node("rel", tuple(parts), " ".join(signs)) if signs else parts[0]

    def sets(self) -> Node:
        node = self.sum()
        while self.at("∪", "∩", "∖"):
            op = {"∪": "union", "∩": "inter", "∖": "minus"}[self.take().text]
            right = self.sum()
            node = Node(op, (*node.args, right) if node.op == op and op != "minus" else (node, right))
        return node

    # --- arithmetic

    def sum(self) -> Node:
        terms = [self.signed()]
        while self.at("+", "-", "±", "∓"):
            sign = self.take().text
            term = self.product()
            if sign in "±∓":
                terms = [Node("pm", (terms[0] if len(terms) == 1 else Node("add", tuple(terms)), term), sign)]
            else:
                terms.append(term if sign == "+" else Node("neg", (term,)))
        return terms[0] if len(terms) == 1 else Node("add", tuple(terms))

    def signed(self) -> Node:
        sign = self.take().text if self.at("+", "-", "±", "∓") else ""
        term = self.product()
        if sign == "-":
            return Node("neg", (term,))
        return Node("pm", (term,), sign) if sign in ("±", "∓") else term

    def product(self) -> Node:
        node = self.power()
        while True:
            if self.accept("*"):
                node = _times(node, self.signed_power())
            elif self.accept("/"):
                node = Node("div", (node, self.signed_power()))
            elif self.starts_factor():
                node = self.juxtaposed(node)
            else:
                return node

    def signed_power(self) -> Node:
        if self.accept("-"):
            return Node("neg", (self.power(),))
        self.accept("+")
        return self.power()

    def juxtaposed(self, left: Node) -> Node:
        """Multiply by what follows without a sign; a whole number before a fraction of numbers is a mixed number."""
        token = self.peek()
        if token.kind in ("number", "repeating"):
            return self.mixed(left, token)
        previous = self.tokens[self.position - 1].kind
        right = self.power()
        if token.text == "frac" and previous == "number" and left.op == "num":
            if _is_integer(left) and right.op == "div" and all(map(_is_integer, right.args)):
                return _mixed(left, right)
            if right.op == "div" and right.args[0].op == "num":
                raise Unreadable("a number before a fraction that is no mixed number")
        if right.op == "num" and left.op != "sym":
            raise Unreadable("two numbers side by side")
        if left.op == "sym" and token.text == "(" and right.op != "pow":
            return Node("apply", (left, right))
        return _times(left, right)

    def mixed(self, left: Node, token: Token) -> Node:
        """Read 1 1/2: a whole number, a blank, and a fraction of integers."""
        ahead = [self.peek(k) for k in (1, 2)]
        if not (_is_integer(left) and token.spaced and ahead[0].text == "/" and ahead[1].kind == "number"):
            raise Unreadable("two numbers side by side")
        parts = [number(parse_number(t.text)) for t in (token, ahead[1])]
        if not all(map(_is_integer, parts)) or self.tokens[self.position - 1].kind != "number":
            raise Unreadable("two numbers side by side")
        self.position += 3
        return _mixed(left, Node("div", (parts[0], parts[1])))

    def starts_factor(self) -> bool:
        token = self.peek()
        if token.kind in ("number", "repeating"):
            return True
        if token.kind == "command":
            return token.text not in _STOPS
        if token.kind in ("word", "text"):
            return token.text.lower() not in _WORD_JOINS
        if token.text == "|":
            return self.bars == 0
        return token.text in ("(", "[", "{", "set{", "√", "∞", "∅")

    def power(self) -> Node:
        node = self.postfix(self.primary())
        if self.accept("^"):
            node = self.postfix(self.raise_to(node))
        return node

    def raise_to(self, base: Node) -> Node:
        if self.accept("°"):
            return Node("deg", (base,))
        if self.at("{") and self.peek(1).text in ("°", "circ") and self.peek(2).text == "}":
            self.position += 3
            return Node("deg", (base,))
        if self.peek().text == "circ":
            self.position += 1
            return Node("deg", (base,))
        if base.op == "sym" and self.at("{") and self.peek(1).text in ("'", "prime", "T"):
            return self.named_suffix(base)
        if base.op == "sym" and self.peek().text in ("T", "prime", "top", "circ"):
            return Node("sym", value=f"{base.value}^{self.take().text}")
        return Node("pow", (base, self.exponent()))

    def named_suffix(self, base: Node) -> Node:
        suffix = ""
        self.expect("{")
        while not self.at("}"):
            if self.peek().kind == "end":
                raise Unreadable("an exponent that does not end")
            suffix += self.take().text
        self.expect("}")
        return Node("sym", value=f"{base.value}^{suffix}")

    def exponent(self) -> Node:
        if self.accept("-"):
            return Node("neg", (self.exponent(),))
        self.accept("+")
        node = self.nested(self.primary)
        if self.accept("^"):  # 2^3^4 is 2^(3^4)
            node = Node("pow", (node, self.nested(self.exponent)))
        return node

    def postfix(self, node: Node) -> Node:
        while True:
            if self.accept("!"):
                if self.at("!"):
                    raise Unreadable("a double factorial")
                node = Node("fact", (node,))
            elif self.accept("%"):
                node = Node("pct", (node,))
            elif self.accept("°"):
                node = Node("deg", (node,))
            elif node.op == "sym" and self.at("'"):
                self.position += 1
                node = Node("sym", value=f"{node.value}'")
            elif self.at("_"):
                node = self.subscripted(node)
            else:
                return node

    def subscripted(self, node: Node) -> Node:
        if node.op != "sym":
            raise Unreadable("a subscript on something that is not a name")
        self.expect("_")
        return Node("sym", value=f"{node.value}_{self.flat_group()}")

    def flat_group(self) -> str:
        """Take one token or a braced group of tokens as the text of a subscript or a name."""
        if not self.at("{"):
            return self.take().text
        out: list[str] = []
        depth = 0
        while True:
            token = self.take()
            if token.kind == "end":
                raise Unreadable("a subscript that does not end")
            depth += (token.text == "{") - (token.text == "}")
            if depth == 0:
                return "".join(out)
            out += [] if token.text in "{}" else [token.text]

    def primary(self) -> Node:
        token = self.take()
        if token.kind == "number":
            return number(parse_number(token.text))
        if token.kind == "repeating":
            return number(parse_repeating(token.text))
        if token.kind in ("word", "text"):
            return self.word(token)
        if token.kind == "command":
            return self.command(token.text)
        if token.text in ("(", "["):
            return self.bracketed(token.text)
        if token.text == "{":
            node = self.nested(self.items, bars=0)
            self.expect("}")
            return node
        if token.text == "set{":
            return self.set_braces()
        if token.text == "|":
            return self.bar()
        if token.text == "∞":
            return Node("const", value="inf")
        if token.text == "∅":
            return Node("empty")
        raise Unreadable(f"unexpected {token.text[:20]!r}" if token.text else "the answer ends too early")

    def bracketed(self, opening: str) -> Node:
        node = self.nested(self.items, bars=0)
        closing = self.take().text
        if closing not in (")", "]"):
            raise Unreadable("a bracket that is not closed")
        if node.op == "list":
            if node.value != ",":
                raise Unreadable("words inside brackets")
            return Node("seq", node.args, opening + closing)
        if opening + closing == "[]" and node.op in ("seq", "matrix"):
            return Node("seq", (node,), "[]") if node.op == "seq" else node
        if closing != _CLOSES[opening]:
            raise Unreadable("brackets that do not match")
        return node

    def set_braces(self) -> Node:
        if self.accept("set}"):
            return Node("empty")
        node = self.nested(self.items, bars=1)  # a bar after the first part is "such that", not an absolute value
        if self.accept("|", ":"):
            condition = self.nested(self.items, bars=0)
            self.expect("set}")
            return Node("builder", (node, condition))
        self.expect("set}")
        return Node("set", node.args if node.op == "list" else (node,))

    def bar(self) -> Node:
        node = self.nested(self.sum, bars=1)
        self.expect("|")
        return Node("pending", (node,), "det") if node.op == "matrix" else Node("abs", (node,))

    # --- words and commands

    def word(self, token: Token) -> Node:
        text = token.text
        if text in _WORD_CONSTANTS:
            return Node("const", value=_WORD_CONSTANTS[text])
        if text in ("sqrt", "cbrt"):
            return Node("root", (number(2 if text == "sqrt" else 3), self.argument()))
        if text in PENDING:
            raise Unreadable(f"{text} is left to be worked out")
        for name in (text, text[:-1]):  # sin, sinx
            if name in FUNCTIONS:
                if name != text:
                    self.position -= 1
                    self.tokens[self.position] = Token("word", text[-1], False)
                return self.function(name)
        if len(text) == 1:
            return _letter(text)
        if token.kind == "word" and len(text) <= 4 and text.isalpha():
            node = _letter(text[0])
            for letter in text[1:-1]:
                node = _times(node, _letter(letter))
            return _times(node, self.postfix_letter(text[-1]))
        return Node("text", value=text)

    def postfix_letter(self, letter: str) -> Node:
        """Apply ^ and _ after a run of letters to its last letter only."""
        node = self.postfix(_letter(letter))
        return self.raise_to(node) if self.accept("^") else node

    def command(self, name: str) -> Node:
        if name == "pi":
            return Node("const", value="pi")
        if name in GREEK:
            return Node("sym", value=_SAME_LETTER.get(name, name))
        if name in FUNCTIONS:
            return self.function(name)
        if name == "frac":
            top = self.argument()
            return _fraction(top, self.argument())
        if name in ("sqrt", "cbrt", "qdrt"):
            return self.radical(name)
        if name == "binom":
            return Node("call", (self.argument(), self.argument()), "binom")
        if name in ("lfloor", "lceil"):
            return self.rounded(name)
        if name == "begin":
            return self.environment()
        if name in ("mathbb", "Bbb", "mathds", "R"):
            return self.field() if name != "R" else Node("reals")
        if name in ("langle", "lVert"):
            return self.angled(name)
        if name in _DECORATIONS:
            return Node("sym", value=f"{name} {self.flat_group()}")
        if name in PENDING:
            return self.pending(name)
        if name == "prime":
            raise Unreadable("a prime without a name")
        raise Unreadable(f"unknown command \\{name[:20]}")

    def argument(self) -> Node:
        """Take the argument of a command: a group, or exactly one character as TeX does."""
        token = self.peek()
        if token.kind == "number" and len(token.text) > 1:
            if not token.text.isdigit() or len(token.text) > 2 or self.tokens[self.position - 1].text != "frac":
                raise Unreadable("digits without braces after a command")
            self.tokens[self.position : self.position + 1] = [Token("number", c, False) for c in token.text]
        return self.nested(self.primary)

    def radical(self, name: str) -> Node:
        index = number({"sqrt": 2, "cbrt": 3, "qdrt": 4}[name])
        if name == "sqrt" and self.accept("["):
            index = self.nested(self.sum)
            self.expect("]")
        return Node("root", (index, self.argument()))

    def rounded(self, name: str) -> Node:
        node = self.nested(self.sum)
        if self.take().text != {"lfloor": "rfloor", "lceil": "rceil"}[name]:
            raise Unreadable("a rounding bracket that is not closed")
        return Node(name[1:], (node,))

    def angled(self, name: str) -> Node:
        node = self.nested(self.items)
        if self.take().text != {"langle": "rangle", "lVert": "rVert"}[name] or name == "lVert":
            raise Unreadable("an angle bracket that is not closed")
        return Node("seq", node.args if node.op == "list" else (node,), "()")

    def field(self) -> Node:
        name = self.flat_group()
        if name == "R":
            return Node("reals")
        return Node("sym", value=f"field {name}")

    def pending(self, name: str) -> Node:
        """Take all that follows: an operator that is left to be worked out has no parts we need."""
        rest = tuple(Node("text", value=f"{t.kind}:{t.text}") for t in self.tokens[self.position :])
        self.position = len(self.tokens)
        return Node("pending", rest, name)

    def function(self, name: str) -> Node:
        name = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "log10"}.get(name, name)
        power: Node | None = None
        base: Node | None = None
        for _ in range(2):
            if self.accept("^"):
                power = self.exponent()
            elif self.accept("_"):
                base = self.argument()
        argument = self.function_argument()
        if base is not None and name != "log":
            raise Unreadable("a subscript on a function")
        node = Node("call", (argument,) if base is None else (argument, base), name if base is None else "logb")
        if power is None:
            return node
        if power == Node("neg", (ONE,)):
            if name not in ("sin", "cos", "tan", "cot", "sec", "csc"):
                raise Unreadable("an inverse function")
            return Node("call", (argument,), f"arc{name}")
        return Node("pow", (node, power))

    def function_argument(self) -> Node:
        if self.at("(", "{", "["):
            return self.nested(self.primary)
        if self.at("-"):
            return self.nested(self.signed_power)
        node = self.nested(self.power)
        while self.starts_factor() and not self.starts_function() and not self.at("("):
            node = self.nested(lambda left=node: self.juxtaposed(left))  # type: ignore[misc]
        return node

    def starts_function(self) -> bool:
        token = self.peek()
        return token.text in FUNCTIONS or token.text in PENDING

    # --- matrices

    def environment(self) -> Node:
        name = self.flat_group()
        if name == "array" and self.at("{"):
            self.flat_group()
        if name not in _MATRICES | _DETERMINANTS:
            raise Unreadable(f"unknown environment {name[:20]!r}")
        rows: list[Node] = []
        while self.peek().text != "end":
            rows.append(self.row())
            if not self.accept("\\\\"):
                break
        if self.take() != Token("command", "end", self.tokens[self.position - 1].spaced) or self.flat_group() != name:
            raise Unreadable("a matrix that does not end")
        node = Node("matrix", tuple(rows))
        return Node("pending", (node,), "det") if name in _DETERMINANTS else node

    def row(self) -> Node:
        cells = [self.nested(self.sum)]
        while self.accept("&"):
            cells.append(self.nested(self.sum))
        return Node("row", tuple(cells))


def _letter(letter: str) -> Node:
    return Node("const", value=letter) if letter in "ei" else Node("sym", value=letter)


def _times(left: Node, right: Node) -> Node:
    return Node("mul", (*left.args, right) if left.op == "mul" else (left, right))


def _is_integer(node: Node) -> bool:
    return node.op == "num" and isinstance(node.value, Fraction) and node.value.denominator == 1


def _fraction(top: Node, bottom: Node) -> Node:
    return Node("div", (top, bottom))


def _mixed(whole: Node, part: Node) -> Node:
    top, bottom = (a.value for a in part.args)
    if not (isinstance(whole.value, Fraction) and isinstance(top, Fraction) and isinstance(bottom, Fraction)):
        raise Unreadable("a mixed number that cannot be read")
    if bottom == 0:
        raise Undefined("division by zero")
    return number(whole.value + top / bottom)
