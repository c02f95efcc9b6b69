"""The runs of a STaR round as ordinary configurations: generate (the problems as they are), rationalise (what was not
solved, with the answer as a hint) and closed_book (what was solved with the hint, without it again).

Pure functions of the settings; nothing is asked here.
"""

from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from pipeline.config import Config, VllmEngine
from pipeline.config_files import ConfigError
from pipeline.models import resolve
from pipeline.star_settings import StarConfig

GENERATE: Final = "generate"
RATIONALISE: Final = "rationalise"
CLOSED_BOOK: Final = "closed_book"


def answering_model(settings: StarConfig, number: int) -> tuple[str, str]:
    """Return the name and revision of the model that answers in a round: the base, then the student of the round
    before. Raises ModelError if it is not there."""
    before = str(settings.student_of(number - 1))
    local = settings.student if number == 1 else before
    revision = resolve(local, revision=settings.revision if number == 1 else None).revision
    served = None if isinstance(settings.engine, VllmEngine) else settings.served_as
    return (served.replace("{round}", str(number)) if served else local), revision


def run_config(settings: StarConfig, number: int, name: str) -> Config:
    """Return the configuration of one of a round's runs."""
    model, revision = answering_model(settings, number)
    own: dict[str, dict[str, Any]] = {
        GENERATE: {"completions": settings.completions},
        RATIONALISE: {"completions": settings.hinted_completions, "hint": True},
        CLOSED_BOOK: {"completions": settings.closed_book, "first_index": settings.completions},
    }
    teacher = {
        "model": model,
        "revision": revision,
        "engine": settings.engine,
        "prompt": settings.select.prompt,
        "sampling": settings.sampling,
        **own[name],
    }
    screen = settings.screen
    if name != GENERATE:  # the problems were screened before
        screen = screen.model_copy(update={"near_duplicates": None, "semantic_duplicates": None, "against": ()})
    content = {
        "run": name,
        "seed": settings.seed,
        "runs_folder": settings.folder(number),
        "generate": settings.generate if name == GENERATE else _problems_of(settings.folder(number), name),
        "screen": screen,
        "teachers": [teacher],
        "verify": settings.verify,
        "select": settings.select,
        "export": {"splits": {"validation": 0.0, "test": 0.0}},
    }
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        raise ConfigError(f"{'.'.join(map(str, mistake['loc']))}: {mistake['msg']}") from None


def _problems_of(folder: Path, name: str) -> dict[str, Any]:
    """Return the source of a run that takes its problems from the one before it."""
    unsolved = {"path": folder / GENERATE, "stage": "unsolved", "hintable": True}
    rationalised = {"path": folder / RATIONALISE, "stage": "assess"}
    return {"sources": [{"strategy": "run", **(unsolved if name == RATIONALISE else rationalised)}]}
