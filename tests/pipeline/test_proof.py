"""Proofs in Coq: what is refused on sight, what Coq decides, and texts that try to be paid without proving anything."""

import contextlib
import json
import shutil
from typing import Any

import pytest

from pipeline.records import Provenance, make_problem
from pipeline.sandbox import Limits, SandboxUnavailable, run_python
from pipeline.verifiers import coq, judge
from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.golds import check_gold
from pipeline.verifiers.judging import Judgement, clear_cache
from pipeline.verifiers.proof import last_proof, proof_fault, read_theorem, source_fault
from pipeline.verifiers.vernacular import Refused, read_script, sentences
from tests.isolation import needs_isolation

needs_coq = pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc is not installed")

ZERO = {"name": "t", "statement": "forall n : nat, n + 0 = n"}
FALSE = {"name": "t", "statement": "False"}
DOUBLE = {
    "prelude": "Require Import ZArith Lia. Require Import List.\nImport ListNotations.\nOpen Scope Z_scope.\n"
    "Fixpoint double (n : nat) : nat := match n with O => O | S k => S (S (double k)) end.\n"
    "Inductive colour := Red | Blue.\nLtac crush := intros; lia.\n",
    "name": "double_is_twice",
    "statement": "forall n : nat, double n = (n + n)%nat",
}
MIDDLE = {"prelude": "Require Import Classical.", "name": "t", "statement": "forall P : Prop, P \\/ ~ P"}
CLASSIC = {**MIDDLE, "allowed_axioms": ["Coq.Logic.Classical_Prop.classic"]}
OWN = {"prelude": "Parameter f : nat -> nat. Axiom f0 : f 0 = 1.", "name": "t", "statement": "f 0 = 1"}
THEOREM = "Theorem t : forall n : nat, n + 0 = n."
Gold = dict[str, Any]


def judged(gold: Gold, proof: str, finish_reason: str = "stop") -> Judgement:
    return judge("proof", json.dumps(gold), f"<think>x</think>So:\n```coq\n{proof}\n```\nDone.", finish_reason)


@pytest.fixture
def no_coq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    clear_cache()


RIGHT: list[tuple[Gold, str]] = [
    (ZERO, "induction n; simpl; auto."),
    (ZERO, "Proof. intros n. induction n as [|n IH]. - reflexivity. - simpl. rewrite IH. reflexivity. Qed."),
    (ZERO, f"Require Import Arith Lia.\n{THEOREM}\nProof. lia. Qed."),
    (ZERO, f"From Coq Require Import Lia.\n{THEOREM.replace(' ', '  ')} intros. {'{'} lia. {'}'} Defined."),
    (ZERO, "Lemma h : forall m, m + 0 = m. Proof. induction m; simpl; congruence. Qed. Proof. exact h. Qed."),
    (ZERO, '(* a (* nested *) one, "Qed. *)" *) intros. (* Admitted. *) assert (H: True) by exact I.\n  auto.'),
    (ZERO, "Proof with auto. intros. induction n... Qed."),
    (ZERO, "induction n. all: simpl. par: congruence."),
    (DOUBLE, "induction n; simpl; lia."),
    (DOUBLE, "assert (Z : forall z, z + 0 = z) by crush. induction n. { trivial. } { simpl. rewrite IHn. crush. }"),
    (DOUBLE, f"{DOUBLE['prelude']}\nLemma {DOUBLE['name']} : {DOUBLE['statement']}. induction n; simpl; lia. Qed."),
    (DOUBLE, f"Open Scope Z_scope. Theorem other : {DOUBLE['statement']}. Proof. induction n; simpl; lia. Qed."),
    (CLASSIC, "apply classic."),
    ({**OWN, "allowed_axioms": ["Problem.f", "Problem.f0"]}, "exact f0."),
    ({"name": "t", "statement": "- 1 + 1 = 0", "prelude": "Require Import ZArith. Open Scope Z_scope."}, "trivial."),
]


@needs_coq
@needs_isolation
@pytest.mark.parametrize(
    ("gold", "proof"), [RIGHT[0], *(pytest.param(*row, marks=pytest.mark.slow) for row in RIGHT[1:])]
)
def test_right_proofs(gold: Gold, proof: str) -> None:
    result = judged(gold, proof)
    assert result.verdict == "correct", result.reason


