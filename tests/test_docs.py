"""The documentation holds: commands parse, links lead somewhere, examples work, the reference of keys is current."""

import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, Field
from typer.core import TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

from flows.cli import app
from pipeline.config import Config, load_config
from pipeline.config_files import parse_model
from pipeline.verifiers import judging
from tests.generators import test_templates
from training.grpo_settings import GrpoConfig
from training.preference_settings import PreferenceConfig
from training.settings import StudentConfig

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/tutorial.md", "docs/how-to.md", "docs/reference.md", "docs/presets.md", "data/README.md")
SETTINGS: dict[str, type[BaseModel]] = {
    "training/distill.py": StudentConfig,
    "training/grpo.py": GrpoConfig,
    "training/preferences.py": PreferenceConfig,
}
ELSEWHERE = {"export", "hf", "pip", "prefect", "pytest", "."}  # what belongs to others, and the shell's own


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a page in one language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def commands(page: str) -> Iterator[list[str]]:
    """Yield the commands of a page's bash blocks, in words."""
    for block in blocks(page, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removesuffix("&"), comments=True)
            if words:
                yield words


TYPED = [(page, words) for page in PAGES for words in commands(page)]


@pytest.mark.parametrize(("page", "words"), TYPED, ids=[f"{page}: {' '.join(words)}" for page, words in TYPED])
def test_a_command_is_one_that_there_is(page: str, words: list[str]) -> None:
    program, *arguments = words
    if program == "gradatim":
        parse_verb(arguments)
    elif program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif Path(program).name == "python":
        parse_script(arguments)
    else:
        assert program in ELSEWHERE, words


def parse_verb(arguments: list[str]) -> None:
    """Let the command parse a line as it would, without running it; a configuration is read, with its changes."""
    command = get_command(app)
    while isinstance(command, TyperGroup) and arguments:
        name, *arguments = arguments
        assert name in command.commands, name
        command = command.commands[name]
    if isinstance(command, TyperGroup):
        return
    given = command.make_context(command.name, arguments).params
    config = given.get("config")
    if config is not None and Path(config).is_relative_to("configs"):
        load_config(ROOT / config, given.get("overrides") or ())


def parse_script(arguments: list[str]) -> None:
    """A script is there, and the configuration it is given holds with its changes."""
    script, *rest = arguments
    assert (ROOT / script).is_file(), script
    if script in SETTINGS:
        changes = rest[rest.index("--set") + 1 :] if "--set" in rest else []
        parse_model(SETTINGS[script], ROOT / rest[rest.index("--config") + 1], changes)
    elif "--config" in rest:
        assert (ROOT / rest[rest.index("--config") + 1]).is_file()


def test_a_command_that_is_not_there_is_found_out() -> None:
    for words in (["gradatim", "shwo", "demo"], ["gradatim", "show", "demo", "--stages", "traces"], ["make", "dmeo"]):
        with pytest.raises((AssertionError, TyperException)):
            test_a_command_is_one_that_there_is("", words)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        path = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_configurations_that_are_shown_are_allowed(page: str) -> None:
    whole = yaml.safe_load((ROOT / "configs/demo.yaml").read_text(encoding="utf-8"))
    for block in blocks(page, "yaml"):
        Config.model_validate(whole | yaml.safe_load(block))


def test_the_reference_of_keys_is_current() -> None:
    page = runpy.run_path(str(ROOT / "docs/write_reference.py"))["page"]
    assert page() == (ROOT / "docs/reference.md").read_text(encoding="utf-8"), "run: python docs/write_reference.py"


def test_a_key_that_nothing_describes_is_refused() -> None:
    class Undescribed(BaseModel):
        """A section."""

        told: int = Field(1, description="what it is")
        untold: int = 1

    module = runpy.run_path(str(ROOT / "docs/write_reference.py"))
    with pytest.raises(ValueError, match=r"Undescribed\.untold has no description"):
        module["page"]([module["Kind"]("A section", Undescribed)])


def run_example(name: str, folder: Path, more: str = "") -> dict[str, Any]:
    """Run a Python example of the how-to, found by the beginning of its docstring, as a module; returns its names."""
    (source,) = [block for block in blocks("docs/how-to.md", "python") if block.startswith(f'"""{name}')]
    path = folder / f"{name.lower()}.py"
    path.write_text(source + more)
    return runpy.run_path(str(path))


def test_the_verifier_that_is_shown_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = [block for block in blocks("docs/how-to.md", "python") if block.startswith('"colour":')]
    table = f"\nfrom pipeline.verifiers.judging import _by_answer\nTABLE = {{{line}}}\n"
    judge = run_example("Colours", tmp_path, table)["TABLE"]["colour"]
    monkeypatch.setitem(judging.JUDGES, "colour", judge)
    for answer, verdict in {"#FFFFFF": "correct", "#ffe": "incorrect", "white": "unparsable"}.items():
        assert judging.judge("colour", "#fff", f"It is \\boxed{{{answer}}}.").verdict == verdict


def test_the_family_that_is_shown_passes_its_suite(tmp_path: Path) -> None:
    family = run_example("Handshakes", tmp_path)["FAMILY"]
    checks = [check for name, check in vars(test_templates).items() if name.startswith("test_")]
    assert len(checks) >= 8
    for check in checks:
        check(family)
