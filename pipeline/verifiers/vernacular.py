"""The text of a Coq proof: what of a model's text may reach Coq, sentence by sentence.

An allow-list. Inside a proof only tactics stand; before it only imports of known libraries, and lemmas under new names,
each with its proof. Everything else is refused: axioms, definitions, notations, options, commands, attributes.
The reader sees at least as many ends of sentences as Coq does, and hands on a text without comments, so that nothing
can hide between two ways of reading. It is the first of two lines: pipeline/verifiers/proof.py holds without it.
"""

import re
from typing import Final, NamedTuple

LEMMAS: Final = frozenset({"Theorem", "Lemma", "Fact", "Remark", "Corollary", "Proposition", "Example"})
LIBRARIES: Final = re.compile(
    "Arith|Ascii|BinInt|BinNat|BinPos|Bool|Compare_dec|EqNat|Factorial|Field|Lia|List|Lra|Morphisms|NArith|PArith|"
    "PeanoNat|Peano_dec|Permutation|Psatz|QArith|Reals|Ring|Setoid|Sorted|String|Utf8|Wf_nat|ZArith|Znumtheory|"
    "ssrbool|ssreflect|ssrfun|ssrnat"
)
MODULES: Final = frozenset({"ListNotations", "N", "Nat", "Z"})
SCOPES: Final = frozenset(
    f"{name}_scope" for name in ("N", "Q", "R", "Z", "bool", "list", "nat", "positive", "string", "type")
)
UNPROVED: Final = frozenset({"Abort", "Admitted", "admit", "give_up"})
_BEFORE_A_TACTIC: Final = frozenset("{}()[]-+*:,>|!?.") | {"all", "only", "par"}
_FOCUS: Final = frozenset("{}-+*")


class Refused(Exception):
    """The text holds something that no proof may hold; the message names it."""


class Sentence(NamedTuple):
    """A sentence as it was written, comments aside, and its tokens; the period is the last of them."""

    text: str
    tokens: tuple[str, ...]

    @property
    def head(self) -> str:
        """The first word, or the first sign that does not stand before a tactic; empty if there is neither."""
        return next((t for t in self.tokens if t not in _BEFORE_A_TACTIC and t[0] not in "0123456789"), "")


class Script(NamedTuple):
    """What is taken from a model's text: imports and lemmas, the opening (`Proof.`), and the tactics."""

    before: str
    opening: str
    tactics: str


# A number with a fraction is one token only where Coq cannot read its digits as the end of a (Unicode) name.
_TOKEN: Final = re.compile(
    r"""(?P<blank>\s+)|(?P<comment>\(\*)|(?P<string>"[^"]*")|(?P<word>[A-Za-z_][\w']*)"""
    r"""|(?P<number>(?<![^\x00-\x7f])\d+\.\d+|\d+)|(?P<sign>.)""",
    re.DOTALL | re.ASCII,
)
_COMMENT: Final = re.compile(r'\(\*|\*\)|"[^"]*"')
_GOES_ON: Final = re.compile(r"[A-Za-z_]|\((?!\*)")  # after a period: a qualified name, or a projection `.(`


def sentences(text: str) -> list[Sentence]:
    """Split a text into sentences; bullets and braces are sentences of their own. Linear time. Raises Refused."""
    found: list[Sentence] = []
    pieces: list[str] = []
    tokens: list[str] = []
    position = 0
    while token := _TOKEN.match(text, position):
        position, kind, value = token.end(), token.lastgroup, token.group()
        if kind == "comment":
            position, value = _end_of_comment(text, position), " "
        pieces.append(value)
        if kind in ("blank", "comment"):
            continue
        if value == '"':
            raise Refused("a string has no end")
        tokens.append(value)
        ends = value == "." and not _GOES_ON.match(text, position)
        if ends or (len(tokens) == 1 and value in _FOCUS):
            found.append(Sentence("".join(pieces), tuple(tokens)))
            pieces, tokens = [], []
    if tokens:
        raise Refused("the last sentence has no end")
    return found


