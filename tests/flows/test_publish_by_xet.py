"""What Xet, the usual way of large files, raises when it fails: an upload is tried again or ends in one line, never
half published; a download ends in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hf_xet import XetAuthenticationError, XetObjectNotFoundError
from huggingface_hub import HfApi

from flows.release_command import publish_run
from pipeline import model_hub, removals
from pipeline.hub import HubError
from pipeline.published import NotPublished, open_published
from pipeline.removals import RowsWouldGo
from pipeline.run import Run
from tests.fake_hub import FakeHub
from tests.flows.published import REPO, WAITED, fake_hub, no_audit, on_disk, on_main, publish, small_run
from training import foreign_rows

__all__ = ["fake_hub", "no_audit", "small_run"]
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface_hub's use of httpx

SIGNED = "error sending request for url (https://cas.test/x?X-Signature=abc)"
UPLOADS: list[tuple[BaseException, str | None]] = [
    (ConnectionError(f"Network error: {SIGNED}"), None),
    (ConnectionError("Server error: HTTP status server error (503 Service Unavailable), domain: https://x.test"), None),
    (ConnectionError("Rate limited: HTTP status client error (429 Too Many Requests), domain: https://x.test"), None),
    (TimeoutError("operation timed out"), None),
    (ConnectionResetError(104, "Connection reset by peer"), None),
    (XetAuthenticationError("token refresh failed"), "the Hub's storage refuses your token; hf auth login"),
    (
        ConnectionError("HTTP status client error (401 Unauthorized), domain: https://x.test"),
        "answered 401: .*auth login",
    ),
    (OSError(28, "No space left on device", "/cache"), r"No space left on device \(/cache\)"),
    (XetObjectNotFoundError("gone"), "XetObjectNotFoundError"),
]


@pytest.mark.parametrize("case", UPLOADS, ids=lambda c: f"{type(c[0]).__name__} {c[0]}"[:40])
def test_what_an_upload_by_xet_raises_is_retried_or_one_line(
    run: Run, hub: FakeHub, tmp_path: Path, case: tuple[BaseException, str | None], capfd: Any
) -> None:
    error, refusal = case
    upload, fails = HfApi.preupload_lfs_files, [error, error]

    def failing(api: HfApi, *arguments: Any, **options: Any) -> None:
        if fails:
            raise fails.pop()
        upload(api, *arguments, **options)

    with patch.object(HfApi, "preupload_lfs_files", failing):
        if refusal is None:
            assert publish(run, tmp_path).pushed is not None
            assert (WAITED, fails) == ([1, 2], [])
        else:
            with pytest.raises(HubError, match=f"^{REPO}: .*{refusal}") as caught:
                publish(run, tmp_path)
            assert "\n" not in str(caught.value)
            assert len(fails) == 1
    assert on_main(hub) == ({} if refusal else on_disk(tmp_path / "release"))
    assert "Signature" not in "".join(capfd.readouterr())


@pytest.mark.parametrize("case", [("425", None), ("403", "answered 403: your token may not write there")])
def test_hf_xet_itself_fails_in_one_of_these_ways(
    run: Run, hub: FakeHub, tmp_path: Path, case: tuple[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real hf_xet asks this hub for a token and gets none; once it has failed, the upload goes the older way."""
    fault, refusal = case
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", False)
    hub.faults = {"token": [fault]}  # hf_xet itself tries others again, for minutes

    def wait(_seconds: float) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)

    if refusal is None:
        assert publish_run(run.folder, REPO, output=tmp_path / "release", wait=wait).pushed is not None
        assert on_main(hub) == on_disk(tmp_path / "release")
    else:
        with pytest.raises(HubError, match=refusal):
            publish(run, tmp_path)
        assert on_main(hub) == {}
    assert any("xet-write-token" in asked for asked in hub.requests)


DOWNLOADS: list[tuple[Callable[[], object], type[Exception]]] = [
    (lambda: open_published("someone/none"), NotPublished),
    (lambda: removals._download(REPO, "sft/train-0.parquet", "main"), RowsWouldGo),
    (lambda: model_hub._download("someone/one", "main", progress=True), model_hub.HubUnavailableError),
    (lambda: foreign_rows.hub_folder(Path("someone/none")), foreign_rows.ExportError),
]


@pytest.mark.parametrize(("download", "refusal"), DOWNLOADS, ids=[row[1].__name__ for row in DOWNLOADS])
def test_a_dropped_download_by_xet_is_one_line(
    download: Callable[[], object], refusal: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dropped(*_: Any, **__: Any) -> None:
        raise ConnectionError("Network error: error sending request")

    monkeypatch.setattr("huggingface_hub.snapshot_download", dropped)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", dropped)
    with pytest.raises(refusal) as caught:
        download()
    assert "\n" not in str(caught.value)
