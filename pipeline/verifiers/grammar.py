"""The grammar of answers around the atoms: lists, relations, unions, sums, products, powers.

Recursive descent; every rule takes the cursor and returns a tree. The atoms are in atoms.py, `parse` in parsing.py.
"""

from pipeline.verifiers.cursor import Cursor
from pipeline.verifiers.notation import Token, Unreadable
from pipeline.verifiers.numerals import is_integer, mixed_number, parse_number
from pipeline.verifiers.tree import Node, number
from pipeline.verifiers.vocabulary import RELATIONS, STOPS, WORD_JOINS


def join(cursor: Cursor) -> str | None:
    """Take a separator of list parts, if one stands here."""
    token = cursor.peek()
    if token.kind == "mark" and token.text in (",", ";", "or", "and"):
        cursor.position += 1
        return "," if token.text == ";" else token.text
    if token.kind in ("word", "text") and token.text.lower() in WORD_JOINS:
        cursor.position += 1
        return token.text.lower()
    return None


def items(cursor: Cursor) -> Node:
    parts = [relation(cursor)]
    joins: list[str] = []
    while (first := join(cursor)) is not None:
        second = join(cursor) if first == "," else None  # "1, 2, and 3"
        joins.append(second or first)
        parts.append(relation(cursor))
    if not joins:
        return parts[0]
    words = set(joins) - {","}
    if len(words) > 1:
        raise Unreadable("a list joined by both 'and' and 'or'")
    return Node("list", tuple(parts), words.pop() if words else ",")


def relation(cursor: Cursor) -> Node:
    parts = [sets(cursor)]
    signs: list[str] = []
    while cursor.peek().kind == "mark" and cursor.peek().text in RELATIONS:
        signs.append(cursor.take().text)
        parts.append(sets(cursor))
    return Node("rel", tuple(parts), " ".join(signs)) if signs else parts[0]


def sets(cursor: Cursor) -> Node:
    node = sum_of_terms(cursor)
    while cursor.at("∪", "∩", "∖"):
        op = {"∪": "union", "∩": "inter", "∖": "minus"}[cursor.take().text]
        right = sum_of_terms(cursor)
        node = Node(op, (*node.args, right) if node.op == op and op != "minus" else (node, right))
    return node


def sum_of_terms(cursor: Cursor) -> Node:
    terms = [signed(cursor)]
    while cursor.at("+", "-", "±", "∓"):
        sign = cursor.take().text
        term = product(cursor)
        if sign in "±∓":
            terms = [Node("pm", (terms[0] if len(terms) == 1 else Node("add", tuple(terms)), term), sign)]
        else:
            terms.append(term if sign == "+" else Node("neg", (term,)))
    return terms[0] if len(terms) == 1 else Node("add", tuple(terms))


def signed(cursor: Cursor) -> Node:
    sign = cursor.take().text if cursor.at("+", "-", "±", "∓") else ""
    term = product(cursor)
    if sign == "-":
        return Node("neg", (term,))
    return Node("pm", (term,), sign) if sign in ("±", "∓") else term


def product(cursor: Cursor) -> Node:
    node = power(cursor)
    while True:
        if cursor.accept("*"):
            node = times(node, signed_power(cursor))
        elif cursor.accept("/"):
            node = Node("div", (node, signed_power(cursor)))
        elif starts_factor(cursor):
            node = juxtaposed(cursor, node)
        else:
            return node


def signed_power(cursor: Cursor) -> Node:
    if cursor.accept("-"):
        return Node("neg", (power(cursor),))
    cursor.accept("+")
    return power(cursor)


def juxtaposed(cursor: Cursor, left: Node) -> Node:
    """Multiply by what follows without a sign; a whole number before a fraction of numbers is a mixed number."""
    token = cursor.peek()
    if token.kind in ("number", "repeating"):
        return mixed(cursor, left, token)
    previous = cursor.tokens[cursor.position - 1].kind
    right = power(cursor)
    if token.text == "frac" and previous == "number" and left.op == "num":
        if is_integer(left) and right.op == "div" and all(map(is_integer, right.args)):
            return mixed_number(left, right)
        if right.op == "div" and right.args[0].op == "num":
            raise Unreadable("a number before a fraction that is no mixed number")
    if right.op == "num" and left.op != "sym" and not (left.op == "pow" and left.args[0].op == "sym"):
        raise Unreadable("two numbers side by side")
    if left.op == "sym" and token.text == "(" and right.op != "pow":
        return Node("apply", (left, right))
    return times(left, right)


