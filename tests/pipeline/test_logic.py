"""Logic: entailment, satisfiability, models and steps; what is paid, what is not read, which golds are refused."""

import json
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.records import Provenance, make_problem
from pipeline.verifiers import judge
from pipeline.verifiers.golds import check_gold
from pipeline.verifiers.logic_grammar import parse_formula
from pipeline.verifiers.logic_sorts import evaluate
from pipeline.verifiers.notation import Limit, Unreadable
from pipeline.verifiers.tree import Node
from pipeline.verifiers.worker import configure

Spec = dict[str, Any]


class Row(NamedTuple):
    """A gold, and the answers that get each verdict."""

    spec: Spec
    correct: tuple[str, ...] = ()
    incorrect: tuple[str, ...] = ()
    unparsable: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()


def entailment(premises: list[str], conclusion: str, **more: object) -> Spec:
    return {"kind": "entailment", "premises": premises, "conclusion": conclusion, **more}


HEDGES = (
    "probably yes",
    "yes or no",
    "not true",
    "entailed, or unknown",
    "yes, no",
    "",
    "true?",
    "42",
    r"\phantom{yes}",
)
BARBARA = entailment(["∀x (Man(x) → Mortal(x))", "forall x. Greek(x) -> Man(x)"], "forall x: Greek(x) => Mortal(x)")
CONSEQUENT = entailment(["p -> q", "q"], "p")
KNIGHTS = {  # Smullyan: A says "B is a knight", B says "we are of different kinds"
    "kind": "model",
    "variables": {"A": "bool", "B": "bool"},
    "constraints": ["A <-> B", "B <-> (A xor B)"],
    "unique": True,
}
COLOURS = {
    "kind": "model",
    "variables": {"ann": ["red", "green"], "bob": ["red", "green"], "n": [1, 2, 3], "k": "int"},
    "constraints": ["distinct(ann, bob)", "ann = red", "n != 2 and n > 1", "k = 2*n - 10"],
    "unique": True,
}
CHAIN = {"kind": "steps", "premises": ["p -> q", "q -> r", "p"], "conclusion": "r"}
ROWS = [
    Row(
        BARBARA,
        correct=("entailed", "Yes", r"\text{True}", "**valid**", "The conclusion is entailed.", "Yes (entailed)"),
        incorrect=("contradicted", "no", "unknown", "uncertain", r"\textbf{False}"),
        unparsable=(*HEDGES, "invalid", "does not follow"),
    ),
    Row(
        CONSEQUENT, ("unknown", "Uncertain", "cannot be determined"), ("yes", "no", "entailed", "contradicted"), HEDGES
    ),
    Row(
        CONSEQUENT | {"binary": True}, ("no", "invalid", "does not follow", "unknown"), ("yes", "contradicted"), HEDGES
    ),
    Row(entailment(["p or q", "not p"], "not q"), ("contradicted", "no", "False"), ("entailed", "unknown")),
    Row(entailment([], "p or not p"), ("entailed",), ("unknown",)),
    Row(entailment(["Loves(romeo, juliet)"], "exists x. Loves(x, juliet)"), ("yes",), ("unknown",)),
    Row(entailment(["P(a)", "P(b)"], "forall x. P(x)"), ("unknown",), ("yes",)),
    Row(entailment(["P(a)", "P(b)"], "forall x. P(x)", domain=["a", "b"]), ("yes",), ("unknown",)),
    Row(entailment(["age(bob) = 3", "age(ann) > 2*age(bob)"], "age(ann) >= 7"), ("yes",), ("no",)),
    Row(entailment([r"p \land q"], r"\neg(\lnot p \lor \neg q)"), ("yes",), ("no",)),
    Row(entailment(["p", "not p"], "q"), undecided=("yes", "no", "unknown")),
    Row(
        {"kind": "satisfiability", "formulas": ["x > 3", "x < 5"]},
        ("satisfiable", "SAT", "The set is consistent"),
        ("unsat", "unsatisfiable", "not satisfiable"),
        ("maybe", "satisfiable or not", "x = 4"),
    ),
    Row({"kind": "satisfiability", "formulas": ["p", "p -> q", "!q"]}, ("unsatisfiable",), ("satisfiable",)),
    Row(
        {"kind": "satisfiability", "formulas": ["x > 3", "x < 5 or b"], "require_model": True},
        ("x = 4, b = false", '{"b": true, "x": 1000}', r"x=4 \land b=\text{False}", "B: no; X: 4."),
        ("unsat", "x = 3, b = true", "x = 4", "x = 5, b = false", "x = 4, x = 5, b = true"),
        ("satisfiable", "x = 4 or 5", "x = 4, b = true, c = 1", "x = four, b = true", '{"x": [4], "b": true}'),
    ),
    Row(
        KNIGHTS,
        ("A = false, B = false", '{"A": false, "B": false}', "a: F; b: F", r"A=\text{false},\ B=\text{false}"),
        ("A = true, B = true", "A = false", "A = false, B = true", "A = false, A = true, B = false"),
        ("A is a knave", "A = false or B = false", "not A, not B", "A = 2, B = 0", "A = B = false", "A ≠ true", ""),
    ),
    Row(
        COLOURS,
        ("ann = Red, bob = green, n = 3, k = -4", '{"ann": "red", "bob": "green", "n": 3, "k": -4}'),
        (
            "ann = green, bob = red, n = 3, k = -4",
            "ann = red, bob = blue, n = 3, k = -4",
            "ann = red, bob = green, n = 4, k = -2",
            "ann = red, bob = green, n = 3, k = 4",
            "ann = red, bob = green, n = 3",
        ),
        ("ann = red, bob = green, n = 3, k = -4, m = 1", "ann = red, bob = green, n = 2 + 1, k = -4"),
        (f"ann = red, bob = green, n = 3, k = {'9' * 60}",),
    ),
    Row(
        CHAIN,
        ("1. q\n2. r", "r", "q; r", "(1) p → q\n(2) q\n∴ r", r"$q$ \\ $q \to r$ \\ $r$", "q\nr & (s | !s)"),
        ("q", "s; r", "r; q and s", "q -> p; r and p", "r or s", "not p; r", "q; therefore"),
        ("q by modus ponens\nr", "q; r or", "q(p); r", "p + 1; r", ""),
    ),
    Row(CHAIN | {"premises": ["p", "!p", "r"]}, undecided=("p; r", "r")),
    Row(
        {
            "kind": "model",
            "variables": {"x": "int", "b": "bool"},
            "constraints": ["2 <= x < 2 + x*0 + 1", "-x + 3 >= 1 xor b"],
        },
        ("x = 2, b = false",),
        ("x = 1, b = true", "x = 3, b = false", "x = 3, b = true", "x = 2, b = true"),
    ),
    Row(CHAIN | {"min_steps": 3}, ("q; p & q; r",), ("r", "q; r", "p; q; r", "q; q; r")),
    Row(
        {"kind": "steps", "premises": BARBARA["premises"] + ["Greek(plato)"], "conclusion": "Mortal(plato)"},
        ("Man(plato); Mortal(plato)",),
        ("Man(plato); Mortal(zeus)", "forall x. Man(x); Mortal(plato)"),
    ),
]


