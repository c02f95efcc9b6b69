"""The keys that there are, at the end of a verb's --help; they are listed only when they are asked for."""

from collections.abc import Callable
from typing import Any, Final

from typer.core import TyperCommand


def epilogue(text: Callable[[], str]) -> type[TyperCommand]:
    """Return a kind of command whose --help ends with a text, as it is; the text is made only then."""

    class Command(TyperCommand):
        def format_epilog(self, ctx: Any, formatter: Any) -> None:
            super().format_epilog(ctx, formatter)
            formatter.write(f"\n{text()}\n")

    return Command


def star_keys() -> str:
    """List the keys of a STaR configuration."""
    from pipeline.config_help import help_text
    from pipeline.star_settings import StarConfig

    return f"{help_text(StarConfig)}\nkeys of sft: python training/distill.py --help"


def experiment_keys() -> str:
    """List the keys of an experiment's configuration."""
    from flows.experiment_settings import Experiment
    from pipeline.config_help import help_text

    more = "keys of sft, grpo.settings, dpo, evaluation: --help of distill.py, grpo.py, preferences.py in training/"
    return f"{help_text(Experiment)}\n{more}; of star: gradatim star --help"


def preflight_keys() -> str:
    """Say where the keys of every kind of training are listed."""
    return "keys: python training/distill.py --help, grpo.py, preferences.py; gradatim star --help"


EPILOGUES: Final[dict[str, type[TyperCommand]]] = {
    "star": epilogue(star_keys),
    "experiment": epilogue(experiment_keys),
    "preflight": epilogue(preflight_keys),
}
