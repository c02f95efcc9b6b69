"""Filters: each returns the reason to reject a record, or None. FILTERS names them in run order."""

from typing import Final

# The name that stands in a rejection, and what the filter is for.
FILTERS: Final[dict[str, str]] = {
    "missing figure": "refers to a figure that is not there",
    "missing reference": "refers to another problem, a table or a theorem that is not there",
    "proof only": "asks for a proof or an explanation, not for an answer",
    "several questions": "asks for several things",
    "answer in question": "tells its own answer",
    "asks nothing": "holds no question",
    "exact duplicate": "the same question, blanks, case and mark-up aside",
    "near duplicate": "nearly the same words with the same numbers, by exact Jaccard similarity of word shingles",
    "semantic duplicate": "the same question in other words, by the cosine of sentence embeddings",
    "linked duplicate": "joined to a kept question by a chain of duplicates",
    "contaminated": "shares its text, or its text but for numbers and names, with a benchmark",
    "no agreement": "has no gold, and the panel's answers do not agree on one",
    "several stable answers": "has no gold, and the panel is split between answers: it is ambiguous",
    "no committed answer": "has no gold, and no completion commits to an answer",
    "rounded gold": "has no gold, and the panel agrees on a decimal that is a fraction cut short",
    "not confirmed": "was written to its answer, and the panel does not come to it",
    "disputed gold": "no completion reaches the gold, and the panel agrees on another answer",
    "unsolved": "no model of the panel reaches the gold",
    "incorrect": "the committed answer is wrong",
    "unparsable": "no answer is committed to",
    "undecided": "could not be judged: cut off, or out of time",
    "truncated": "stopped by the token limit, not by the model",
    "hint leak": "was written with the answer told, and mentions that, or begins with the answer",
    "repetitive": "says the same eight words again and again",
    "answer before reasoning": "gives its answer before any reasoning",
    "language mixing": "uses letters of a script that the question does not use",
    "answer leak": "the question states the answer, or the trace leans on an answer it was shown",
    "prompt restated": "copies the whole question word for word",
    "padding": "has too many sentences that say nothing of the problem: offers, greetings, announcements, praise",
    "wrong arithmetic": "holds an equation between numbers that is wrong when worked out again, 3 × 7 = 24",
    "same trace": "says the same words as a chosen trace of its problem",
    "surplus": "more diverse traces of its problem were chosen",
}