def mixed(cursor: Cursor, left: Node, token: Token) -> Node:
    """Read 1 1/2: a whole number, a blank, and a fraction of integers."""
    ahead = [cursor.peek(k) for k in (1, 2)]
    if not (is_integer(left) and token.spaced and ahead[0].text == "/" and ahead[1].kind == "number"):
        raise Unreadable("two numbers side by side")
    parts = [number(parse_number(t.text)) for t in (token, ahead[1])]
    if not all(map(is_integer, parts)) or cursor.tokens[cursor.position - 1].kind != "number":
        raise Unreadable("two numbers side by side")
    cursor.position += 3
    return mixed_number(left, Node("div", (parts[0], parts[1])))


def starts_factor(cursor: Cursor) -> bool:
    token = cursor.peek()
    if token.kind in ("number", "repeating"):
        return True
    if token.kind == "command":
        return token.text not in STOPS
    if token.kind in ("word", "text"):
        return token.text.lower() not in WORD_JOINS
    if token.text == "|":
        return cursor.bars == 0
    return token.text in ("(", "[", "{", "set{", "√", "∞", "∅")


def power(cursor: Cursor) -> Node:
    node = postfix(cursor, cursor.primary(cursor))
    if cursor.accept("^"):
        node = postfix(cursor, raise_to(cursor, node))
    return node


def raise_to(cursor: Cursor, base: Node) -> Node:
    if cursor.accept("°"):
        return Node("deg", (base,))
    if cursor.at("{") and cursor.peek(1).text in ("°", "circ") and cursor.peek(2).text == "}":
        cursor.position += 3
        return Node("deg", (base,))
    if cursor.peek().text == "circ":
        cursor.position += 1
        return Node("deg", (base,))
    if base.op == "sym" and cursor.at("{") and cursor.peek(1).text in ("'", "prime", "T"):
        return named_suffix(cursor, base)
    if base.op == "sym" and cursor.peek().text in ("T", "prime", "top", "circ", "*"):
        return Node("sym", value=f"{base.value}^{cursor.take().text}")
    return Node("pow", (base, exponent(cursor)))


def named_suffix(cursor: Cursor, base: Node) -> Node:
    suffix = ""
    cursor.expect("{")
    while not cursor.at("}"):
        if cursor.peek().kind == "end":
            raise Unreadable("an exponent that does not end")
        suffix += cursor.take().text
    cursor.expect("}")
    return Node("sym", value=f"{base.value}^{suffix}")


def exponent(cursor: Cursor) -> Node:
    if cursor.accept("-"):
        return Node("neg", (exponent(cursor),))
    cursor.accept("+")
    node = cursor.nested(cursor.primary)
    if cursor.accept("^"):  # 2^3^4 is 2^(3^4)
        node = Node("pow", (node, cursor.nested(exponent)))
    return node


def postfix(cursor: Cursor, node: Node) -> Node:
    while True:
        if cursor.accept("!"):
            if cursor.at("!"):
                raise Unreadable("a double factorial")
            node = Node("fact", (node,))
        elif cursor.accept("%"):
            node = Node("pct", (node,))
        elif cursor.accept("°"):
            node = Node("deg", (node,))
        elif node.op == "sym" and cursor.at("'"):
            cursor.position += 1
            node = Node("sym", value=f"{node.value}'")
        elif cursor.at("_"):
            node = subscripted(cursor, node)
        else:
            return node


def subscripted(cursor: Cursor, node: Node) -> Node:
    if node.op not in ("sym", "text"):
        raise Unreadable("a subscript on something that is not a name")
    cursor.expect("_")
    return Node("sym", value=f"{node.value}_{flat_group(cursor)}")


def flat_group(cursor: Cursor) -> str:
    """Take one token or a braced group of tokens as the text of a subscript or a name."""
    if not cursor.at("{"):
        return cursor.take().text
    out: list[str] = []
    depth = 0
    while True:
        token = cursor.take()
        if token.kind == "end":
            raise Unreadable("a subscript that does not end")
        depth += (token.text == "{") - (token.text == "}")
        if depth == 0:
            return "".join(out)
        out += [] if token.text in "{}" else [token.text]


def times(left: Node, right: Node) -> Node:
    """Multiply two trees; a product of products is one product."""
    return Node("mul", (*left.args, right) if left.op == "mul" else (left, right))