WRONG: list[tuple[Gold, str]] = [
    (ZERO, "reflexivity."),
    (ZERO, "intros n."),
    (ZERO, "intros n. destruct n. reflexivity."),
    (ZERO, "exact nonsense."),
    (ZERO, "Lemma h : 1 = 2. Proof. Qed. Proof. intros. lia. Qed."),
    (FALSE, "auto."),
    (FALSE, "fix f 0."),
    (FALSE, "fix f 1. exact f."),
    (FALSE, "exact_no_check I."),
    (FALSE, "vm_cast_no_check I."),
    (FALSE, "change_no_check True. exact I."),
    (FALSE, 'fail "Closed under the global context".'),
    (FALSE, 'idtac "Coq!"; idtac "Closed under the global context".'),
    (FALSE, "Lemma plus : True. Proof. exact I. Qed. Proof. auto. Qed."),
    (FALSE, "Require Import Reals. Qed."),
    (ZERO, "Lemma nat : True. Proof. exact I. Qed. Proof. induction n; simpl; auto. Qed."),
    (MIDDLE, "apply classic."),
    (OWN, "exact f0."),
    ({**OWN, "allowed_axioms": ["f", "Problem.f"]}, "exact f0."),
]


@needs_coq
@needs_isolation
@pytest.mark.parametrize(
    ("gold", "proof"), [WRONG[0], *(pytest.param(*row, marks=pytest.mark.slow) for row in WRONG[1:])]
)
def test_wrong_proofs(gold: Gold, proof: str) -> None:
    result = judged(gold, proof)
    assert result.verdict == "incorrect", result.reason


REFUSED = [
    "Admitted.",
    "Proof. Admitted.",
    "admit.",
    "auto; admit. Qed.",
    "all: give_up.",
    "Abort. Theorem t : True. auto. Qed.",
    "Axiom a : False. exact a.",
    "exact a. Qed. Axiom a : False.",
    "Parameter a : False. Proof. exact a. Qed.",
    "Hypothesis a : False. destruct a.",
    "Variable a : False. destruct a.",
    "Conjecture a : False. destruct a.",
    "Local Axiom a : False. destruct a.",
    "#[local] Axiom a : False. destruct a.",
    "Definition False := True. Proof. exact I. Qed.",
    "Inductive False := Yes. exact Yes.",
    "Fixpoint f (n : nat) : False := f n. exact (f 0).",
    "#[bypass_check(guard)] Fixpoint f (n : nat) : False := f n. exact (f 0).",
    '#[bypass_check="guard"] Lemma h : False. Proof. fix f 0. Qed. exact h.',
    "Notation \"'False'\" := True. exact I.",
    'Infix "+" := mult. auto.',
    "Ltac auto := admit. auto.",
    "Set Printing All. auto.",
    "Unset Guard Checking. fix f 0. exact f.",
    "Unset Universe Checking. auto.",
    "- Unset Universe Checking. auto.",
    "{ Unset Guard Checking. auto.",
    "1: Unset Guard Checking. auto.",
    "auto.1:Unset Guard Checking.",
    "auto .(* *)Unset Guard Checking.",
    'auto. (* "*)" *) Axiom a : False.',
    'auto. (* " *) Axiom a : False. (* " *) exact a. *) Axiom b : False.',
    'idtac "(*". Axiom a : False. idtac "*)".',
    'idtac """". Axiom a : False. idtac """".',
    "auto. (* open",
    'idtac "open.',
    "α1.5:Axiom a : False.",
    "²Axiom a : False.",
    "auto.\u00a0Axiom a : False.",
    'Declare ML Module "unix". auto.',
    'Load "/etc/passwd".',
    'Extraction "Proofs.vo" plus.',
    'Redirect "Proofs" Print nat.',
    'Cd "/".',
    "Drop.",
    "Quit.",
    "Reset Initial. Theorem t : True. exact I. Qed.",
    "Fail Qed. Theorem t : True. exact I. Qed.",
    "Module Problem. End Problem. exact I.",
    "Module Type M. Axiom a : False. End M.",
    "Section S. Context (a : False). auto.",
    "Require Import Classical. auto.",
    "From Evil Require Import Lia. auto.",
    "Import Problem. auto.",
    "Canonical Structure s := nat. auto.",
    "Coercion c := S. auto.",
    "Program Lemma t : False. auto. Qed.",
    "Theorem t : True. Proof. exact I. Qed.",
    "Theorem t : False -> False. auto. Qed.",
    "Theorem t : False. Proof. auto. Qed. Theorem t : False. auto. Qed.",
    "Theorem t : False. Proof. auto.",
    "Lemma h : True. Proof. exact I. Qed.",
    "Proof I.",
    "Proof. auto. Qed exporting.",
    "Proof. auto. Save t.",
    "Print Assumptions t.",
    "Time auto.",
    "auto",
    "(* nothing *)",
]


