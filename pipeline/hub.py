"""Files onto the Hugging Face Hub in one commit against a known parent, or not at all.

After every error that leaves open what happened, the head of `main` is read again: if it holds our files, that is the
end; if not, the commit is tried anew on what is there now, unless somebody else has changed a file of ours meanwhile.
The token comes from where huggingface_hub looks for it; it is never read, printed or stored here.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeVar

from pipeline.errors import GradatimError
from pipeline.progress import say
from pipeline.store import file_digest

Kind = Literal["dataset", "model"]
Wait = Callable[[float], None]
T = TypeVar("T")

ATTEMPTS: Final = 8
LONGEST_WAIT: Final = 300.0
MANIFEST: Final = "manifest.json"
CONFLICTS: Final = frozenset({409, 412})
AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
FROM_THE_HUB: Final = frozenset({".gitattributes", "README.md"})  # a repository may begin with these
BAD_CARD: Final = "Invalid metadata in README.md"
_VERSION: Final = re.compile(r"v(\d{1,9})")
_RESET: Final = re.compile(r"\bt=(\d{1,6})\b")  # the Hub's header: "ratelimit: api;r=0;t=55"
_IN_WORDS: Final = re.compile(r"HTTP status \w+ error \((\d{3})\b")  # hf_xet has no other place for a status


class HubError(GradatimError):
    """The Hub refuses, or is out of reach, in one line; `main` is as it was."""


class Head(NamedTuple):
    """The head of `main`: its commit, every file with its hash (SHA-256 if it is a large file, else git's), and the
    manifest that an earlier release left there."""

    commit: str
    files: dict[str, str]
    manifest: dict[str, Any] | None


class Pushed(NamedTuple):
    """Where the files are now. `changed` is False where `main` held it before; `version` is the tag of its commit."""

    repo: str
    commit: str
    version: str
    changed: bool


Before = Callable[[Head], None]


class _Target(NamedTuple):
    """A repository, and how it is spoken to."""

    api: Any
    repo: str
    kind: Kind
    wait: Wait


def push(
    repo: str,
    kind: Kind,
    files: Mapping[str, Path],
    *,
    private: bool | None = None,
    before: Before | None = None,
    wait: Wait = time.sleep,
) -> Pushed:
    """Make `main` hold these files (path there to file here), a manifest among them, and tag the commit v1, v2, …

    What an earlier manifest lists and this one does not is deleted in the same commit; other files stay. `before` is
    called with the head that will be replaced and may refuse. Raises HubError.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import disable_progress_bars

    api = HfApi()
    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        made = _patiently(lambda: api.create_repo(repo, repo_type=kind, private=private, exist_ok=True), repo, wait)
    except HFValidationError as error:
        raise HubError(f"{repo}: {str(error).splitlines()[0]}") from None
    target = _Target(api, str(made.repo_id), kind, wait)
    ours = {path: _hashes(file) for path, file in files.items()}
    first = None
    for attempt in range(ATTEMPTS):
        head = _patiently(lambda: _read_head(target, private), target.repo, wait)
        stale = _stale(head, ours)
        if not stale and all(head.files.get(path) in hashes for path, hashes in ours.items()):
            return Pushed(target.repo, head.commit, _tagged(target, head.commit), attempt > 0)
        if first is None:
            first = head
            _refuse_foreign(target.repo, head)
            if before is not None:
                before(head)
        _refuse_conflict(target.repo, first, head, {*ours, *stale})
        commit = _commit(target, files, head, stale, attempt)
        if commit is not None:
            return Pushed(target.repo, commit, _tagged(target, commit), True)
    raise HubError(f"{target.repo}: gave up after {ATTEMPTS} attempts; main is whole, the same command goes on")


def _commit(target: _Target, files: Mapping[str, Path], head: Head, stale: Sequence[str], attempt: int) -> str | None:
    """Upload and commit once. Returns the commit; None if that failed, or may have, and can be tried again."""
    import httpx
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete
    from huggingface_hub.errors import HfHubHTTPError

    adds = [CommitOperationAdd(path, str(file)) for path, file in files.items()]
    deletions = [CommitOperationDelete(path) for path in stale]
    message = f"gradatim: {len(files)} files" + (f", {len(stale)} removed" if stale else "")
    try:
        target.api.preupload_lfs_files(target.repo, adds, repo_type=target.kind, free_memory=False)
        done = target.api.create_commit(
            target.repo,
            [*adds, *deletions],
            commit_message=message,
            repo_type=target.kind,
            parent_commit=head.commit,
        )
    except (HfHubHTTPError, httpx.TransportError, OSError, RuntimeError) as error:
        cause = _cause(error)
        if final := _final(target.repo, cause):
            raise final from None
        _rest(target.repo, _said(cause), _pause(cause, attempt), target.wait)
        return None
    except ValueError as error:  # the card's head, or an answer that is none, perhaps after it happened
        if str(error).startswith(BAD_CARD):
            raise HubError(f"{target.repo}: {' '.join(str(error).split())[:300]}") from None
        _rest(target.repo, "the Hub's answer cannot be read", _pause(error, attempt), target.wait)
        return None
    return str(done.oid)


def _cause(error: Exception) -> BaseException:
    """huggingface_hub wraps what failed an upload in a RuntimeError; one with another cause is a defect, and raised."""
    import httpx

    if not isinstance(error, RuntimeError) or error.__cause__ is None:
        return error
    if isinstance(error.__cause__, httpx.HTTPError | OSError):
        return error.__cause__
    raise error


def _read_head(target: _Target, private: bool | None) -> Head:
    """Read the head of main. Raises HubError where the repository is public and must not be."""
    api, repo, kind, _ = target
    info = api.repo_info(repo, repo_type=kind)
    if private and info.private is False:
        raise HubError(f"{repo}: exists and is public; make it private on the Hub, or choose another name")
    tree = api.list_repo_tree(repo, recursive=True, revision=info.sha, repo_type=kind)
    files = {file.path: file.lfs.sha256 if file.lfs else file.blob_id for file in tree if hasattr(file, "blob_id")}
    if MANIFEST not in files:
        return Head(info.sha, files, None)
    path = api.hf_hub_download(repo, MANIFEST, repo_type=kind, revision=info.sha)
    try:
        manifest = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError:
        manifest = None
    return Head(info.sha, files, manifest if isinstance(manifest, dict) and "gradatim" in manifest else None)


def _hashes(path: Path) -> tuple[str, str]:
    """Return the two hashes by which the Hub may list a file: SHA-256 for a large file, git's for others."""
    from huggingface_hub.utils.sha import git_hash

    return file_digest(path), git_hash(path.read_bytes()) if path.stat().st_size < 32 << 20 else ""


def listed(manifest: dict[str, Any] | None) -> list[str]:
    """Return the paths that a manifest lists, itself included; none of what is no manifest."""
    files = manifest.get("files") if manifest else None
    paths = [file.get("path") for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    return [*(path for path in paths if isinstance(path, str)), MANIFEST] if manifest else []


def _stale(head: Head, ours: dict[str, tuple[str, str]]) -> list[str]:
    return [path for path in listed(head.manifest) if path not in ours and path in head.files]


def _refuse_foreign(repo: str, head: Head) -> None:
    foreign = sorted(set(head.files) - FROM_THE_HUB)
    if head.manifest is None and foreign:
        shown = ", ".join(foreign[:3])
        raise HubError(f"{repo}: holds files that gradatim did not publish ({shown}); choose another repository")


def _refuse_conflict(repo: str, first: Head, now: Head, ours: set[str]) -> None:
    """Go on over somebody else's commit only if it left alone what we write."""
    changed = {path for path in {*first.files, *now.files} if first.files.get(path) != now.files.get(path)}
    if changed & ours:
        shown = ", ".join(sorted(changed & ours)[:3])
        raise HubError(f"{repo}: somebody else changed {shown} meanwhile; look at it, then run the same command again")


def _tagged(target: _Target, commit: str) -> str:
    """Return the version of a commit, tagging it with the next free one if it has none."""
    from huggingface_hub.errors import HfHubHTTPError

    api, repo, kind, wait = target
    for _ in range(ATTEMPTS):
        refs = _patiently(lambda: api.list_repo_refs(repo, repo_type=kind), repo, wait)
        numbers = {int(found[1]): tag for tag in refs.tags if (found := _VERSION.fullmatch(tag.name))}
        own = [number for number, tag in numbers.items() if tag.target_commit == commit]
        if own:
            return f"v{max(own)}"
        name = f"v{max(numbers, default=0) + 1}"
        try:
            _patiently(partial(api.create_tag, repo, tag=name, revision=commit, repo_type=kind), repo, wait)
        except HfHubHTTPError:  # a tag of that name has come meanwhile, perhaps ours
            continue
        return name
    raise HubError(f"{repo}: the release is on main as {commit[:12]}, but could not be tagged")


def _patiently(ask: Callable[[], T], repo: str, wait: Wait) -> T:
    """Ask until there is an answer. Conflicts are the caller's; anything else that stays wrong is a HubError."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    for attempt in range(ATTEMPTS):
        try:
            return ask()
        except OfflineModeIsEnabled:
            raise HubError(f"{repo}: HF_HUB_OFFLINE is set, so the Hub may not be asked") from None
        except (HfHubHTTPError, httpx.TransportError, OSError) as error:
            if _status(error) in CONFLICTS:
                raise
            if final := _final(repo, error):
                raise final from None
            if attempt == ATTEMPTS - 1:
                raise HubError(f"{repo}: {_said(error)}, {ATTEMPTS} times; the same command goes on") from None
            _rest(repo, _said(error), _pause(error, attempt), wait)
    raise AssertionError


def _status(error: BaseException) -> int | None:
    """Return the status of the answer that an error tells of, None if it tells of none."""
    said = _IN_WORDS.search(str(error))
    return getattr(getattr(error, "response", None), "status_code", int(said[1]) if said else None)


def _said(error: BaseException) -> str:
    """Say what went wrong without the address: an upload's may hold a signature."""
    status = _status(error)
    return f"the Hub answered {status}" if status else f"the Hub did not answer ({type(error).__name__})"


def _final(repo: str, error: Any) -> HubError | None:
    """Return what an error comes to that no second attempt mends, None for one that may pass.

    hf_xet, for large files, raises built-in errors without an errno; one that has an errno is of this machine.
    """
    from huggingface_hub.errors import LocalEntryNotFoundError

    status = _status(error)
    if status is not None:
        return None if status in AGAIN | CONFLICTS else _refused(repo, status, getattr(error, "server_message", ""))
    if isinstance(error, PermissionError) and error.errno is None:
        return HubError(f"{repo}: the Hub's storage refuses your token; hf auth login, or set HF_TOKEN, and try again")
    if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError | LocalEntryNotFoundError):
        return HubError(f"{repo}: {error.strerror or type(error).__name__} ({error.filename or 'while uploading'})")
    return None


def _refused(repo: str, status: int, message: str | None) -> HubError:
    what = {
        401: "you are not logged in: hf auth login, or set HF_TOKEN",
        403: "your token may not write there",
        404: "there is no such repository, or your token may not see it",
    }.get(status, " ".join((message or "").split())[:200] or "it gave no reason")
    return HubError(f"{repo}: the Hub answered {status}: {what}")


def _pause(error: BaseException, attempt: int) -> float:
    """Return how long the Hub asks to be left alone, else one second, twice as long each time."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    asked = headers.get("retry-after", "")
    reset = _RESET.search(headers.get("ratelimit", ""))
    told = asked if asked.isdigit() else reset[1] if reset else str(2**attempt)
    return min(float(told), LONGEST_WAIT)


def _rest(repo: str, what: str, seconds: float, wait: Wait) -> None:
    say(f"{repo}: {what}; again in {seconds:.0f} s")
    wait(seconds)