def verdict(spec: Spec, answer: str) -> str:
    return judge("logic", json.dumps(spec), f"So \\boxed{{{answer}}}.").verdict


@pytest.mark.parametrize("row", ROWS, ids=[f"{k}-{row.spec['kind']}" for k, row in enumerate(ROWS)])
def test_verdicts(row: Row) -> None:
    wanted = {answer: name for name in Row._fields[1:] for answer in getattr(row, name)}
    assert {answer: verdict(row.spec, answer) for answer in wanted} == wanted


@pytest.mark.parametrize(
    ("completion", "finish_reason", "wanted"),
    [
        ("<think>\\boxed{no}</think> <answer>yes</answer>", "stop", "correct"),
        ("Answer: yes", "stop", "correct"),
        ("\\boxed{yes} \\boxed{no}", "stop", "incorrect"),
        ("\\boxed{no} \\boxed{yes}", "stop", "incorrect"),
        ("\\boxed{yes} \\boxed{true}", "stop", "correct"),
        ("yes, it is entailed", "stop", "unparsable"),
        ("\\boxed{yes}", "length", "undecided"),
    ],
)
def test_the_committed_answer_is_judged(completion: str, finish_reason: str, wanted: str) -> None:
    assert judge("logic", json.dumps(BARBARA), completion, finish_reason).verdict == wanted


def pigeonhole(pigeons: int) -> list[str]:
    holes = range(pigeons - 1)
    somewhere = [" | ".join(f"p{i}_{k}" for k in holes) for i in range(pigeons)]
    return somewhere + [f"!(p{i}_{k} & p{j}_{k})" for k in holes for i in range(pigeons) for j in range(i)]


