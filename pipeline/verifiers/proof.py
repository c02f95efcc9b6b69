"""Proofs in Coq: the problem fixes the statement, the model supplies the proof, Coq decides, in the sandbox.

Three files, compiled one by one: `Problem` holds the problem's definitions and its statement, elaborated before any
text of a model is read; `Proofs` proves that statement with the model's tactics, of which only those pass that
vernacular.py allows; `Final`, all our own, says that the one proves the other and prints what it rests on. Only
"Closed under the global context", or axioms that the problem allows, is a proof: admitted goals, axioms, a collapsed
universe hierarchy and skipped guard checks are printed there, however they came about. Without `coqc` all that is not
refused on sight is undecided. A hole in Coq's kernel is not protected against.
"""

import json
import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pipeline.verifiers.coq import CannotRun, Compiled, Rejected, compile_file, messages
from pipeline.verifiers.equality import Undecided
from pipeline.verifiers.program import last_program
from pipeline.verifiers.vernacular import Refused, Script, read_script, sentences

MAX_GOLD: Final = 200_000
MAX_PROOF: Final = 200_000
GOLD_SECONDS: Final = 30.0
CLOSED: Final = "Closed under the global context"
STATEMENT: Final = "Problem.gradatim_statement"
LABELS: Final = frozenset({"coq", "rocq"})


class Theorem(NamedTuple):
    """The gold of a problem: definitions, the theorem, a proof of it if there is one, and the axioms it may use.

    `allowed_axioms` are full names (Coq.Logic.Classical_Prop.classic); those of the prelude are Problem.name.
    """

    name: str
    statement: str
    prelude: str = ""
    proof: str | None = None
    allowed_axioms: tuple[str, ...] = ()


def read_theorem(gold: str) -> Theorem:
    """Read a gold: a JSON object with the fields of Theorem. Raises Undecided where no proof could be judged by it."""
    if len(gold) > MAX_GOLD:
        raise Undecided("the theorem is too long")
    try:
        data: dict[str, Any] = json.loads(gold)
        theorem = Theorem(**{**data, "allowed_axioms": tuple(data.get("allowed_axioms", ()))})
        texts = (theorem.name, theorem.statement, theorem.prelude, theorem.proof or "", *theorem.allowed_axioms)
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a field is no text")
        sentences(theorem.prelude)
        stated = sentences(f"Theorem {theorem.name} : {theorem.statement} .")
    except (ValueError, TypeError, AttributeError, RecursionError, Refused) as error:
        raise Undecided(f"the theorem cannot be read: {error}") from error
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", theorem.name):
        raise Undecided("the theorem has no name")
    if len(stated) != 1 or len(stated[0].tokens) < 5:
        raise Undecided("the statement is not one term without a period")
    return theorem


def check_theorem(gold: str) -> None:
    """Raise Undecided unless a gold can be read and, where Coq runs, its statement holds water and its proof holds."""
    theorem = read_theorem(gold)
    try:
        if theorem.proof is None:
            _compile_problem(theorem.prelude, theorem.statement, GOLD_SECONDS)
            return
        fault = proof_fault(theorem, theorem.proof, GOLD_SECONDS)
    except CannotRun:
        return
    if fault is not None:
        raise Undecided(f"the proof of the gold: {fault}")


def last_proof(text: str) -> str | None:
    """Return the last fenced block labelled as Coq; without one, the text from the last `Proof.` to its `Qed.`."""
    block = last_program(text, LABELS)
    if block is not None:
        return block
    end = text.rfind("Qed.")
    start = text.rfind("Proof.", 0, max(end, 0))
    return text[start : end + len("Qed.")] if start >= 0 else None


def proof_fault(theorem: Theorem, proof: str, seconds: float) -> str | None:
    """Return why a text does not prove a theorem, or None. The seconds are for all three files together.

    Raises Undecided at a limit of time or memory, and where Coq cannot be run.
    """
    if len(proof) > MAX_PROOF:
        raise Undecided("the proof is too long")
    try:
        script = read_script(proof, theorem.prelude, theorem.name, theorem.statement)
    except Refused as error:
        return f"refused: {error}"
    return source_fault(theorem, _proofs(theorem, script), seconds)


def source_fault(theorem: Theorem, source: str, seconds: float) -> str | None:
    """Return why a whole file of Coq, whatever it holds, does not prove a theorem, or None. Raises Undecided."""
    problem = _compile_problem(theorem.prelude, theorem.statement, seconds)
    left = seconds - problem.seconds  # also where it was compiled before: a proof's time depends on nothing else
    try:
        proofs = compile_file("Proofs", source, {"Problem": problem.content}, left)
    except Rejected as error:
        return f"Coq: {error}"
    compiled = {"Problem": problem.content, "Proofs": proofs.content}
    said = messages("Final", _final(theorem.name), compiled, left - proofs.seconds)
    if said.startswith('File "./Final.v", line 2,'):
        return "what is proved is not the statement"
    return _assumptions_fault(said, theorem.allowed_axioms)


_IMPORT: Final = re.compile(r"^(\s*(?:From\s+[\w.]+\s+)?(?:Require\s+)?)Import\b")


@lru_cache(maxsize=64)
def _compile_problem(prelude: str, statement: str, seconds: float) -> Compiled:
    try:
        return compile_file("Problem", _problem(prelude, statement), {}, seconds)
    except Rejected as error:
        raise Undecided(f"Coq does not accept the problem: {error}") from error


def _problem(prelude: str, statement: str) -> str:
    """Write the problem's file; what it imports, a file that imports it has too."""
    exported = "".join(_IMPORT.sub(r"\1Export", sentence.text) for sentence in sentences(prelude))
    return f"{exported}\nDefinition gradatim_statement : Prop :=\n({statement}\n).\n"


def _proofs(theorem: Theorem, script: Script) -> str:
    """Write the file of the model's proof: the goal is the statement as it was elaborated before."""
    return (
        f"Require Import Problem.\n{script.before}\nTheorem {theorem.name} : {STATEMENT}.\n"
        f"{script.opening}\ncbv delta [{STATEMENT}].\n{script.tactics}\nQed.\n"
    )


def _final(name: str) -> str:
    return (
        f"Require Problem Proofs.\nDefinition gradatim_final : {STATEMENT} := Proofs.{name}.\n"
        "Print Assumptions gradatim_final.\n"
    )


def _assumptions_fault(said: str, allowed: tuple[str, ...]) -> str | None:
    """Return which assumption of a proof is not allowed; lines that begin with a blank go on with an axiom's type."""
    first, *lines = said.strip().split("\n")
    if first == CLOSED and not lines:
        return None
    if first != "Axioms:" or not lines:
        raise Undecided(f"the proof could not be checked: {said[:400]}")
    for line in lines:
        name, colon, _ = line.partition(" :")
        known = any(axiom == name or axiom.endswith(f".{name}") for axiom in allowed)
        if not (line.startswith(" ") or (known and (colon or line == name))):
            return f"it rests on an assumption: {line[:200]}"
    return None