@pytest.mark.parametrize("proof", REFUSED)
def test_refused_on_sight(proof: str, no_coq: None) -> None:
    result = judged(FALSE, proof)
    assert (result.verdict, result.reason[:8]) == ("incorrect", "refused:"), result.reason


RAW = [  # whole files, as if nothing had been refused: the second line must hold alone
    ("Axiom t : False.", "assumption: Proofs.t"),
    ("Theorem t : False. Admitted.", "assumption: Proofs.t"),
    ("Axiom a : False. Theorem t : Problem.gradatim_statement. exact a. Qed.", "assumption: Proofs.a"),
    ("Theorem t : True. exact I. Qed.", "not the statement"),
    ("Definition False := True. Theorem t : False. exact I. Qed.", "not the statement"),
    ("Notation \"'False'\" := True. Theorem t : False. exact I. Qed.", "not the statement"),
    (
        "Module Problem. Definition gradatim_statement := True. End Problem. Theorem t : Problem.gradatim_statement. "
        "exact I. Qed.",
        "Coq: Proofs.v",
    ),
    ("Coercion c (b : bool) : Prop := True. Theorem t : c true. exact I. Qed.", "not the statement"),
    ("Unset Guard Checking. Fixpoint t (n : nat) : False := t n. Definition u := t.", "not the statement"),
    ("Unset Guard Checking. Fixpoint f (n : nat) : False := f n. Definition t := f 0.", "assumption: Proofs."),
    ("#[bypass_check(guard)] Fixpoint f (n : nat) : False := f n. Definition t := f 0.", "assumption: Proofs."),
    (
        "#[bypass_check(positivity)] Inductive D := d : (D -> False) -> D. "
        "Definition n x := match x with d f => f x end. Definition t : False := n (d n).",
        "assumption: Proofs.",
    ),
    (
        "Require Import Hurkens. Unset Universe Checking. Theorem t : False. "
        "Proof. exact (TypeNeqSmallType.paradox Type eq_refl). Qed.",
        "assumption: Proofs.t relies on an unsafe hierarchy",
    ),
    ("Set Printing All. Parameter closed : False. Theorem t : False. exact closed. Qed.", "assumption: Proofs.closed"),
    ("Module Type M. Axiom a : False. End M. Declare Module N : M. Definition t := N.a.", "assumption: Proofs.N.a"),
    ("Definition u := I.", "not the statement"),
    ('Definition t := I. Redirect "Proofs.vo" Print nat.', "not the statement"),
    ('Require Extraction. Extraction "Proofs.vo" plus. Check nonsense.', "Coq: Proofs.v"),
    ('Definition t := I. Declare ML Module "nonsense".', "Coq: Proofs.v"),
    ("Quit.", "Coq: Proofs.v"),
]


@needs_coq
@needs_isolation
@pytest.mark.slow
@pytest.mark.parametrize(("source", "reason"), RAW)
def test_the_second_line_holds_alone(source: str, reason: str) -> None:
    try:
        fault = source_fault(read_theorem(json.dumps(FALSE)), f"Require Problem. {source}", 20)
    except Undecided as error:
        fault = str(error)
    assert fault is not None
    assert reason in fault


@needs_coq
@needs_isolation
@pytest.mark.slow
@pytest.mark.parametrize(
    "proof",
    [
        "do 1000000000 idtac.",
        "let rec f x := f x in f 0.",
        "let rec f x := f (x, x) in f 0.",
        "Require Import Factorial. assert (fact 12 = 0). vm_compute. auto.",
    ],
)
def test_limits_are_undecided(proof: str) -> None:
    with pytest.raises(Undecided):
        proof_fault(read_theorem(json.dumps(FALSE)), proof, 1.5)


def test_without_coq_nothing_is_decided(no_coq: None) -> None:
    result = judged(ZERO, "intros. auto.")
    assert result.verdict == "undecided"
    assert result.reason == "coqc is not installed (apt install coq / opam install coq)"


@pytest.mark.skipif(shutil.which("true") is None, reason="no program to stand for coqc")
def test_without_isolation_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise SandboxUnavailable("no kernel isolation")

    monkeypatch.setattr(shutil, "which", lambda _: "/bin/true")
    monkeypatch.setattr(coq, "run_python", refuse)
    clear_cache()
    result = judged(ZERO, "intros. auto. auto.")
    assert (result.verdict, result.reason) == ("undecided", "no sandbox: no kernel isolation")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("No proof.", "unparsable"),
        ("```python\nauto.\n```", "unparsable"),
        ("<think>```coq\nauto.\n```</think>", "unparsable"),
        ("<think>```coq\nauto.\n```", "undecided"),
        ("```coq\nauto.\n```\n```coq\nAdmitted.\n```", "incorrect"),
        ("Proof. auto. Qed. Proof. Admitted. Qed.", "incorrect"),
        (f"```coq\n{'auto. ' * 40_000}\n```", "undecided"),
    ],
)
def test_what_is_judged(text: str, verdict: str) -> None:
    assert judge("proof", json.dumps(ZERO), text).verdict == verdict