HOSTILE = ["(" * 100_000 + "r" + ")" * 100_000, "r" * 10_000_000, "not " * 5_000 + "r", "-" * 9_000 + "1 < 2"]
HOSTILE += ["r -> " * 3_000 + "r", "forall x. " * 2_000 + "P(x)", "r;" * 40_000, "9" * 40 + " > x; r", "{" * 50_000]
HOSTILE += ["__import__('os').system('true')", "r; (lambda: 0)()", "\\text{" * 10_000, " " * 90_000 + "?", "r\x00"]


@pytest.mark.parametrize("answer", HOSTILE, ids=[text[:12] for text in HOSTILE])
@pytest.mark.parametrize("spec", [CHAIN, KNIGHTS, BARBARA], ids=["steps", "model", "entailment"])
def test_hostile_answers_are_never_paid(spec: Spec, answer: str) -> None:
    result = judge("logic", json.dumps(spec), f"<answer>{answer}</answer>")
    assert result.verdict in ("undecided", "unparsable")


def test_what_z3_does_not_decide_in_time_is_undecided() -> None:
    spec = {"kind": "satisfiability", "formulas": pigeonhole(12)}
    configure(deadline=1.5)
    try:
        assert verdict(spec, "satisfiable") in ("undecided", "incorrect")
        assert verdict(spec, "unsatisfiable") in ("undecided", "correct")
        assert verdict({"kind": "satisfiability", "formulas": pigeonhole(4)}, "unsatisfiable") == "correct"
    finally:
        configure()


def test_nothing_is_decided_without_time() -> None:
    configure(deadline=0.001)
    try:
        assert verdict(entailment(["p & q"], "q"), "yes") == "undecided"
    finally:
        configure()


def gold_fault(spec: object) -> str | None:
    provenance = Provenance("test", "1")
    problem = make_problem(
        "?", json.dumps(spec), verifier="logic", domain="logic", family="t", strategy="imported", provenance=provenance
    )
    return check_gold(problem)


@pytest.mark.parametrize("row", [row for row in ROWS if row.correct], ids=lambda row: row.spec["kind"])
def test_good_golds_are_accepted(row: Row) -> None:
    assert gold_fault(row.spec) is None


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (entailment(["p", "not p"], "q"), "contradict each other"),
        (CONSEQUENT | {"label": "entailed"}, "label 'entailed' is wrong"),
        (CONSEQUENT | {"label": "perhaps"}, "known words"),
        ({"kind": "satisfiability", "formulas": ["p & !p"], "label": "sat"}, "label 'sat' is wrong"),
        (KNIGHTS | {"constraints": ["A"]}, "not unique"),
        (KNIGHTS | {"constraints": ["A", "not A"]}, "contradict each other"),
        (COLOURS | {"constraints": ["ann = blue"]}, "neither a variable nor a value"),
        (COLOURS | {"constraints": ["ann > 2"]}, "is used as"),
        (COLOURS | {"variables": {"ann": ["red", 2]}}, "a list of integers or of names"),
        (KNIGHTS | {"uniqe": True}, "'uniqe' is unknown"),
        (KNIGHTS | {"constraints": ["forall x. A = x"]}, "without quantifiers"),
        (CHAIN | {"conclusion": "s"}, "unknown"),
        (CHAIN | {"conclusion": "not r"}, "contradicted"),
        (CHAIN | {"premises": ["p", "!p"]}, "contradict each other"),
        (entailment(["p ->"], "q"), "unexpected"),
        (entailment(["p"], "q"), None),
        (entailment(["P(a)", "P(a, b)"], "q"), "arguments"),
        (entailment(["forall x. Px -> Qx"], "q"), "nothing is said of x"),
        (entailment(["∀x P(x) → Q(x)"], "q"), "inside and outside"),
        (entailment(["(" * 200 + "p" + ")" * 200], "q"), "nested deeper"),
        ({"kind": "entailment", "premises": ["p"]}, "'conclusion' is missing"),
        ({"kind": "satisfiability", "formulas": []}, "are needed"),
        ({"kind": "satisfiability", "formulas": ["P(a)"], "require_model": True}, "without quantifiers and predicates"),
        ({"kind": "other"}, "cannot be read"),
        (["p"], "cannot be read"),
    ],
)
def test_golds_check_themselves(spec: object, reason: str | None) -> None:
    fault = gold_fault(spec)
    assert (fault is None) if reason is None else (fault is not None and reason in fault)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("p & q | r", "(p and q) or r"),
        ("p -> q -> r", "p -> (q -> r)"),
        ("p <-> q -> r", "p <-> (q -> r)"),
        ("~p & q", "(¬p) ∧ q"),
        ("not x = 3", "x != 3"),
        ("1 <= x < y", "1 <= x and x < y"),
        ("a - b - c + d*2", "(a + -b + -c) + (d*2)"),
        (r"\forall x (P(x) \to Q(x))", "forall x. P(x) -> Q(x)"),
        ("∀x, y. R(x, y)", "forall x. forall y. R(x, y)"),
        ("x_{1} ≥ 2", "2 <= x_1"),
        ("x₁ = 1", "x_1 == 1"),
        ("p xor q or r", "(p ⊕ q) ∨ r"),
        ("x > 3 -> -x < -3.", "(x > 3) => (-x < -3)"),
    ],
)
def test_notation(text: str, same: str) -> None:
    flat = parse_formula(text)
    assert flat == parse_formula(same) or flat == Node(
        "add", (*parse_formula("(a - b - c)").args, parse_formula("d*2"))
    )


