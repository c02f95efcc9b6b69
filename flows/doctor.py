"""`gradatim doctor`: whether this machine has what gradatim needs, and what to do where it has not.

The demo decides what is needed; whatever else is missing only closes a way, which the advice names. Nothing is changed
and nothing fetched (doctor_probes.py looks).
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from flows.doctor_probes import Facts, look

GIB: Final = 1 << 30
PYTHON: Final = (3, 11)
TEACHER: Final = "qwen2.5-coder-1.5b-instruct"
TEACHER_MEMORY: Final = 7 * GIB  # in bfloat16, with its key-value cache
FLOAT32_MORE: Final = 4 * GIB
RUNS_DISK: Final = GIB
NAMED: Final = 3


class Finding(NamedTuple):
    """One line: what was looked at, whether it is as it should be, what was found, what to do if it is not, and
    whether the demo needs it."""

    name: str
    ok: bool
    found: str
    advice: str
    needed: bool = False


def examine_here() -> list[Finding]:
    """Examine this machine."""
    return examine(look(TEACHER))


def examine(facts: Facts) -> list[Finding]:
    """Judge what was found."""
    return [*_machine(facts), *_software(facts), *_beyond_the_demo(facts)]


def lacking(findings: Sequence[Finding]) -> list[str]:
    """Return the names of what the demo needs and is missing."""
    return [finding.name for finding in findings if finding.needed and not finding.ok]


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield a line for each finding and, where something is missing, one with what to do about it."""
    for finding in findings:
        state = "ok" if finding.ok else "MISSING" if finding.needed else "optional"
        yield f"{state:<9} {finding.name:<15} {finding.found}"
        if not finding.ok:
            yield f"{'':<25} → {finding.advice}"


def conclusion(findings: Sequence[Finding]) -> str:
    """Say in one line whether the demo can run."""
    missing = lacking(findings)
    return f"`make demo` cannot run without: {', '.join(missing)}" if missing else "all that `make demo` needs is here"


def _machine(facts: Facts) -> list[Finding]:
    version = ".".join(map(str, facts.python))
    memory, model = facts.memory, facts.model
    emulated = facts.bfloat16 is False and not facts.gpus
    wanted = TEACHER_MEMORY + FLOAT32_MORE * emulated
    fetch = f"{model.bytes_to_fetch / 1e9:.1f} GB to fetch and convert {model.name}"
    return [
        Finding("Python", facts.python >= PYTHON, version, "install Python 3.11 or newer", needed=True),
        Finding("cores", facts.cores > 1, str(facts.cores), "the demo takes twice as long as on two"),
        Finding(
            "bfloat16",
            not emulated,
            "the CPU has no arithmetic for it" if emulated else "unknown" if facts.bfloat16 is None else "at hand",
            "models run in float32 here, several times slower than on a CPU with AVX-512 or a GPU: patience, or let a "
            "server solve (engine.kind openai)",
        ),
        Finding(
            "memory",
            memory is None or memory >= wanted,
            "unknown" if memory is None else f"{memory / GIB:.1f} GiB available",
            f"the demo's teacher takes {wanted // GIB} GiB: end other programs, or let a server solve "
            "(engine.kind openai)",
            needed=True,
        ),
        Finding(
            "disk", facts.disk >= RUNS_DISK, f"{facts.disk / GIB:.1f} GiB free", "1 GiB for data/runs", needed=True
        ),
        Finding(
            "model",
            model.path is not None or facts.cache_disk >= model.bytes_to_fetch,
            str(model.path) if model.path else f"not here yet: {fetch}; {facts.cache_disk / GIB:.1f} GiB free",
            f"{fetch}: make room, or point GRADATIM_CACHE to a larger disk",
            needed=True,
        ),
        Finding(
            "GPU",
            not (facts.gpus and facts.engine and "cpu" in facts.engine),
            "; ".join(facts.gpus) or "none, the CPU is used",
            'pip install -e ".[gpu,train]" for the build of vLLM that uses it',
        ),
    ]


def _software(facts: Facts) -> list[Finding]:
    engine_fits = bool(facts.engine and facts.torch) and ("cpu" in (facts.engine or "") or bool(facts.gpus))
    return [
        Finding("packages", not facts.lacking, _some(facts.lacking) or "all that are required", "make setup", True),
        Finding(
            "engine",
            engine_fits,
            f"{facts.engine or 'no vLLM'}, {f'torch {facts.torch}' if facts.torch else 'no torch'}",
            "make setup for vLLM's CPU build; a server can solve without one (engine.kind openai)",
            needed=True,
        ),
        Finding(
            "pins",
            not facts.differing,
            "no requirements/cpu.txt" if facts.differing is None else _some(facts.differing) or "all as pinned",
            "make setup for the versions that were tested",
        ),
    ]


def _beyond_the_demo(facts: Facts) -> list[Finding]:
    temporary = "none set: gradatim build starts a temporary one"
    return [
        Finding(
            "sandbox",
            facts.confined,
            facts.sandbox,
            "programs and proofs are undecided without it: Linux 6.12 or newer with Landlock, also in containers",
        ),
        Finding("Coq", facts.coq is not None, facts.coq or "no coqc", "apt install coq, to verify proofs"),
        Finding(
            "Hub login",
            facts.hub_login,
            "a token is there (not tried)" if facts.hub_login else "no token",
            "hf auth login, to publish or to read gated models",
        ),
        Finding(
            "Prefect server",
            facts.prefect is None or facts.prefect_answers,
            temporary if facts.prefect is None else facts.prefect + ("" if facts.prefect_answers else ": no answer"),
            "prefect server start, or unset PREFECT_API_URL: gradatim build runs there",
            needed=True,
        ),
    ]


def _some(names: Sequence[str]) -> str:
    """Name the first few and count the rest."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