def _end_of_comment(text: str, start: int) -> int:
    depth = 1
    for mark in _COMMENT.finditer(text, start):
        depth += {"(*": 1, "*)": -1}.get(mark.group(), 0)
        if not depth:
            return mark.end()
    raise Refused("a comment has no end")


def read_script(text: str, prelude: str, name: str, statement: str) -> Script:
    """Read a proof of `name : statement`: a bare script, or the theorem with its proof and what stands before it.

    What the problem's prelude says already may be said again, token by token, and is left out. Raises Refused.
    """
    given, known = sentences(text), sentences(prelude)
    (theorem,) = sentences(f"Theorem {name} : {statement} .")
    repeated = {sentence.tokens for sentence in known}
    if [sentence.tokens for sentence in given[: len(known)]] == [sentence.tokens for sentence in known]:
        given = given[len(known) :]
    before: list[str] = []
    position = 0
    while position < len(given):
        sentence = given[position]
        stated = sentence.tokens[0] in LEMMAS
        if stated or sentence.head == "Proof" or _is_tactic(sentence):
            opening, tactics, position = _read_proof(given, position + stated, whole=stated)
            if not stated or sentence.tokens[1] == name or sentence.tokens[2:] == theorem.tokens[2:]:
                if stated and sentence.tokens[2:] != theorem.tokens[2:]:
                    raise Refused("another statement under the theorem's name")
                if position < len(given):
                    raise Refused("something follows the proof")
                return Script("".join(before), opening, tactics)
            if sentence.tokens not in repeated:  # `Fail`: the name must be new
                before.append(f"\nFail Check {sentence.tokens[1]}.\n{sentence.text}\n{opening}{tactics}\nQed.\n")
            continue
        if sentence.tokens not in repeated:
            if not _is_import(sentence):
                raise Refused(f"{sentence.head[:40]!r} is no tactic and no lemma")
            before.append(sentence.text)
        position += 1
    raise Refused("the theorem is not proved")


def _read_proof(given: list[Sentence], position: int, *, whole: bool) -> tuple[str, str, int]:
    """Return the opening, the tactics, and the position after the proof; only a bare script may lack its end."""
    opening = "Proof."
    if position < len(given) and given[position].tokens[0] == "Proof":
        if given[position].tokens[1] not in (".", "with", "using"):
            raise Refused("a term after 'Proof'")
        opening, whole = given[position].text.strip(), True
        position += 1
    tactics: list[str] = []
    for number in range(position, len(given)):
        sentence = given[number]
        if sentence.tokens in (("Qed", "."), ("Defined", ".")):
            return opening, "".join(tactics), number + 1
        for word in UNPROVED.intersection(sentence.tokens):
            raise Refused(f"{word!r} proves nothing")
        if not _is_tactic(sentence):
            raise Refused(f"{sentence.head[:40]!r} is no tactic")
        parallel = sentence.tokens[:2] == ("par", ":")  # it would start processes; one after the other is the same
        tactics.append(sentence.text.replace("par", "all", 1) if parallel else sentence.text)
    if whole:
        raise Refused("the proof has no end")
    return opening, "".join(tactics), len(given)


def _is_tactic(sentence: Sentence) -> bool:
    """Every command of Coq begins with a capital letter or an attribute; tactics do not."""
    head = sentence.head
    return not head or head == "Unshelve" or head[0] == "_" or (head[0].isascii() and head[0].islower())


def _is_import(sentence: Sentence) -> bool:
    """Tell whether a sentence only makes known libraries, modules or scopes readable."""
    words = " ".join(sentence.text.split()).removesuffix(".").split(" ")
    if words[:2] in (["From", "Coq"], ["From", "Stdlib"]):
        words = words[2:]
    if words[:2] in (["Require", "Import"], ["Require", "Export"]):
        return all(LIBRARIES.fullmatch(word.rpartition(".")[2]) for word in words[2:])
    if words[:1] == ["Import"]:
        return MODULES.issuperset(words[1:])
    return words[:2] == ["Open", "Scope"] and SCOPES.issuperset(words[2:])
