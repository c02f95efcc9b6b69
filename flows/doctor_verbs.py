"""The verb for the machine itself: what is here, what is missing, what to do. cli.py puts it on the command."""

from collections.abc import Callable
from typing import Any, Final

import typer


def doctor() -> None:
    """Say whether this machine has what gradatim needs, and what to do where not; exit 1 if the demo cannot run."""
    from flows.doctor import conclusion, examine_here, lacking, lines

    findings = examine_here()
    print(*lines(findings), conclusion(findings), sep="\n")
    if lacking(findings):
        raise typer.Exit(1)


DOCTOR_VERBS: Final[dict[str, Callable[..., Any]]] = {"doctor": doctor}