def test_a_cut_off_proof_is_undecided() -> None:
    assert judged(ZERO, "Admitted.", "length").verdict == "undecided"


def test_a_proof_without_a_fence() -> None:
    assert last_proof("Proof. a. Qed. We see\nProof.\nauto.\nQed. Done.") == "Proof.\nauto.\nQed."
    assert last_proof("Qed. Proof.") is None


SENTENCES = [
    ("a. b.", ["a.", " b."]),
    ("a.b c. d.", ["a.b c.", " d."]),
    ("x.(f) y.", ["x.(f) y."]),
    ("a.(*c*)b.", ["a.", " b."]),
    ("- a. -- { b. }", ["-", " a.", " -", "-", " {", " b.", " }"]),
    ('a "b. ""c. " d.', ['a "b. ""c. " d.']),
    ('a (* (* b. *) "*)" c. *) d.', ["a   d."]),
    ("exists 1.5. b.", ["exists 1.5.", " b."]),
    ("a... b.", ["a.", ".", ".", " b."]),
]


@pytest.mark.parametrize(("text", "wanted"), SENTENCES)
def test_sentences(text: str, wanted: list[str]) -> None:
    assert [sentence.text for sentence in sentences(text)] == wanted


@pytest.mark.parametrize("text", ["(*", '"', '(* " *)', '"(*"', ".", "{", ". (* *)", "(", "1."])
def test_reading_is_linear(text: str) -> None:
    with contextlib.suppress(Refused):  # a quadratic reader would take minutes
        read_script(text * (200_000 // len(text)), "", "t", "False")


GOLDS: list[tuple[object, str | None]] = [
    (ZERO, None),
    ({**ZERO, "statement": "forall n, n = 0."}, "not one term"),
    ({**ZERO, "statement": "True. Axiom a : False"}, "not one term"),
    ({**ZERO, "statement": ""}, "not one term"),
    ({**ZERO, "statement": "True (*"}, "a comment has no end"),
    ({**ZERO, "statement": 3}, "cannot be read"),
    ({**ZERO, "name": "t u"}, "no name"),
    ({**ZERO, "axioms": []}, "cannot be read"),
    ({"name": "t"}, "cannot be read"),
    ([], "cannot be read"),
]
RUN_GOLDS: list[tuple[object, str | None]] = [
    ({**ZERO, "proof": "induction n; simpl; auto."}, None),
    ({**ZERO, "proof": "reflexivity."}, "the proof of the gold: Coq:"),
    ({**ZERO, "proof": "Admitted."}, "the proof of the gold: refused:"),
    ({**ZERO, "statement": "forall n, nonsense n"}, "Coq does not accept the problem"),
    ({**ZERO, "prelude": "Definition a := nonsense."}, "Coq does not accept the problem"),
]


def gold_fault(gold: object) -> str | None:
    origin: dict[str, Any] = {"domain": "logic", "family": "coq", "strategy": "written"}
    return check_gold(
        make_problem("Prove it.", json.dumps(gold), verifier="proof", provenance=Provenance("g", "1"), **origin)
    )


@pytest.mark.parametrize(("gold", "fault"), GOLDS)
def test_golds_without_coq(gold: object, fault: str | None, no_coq: None) -> None:
    found = gold_fault(gold)
    assert found is None if fault is None else fault in str(found)


@needs_coq
@needs_isolation
@pytest.mark.slow
@pytest.mark.parametrize(("gold", "fault"), RUN_GOLDS)
def test_golds_that_coq_checks(gold: object, fault: str | None) -> None:
    found = gold_fault(gold)
    assert found is None if fault is None else fault in str(found)


@needs_isolation
def test_readable_paths_are_readable_and_no_others(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("readable")
    for name in ("open", "shut"):
        (folder / name).write_text(name)
        (folder / name).chmod(0o644)
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    limits = Limits(readable=(str(folder / "open"),))
    assert run_python(f"print(open({str(folder / 'open')!r}).read())", limits=limits).output == b"open\n"
    assert run_python(f"print(open({str(folder / 'shut')!r}).read())", limits=limits).output == b""
