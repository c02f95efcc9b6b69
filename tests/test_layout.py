"""The layout's rules, checked: who may import whom, how large files are, and that nothing names a machine."""

import ast
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "generators", "filters", "flows", "training")
MAY_IMPORT = {
    "pipeline": {"pipeline"},
    "generators": {"pipeline", "generators"},
    "filters": {"pipeline", "filters"},
    "flows": {"pipeline", "generators", "filters", "flows"},
    "training": {"pipeline", "training"},
}
NOT_IN_PIPELINE = {"prefect", "trl", "ray"}
HEAVY = {"vllm", "trl", "ray", "torch", "transformers", "datasets", "prefect", "sympy", "scipy"}
LONGEST_FILE = 400
PYTHON = [path for package in (*PACKAGES, "tests") for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path, *, top_level: bool = False) -> set[str]:
    """The first names of all modules a file imports; only those at its top level if asked."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level else list(ast.walk(tree))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_in_one_direction(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        crossed = imports(path) & set(PACKAGES) - MAY_IMPORT[package]
        assert not crossed, f"{path} imports {crossed}"


def test_the_pipeline_knows_no_orchestrator_or_trainer() -> None:
    for path in (ROOT / "pipeline").rglob("*.py"):
        assert not imports(path) & NOT_IN_PIPELINE, path


def test_heavy_packages_are_imported_where_they_are_needed() -> None:
    own = {
        "flows/build_dataset.py",
        "flows/star.py",
        "flows/prefect_progress.py",
        "flows/publish.py",
        "pipeline/verifiers/algebra.py",  # loaded by the verifier workers only
    }
    for path in PYTHON:
        if path.parts[len(ROOT.parts)] != "tests" and str(path.relative_to(ROOT)) not in own:
            assert not imports(path, top_level=True) & HEAVY, path


@pytest.mark.parametrize("path", PYTHON, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_open_with_a_docstring_and_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    if text:
        assert ast.get_docstring(ast.parse(text)), "no module docstring"


def test_no_module_is_named_like_the_standard_library_or_a_dependency() -> None:
    required = {re.split(r"[^A-Za-z0-9-]", r)[0].replace("-", "_") for r in distribution("gradatim").requires or ()}
    taken = set(sys.stdlib_module_names) | required | HEAVY
    for package in PACKAGES:
        for path in (ROOT / package).glob("*.py"):
            assert path.stem not in taken, path


def test_nothing_committed_names_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    own = re.compile(r"(?<![\w.])/(?:home|root|work|opt|srv|mnt)/[a-z]")
    for name in listed.splitlines():
        if name.endswith((".py", ".md", ".yaml", ".toml", ".txt", "Makefile")):
            text = (ROOT / name).read_text(encoding="utf-8")
            assert not own.search(text), name


def test_the_command_starts_without_any_heavy_package() -> None:
    done = subprocess.run([sys.executable, "-m", "flows.cli", "--help"], capture_output=True, text=True, check=True)
    assert "build" in done.stdout
    program = "import sys, flows.cli; print(','.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not set(loaded.strip().split(",")) & HEAVY