@pytest.mark.parametrize(
    "text", ["", "p q", "p &", "(p", "p)", "P()", "∀ P", "p ^ q", "x / 2", "distinct(x)", "p' .. q"]
)
def test_unreadable_formulas(text: str) -> None:
    with pytest.raises(Unreadable):
        parse_formula(text)


def test_a_deep_tree_without_parentheses_is_too_deep() -> None:
    with pytest.raises(Limit):
        parse_formula("(" * 40 + "a" + " * b + c = d & e | f -> g <-> h)" * 40)


NAMES = "pqrs"
FORMULAS = st.recursive(
    st.sampled_from([*NAMES, "true", "false"]),
    lambda part: st.one_of(
        st.tuples(part, st.sampled_from(["and", "|", "->", "<->", "xor", "="]), part).map(lambda t: f"({' '.join(t)})"),
        part.map(lambda text: f"not {text}"),
    ),
    max_leaves=8,
)
WORLDS = [dict(zip(NAMES, values, strict=True)) for values in product([False, True], repeat=len(NAMES))]
PYTHON = {"xor": "!=", "<->": "==", "=": "==", "|": "or", "true": "True", "false": "False"}


def holds(text: str, world: dict[str, bool]) -> bool:
    """Evaluate one of FORMULAS without our parser: all of them are fully parenthesised."""
    words = [PYTHON.get(w, w) for w in text.replace("(", " ( ").replace(")", " ) ").split()]
    return _python_value(words, world)


def _python_value(words: list[str], world: dict[str, bool]) -> bool:
    word = words.pop(0)
    if word == "not":
        return not _python_value(words, world)
    if word != "(":
        return world.get(word, word == "True")
    left = _python_value(words, world)
    sign = words.pop(0)
    right = _python_value(words, world)
    words.pop(0)
    return {"and": left and right, "or": left or right, "->": not left or right, "==": left == right}.get(
        sign, left != right
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(FORMULAS, max_size=3), FORMULAS)
def test_entailment_agrees_with_the_truth_table(premises: list[str], conclusion: str) -> None:
    worlds = [world for world in WORLDS if all(holds(premise, world) for premise in premises)]
    values = {holds(conclusion, world) for world in worlds}
    truth = {frozenset([True]): "entailed", frozenset([False]): "contradicted", frozenset([False, True]): "unknown"}
    for answer in truth.values():
        wanted = "undecided" if not worlds else "correct" if truth[frozenset(values)] == answer else "incorrect"
        assert verdict(entailment(premises, conclusion), answer) == wanted


@settings(max_examples=150, deadline=None)
@given(FORMULAS, st.sampled_from(WORLDS))
def test_evaluation_agrees_with_python(text: str, world: dict[str, bool]) -> None:
    assert evaluate(parse_formula(text), world) == holds(text, world)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="pq()∀x.,&|!<->=+*123 _'\\{}∧", max_size=60) | st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for spec in (KNIGHTS, BARBARA):
        assert verdict(spec, text) in ("correct", "incorrect", "unparsable", "undecided")
    try:
        parse_formula(text)
    except (Unreadable, Limit):
        return
