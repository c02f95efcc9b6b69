"""Publishing to a hub on loopback under every fault: main holds one whole version or the one before, and no other host
is asked for anything."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from flows.release_command import publish_run, push_student
from pipeline.config import OpenAIEngine
from pipeline.errors import GradatimError
from pipeline.hub import HubError
from pipeline.release import ReleaseOptions, build_release
from pipeline.release_rows import ReleaseError
from pipeline.removals import RowsWouldGo
from pipeline.run import Run
from tests.fake_hub import FakeHub
from tests.flows.published import (
    REPO,
    TOKEN,
    WAITED,
    fake_hub,
    hub_environment,
    in_a_process,
    no_audit,
    on_disk,
    on_main,
    publish,
    small_run,
)
from tests.flows.solver import FAMILIES

__all__ = ["fake_hub", "no_audit", "small_run"]

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface_hub's use of httpx


def test_the_folder_is_whole_and_says_what_it_holds(run: Run, tmp_path: Path) -> None:
    release = build_release(run, tmp_path / "release", ReleaseOptions(REPO))
    manifest = json.loads((tmp_path / "release/manifest.json").read_text())
    assert set(on_disk(tmp_path / "release")) == set(release.paths)
    for file in manifest["files"]:
        if "rows" in file:
            assert re.fullmatch(rf"{file['config']}/{file['split']}-[0-9a-f]{{16}}\.parquet", file["path"])
            assert file["sha256"].startswith(file["path"][-24:-8])
            assert pq.read_metadata(tmp_path / "release" / file["path"]).num_rows == file["rows"] > 0
    exported = pq.read_table(run.folder / "export/sft/train.parquet")
    (own,) = [f["path"] for f in manifest["files"] if f.get("config") == "sft" and f["split"] == "train"]
    published_rows = pq.read_table(tmp_path / "release" / own)
    assert published_rows.select(exported.column_names).to_pylist() == exported.to_pylist()
    assert {row["generator"] for row in published_rows["provenance"].to_pylist()} == {
        f"template/{family}" for family in FAMILIES
    }
    before = on_disk(tmp_path / "release")
    assert build_release(run, tmp_path / "release", ReleaseOptions(REPO)).manifest == manifest
    assert build_release(run, tmp_path / "again", ReleaseOptions(REPO)).manifest == manifest
    assert on_disk(tmp_path / "release") == on_disk(tmp_path / "again") == before


def test_many_rows_make_many_shards(run: Run, tmp_path: Path) -> None:
    release = build_release(run, tmp_path / "release", ReleaseOptions(REPO, configs=("sft",), shard_rows=10))
    rows = [file["rows"] for file in release.manifest["files"] if file.get("split") == "train"]
    assert len(rows) > 2
    assert set(rows[:-1]) == {10}
    head = yaml.safe_load((tmp_path / "release/README.md").read_text().split("---")[1])
    (train,) = [d["path"] for d in head["configs"][0]["data_files"] if d["split"] == "train"]
    assert train == [file["path"] for file in release.manifest["files"] if file.get("split") == "train"]


def test_nothing_names_this_machine_or_its_servers(run: Run, tmp_path: Path) -> None:
    build_release(run, tmp_path / "release", ReleaseOptions(REPO))
    engine = run.config.teachers[0].engine
    assert isinstance(engine, OpenAIEngine)
    (endpoint,) = engine.endpoints
    for path, data in on_disk(tmp_path / "release").items():
        for word in (endpoint, str(run.folder), str(tmp_path)):
            assert word.encode() not in data, path


def test_a_dry_run_asks_nobody_and_an_unfinished_run_is_refused(run: Run, hub: FakeHub, tmp_path: Path) -> None:
    found = publish(run, tmp_path, dry_run=True)
    assert found.pushed is None
    assert hub.requests == []
    export = run.folder / "export/sft/train.parquet"
    whole = export.read_bytes()
    export.write_bytes(whole[:-1])
    try:
        with pytest.raises(ReleaseError, match="missing or was changed"):
            publish(run, tmp_path, dry_run=True)
    finally:
        export.write_bytes(whole)
    with pytest.raises(ReleaseError, match="--configs sft,steps: allowed are sft, grpo, preferences"):
        publish(run, tmp_path, dry_run=True, configs=["sft", "steps"])


FAULTS: list[tuple[str, dict[str, list[str]], str | None]] = [
    ("none", {}, None),
    ("429 at the commit", {"commit": ["429", "429"]}, None),
    ("412 at the commit", {"commit": ["412"]}, None),
    ("500 before", {"commit": ["500"]}, None),
    ("500 after it happened", {"commit": ["after"]}, None),
    ("no answer to the commit", {"commit": ["drop"]}, None),
    ("a dropped upload", {"upload": ["drop"]}, None),
    ("500 at the upload", {"upload": ["500"]}, None),
    ("the upload's plan", {"batch": ["500"]}, None),
    ("creation", {"create": ["after", "429"]}, None),
    ("reading", {"read": ["500", "drop"]}, None),
    ("the tag", {"tag": ["after"]}, None),
    ("somebody else's file", {"commit": ["race"]}, None),
    ("somebody else's README", {"commit": ["race ours"]}, "somebody else changed README.md"),
    ("no permission", {"commit": ["403"]}, "answered 403: your token may not write there"),
    ("no login", {"create": ["401"]}, "hf auth login"),
    ("a hub that is down", {"commit": ["500"] * 8}, "gave up after 8 attempts"),
]


@pytest.mark.parametrize("case", FAULTS, ids=[row[0] for row in FAULTS])
def test_under_every_fault_main_is_one_whole_version(
    run: Run, hub: FakeHub, tmp_path: Path, case: tuple[str, dict[str, list[str]], str | None], capfd: Any
) -> None:
    _, faults, refusal = case
    hub.faults = {name: list(each) for name, each in faults.items()}
    if refusal is None:
        assert publish(run, tmp_path).pushed is not None
    else:
        with pytest.raises(HubError, match=refusal) as caught:
            publish(run, tmp_path)
        assert "\n" not in str(caught.value)
        assert all(set(tree) <= {".gitattributes", "README.md"} for r in hub.repos.values() for _, tree in r.commits)
    assert not any(hub.faults.values())  # each has struck
    if refusal and "README" in refusal:
        return
    again = publish(run, tmp_path).pushed
    assert again is not None
    assert again.changed is (refusal is not None)
    whole = on_disk(tmp_path / "release")
    assert {path: data for path, data in on_main(hub).items() if path != "LICENSE"} == whole
    assert sum("manifest.json" in tree for _, tree in hub.repos[REPO].commits) == 1
    assert hub.repos[REPO].tags == {"v1": again.commit}
    assert hub.tokens == {f"Bearer {TOKEN}"}
    printed = capfd.readouterr()
    assert TOKEN not in printed.out + printed.err
    assert not any(TOKEN.encode() in data for data in on_disk(tmp_path).values())


WAITS: list[tuple[dict[str, list[str]], list[float]]] = [
    ({"commit": ["500", "500", "429"]}, [1, 2, 4]),
    ({"commit": ["429 Retry-After=7", "429 ratelimit=api;r=0;t=9"]}, [7, 9]),
    ({"create": ["503 Retry-After=7"], "tag": ["429 ratelimit=api;r=0;t=9"]}, [7, 9]),
    ({"commit": ["429 Retry-After=86400", "503 Retry-After=Wed, 21 Oct 2026 07:28:00 GMT"]}, [300, 2]),
]


@pytest.mark.parametrize(("faults", "waited"), WAITS, ids=str)
def test_the_hub_says_how_long_to_wait(
    run: Run, hub: FakeHub, tmp_path: Path, faults: dict[str, list[str]], waited: list[float]
) -> None:
    hub.faults = {name: list(each) for name, each in faults.items()}
    publish(run, tmp_path)
    assert waited == WAITED
    assert not any(hub.faults.values())


def other_export(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, drop: int) -> Run:
    """Return the run as if some of its traces had never been: fewer rows to publish, everything else the same."""
    from pipeline import release_rows

    read = release_rows._read

    def fewer(path: Path) -> Any:
        rows = list(read(path))
        return iter(rows[drop:] if path.parent.name == "sft" and path.name == "train.parquet" else rows)

    monkeypatch.setattr(release_rows, "_read", fewer)
    return run


def test_a_new_version_is_added_and_rows_never_go_in_silence(
    run: Run, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        other_export(run, tmp_path, patched, 5)
        publish(run, tmp_path)
    first = on_main(hub)
    hub.repos[REPO].add({**hub.repos[REPO].main, "LICENSE": b"mine"})
    pushed = publish_run(run.folder, REPO, output=tmp_path / "more", wait=WAITED.append).pushed
    assert pushed is not None
    assert pushed.version == "v2"
    second = on_main(hub)
    assert second.pop("LICENSE") == b"mine"
    assert second == on_disk(tmp_path / "more")
    assert len(set(first) - set(second)) == 1  # the shard that was replaced
    before = len(hub.repos[REPO].commits)
    refused: list[tuple[dict[str, Any], str]] = [({}, "5 of sft"), ({"configs": ["sft"]}, "of grpo")]
    for options, message in refused:
        with monkeypatch.context() as patched:
            other_export(run, tmp_path, patched, 5)
            with pytest.raises(RowsWouldGo, match=f"would be dropped: .*{message}.*--allow-removal"):
                publish(run, tmp_path / str(options), **options)
    assert len(hub.repos[REPO].commits) == before
    with monkeypatch.context() as patched:
        other_export(run, tmp_path, patched, 5)
        allowed = publish(run, tmp_path / "{}", allow_removal=True).pushed
    assert allowed is not None
    assert allowed.version == "v3"
    assert {path: data for path, data in on_main(hub).items() if path != "LICENSE"} == first


def test_foreign_and_public_repositories_are_refused(run: Run, hub: FakeHub, tmp_path: Path) -> None:
    publish(run, tmp_path)
    with pytest.raises(HubError, match="exists and is public"):
        publish(run, tmp_path, private=True)
    hub.repos[REPO].add({"data.csv": b"1,2"})
    with pytest.raises(HubError, match=r"did not publish \(data.csv\)"):
        publish(run, tmp_path)
    with pytest.raises(GradatimError, match="expected name or organisation/name"):
        publish_run(run.folder, "a b", output=tmp_path / "release")


def test_a_private_repository_is_made_private(run: Run, hub: FakeHub, tmp_path: Path) -> None:
    publish(run, tmp_path, private=True)
    assert hub.repos[REPO].private


COMMAND = """
import sys
from flows.cli import main
sys.argv[0] = "gradatim"
main()
"""
LOAD = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
repo = sys.argv[1]
print(json.dumps({name: {split: rows.to_list() for split, rows in load_dataset(repo, name).items()}
    for name in get_dataset_config_names(repo)}))
"""


def assert_others_find_it_equal(run: Run, hub: FakeHub, home: Path) -> None:
    """Have `load_dataset` and `gradatim reverify`, in processes of their own, read what main holds now."""
    places: dict[str, Any] = {"hub": hub, "home": home, "hosts": home / "hosts"}
    loaded = in_a_process(LOAD, REPO, **{**places, "hosts": home / "loading"})
    assert loaded.returncode == 0, loaded.stderr
    tables = json.loads(loaded.stdout)
    assert set(tables) == {"sft", "grpo", "preferences"}
    for name, splits in tables.items():
        for split, rows in splits.items():
            exported = pq.read_table(run.folder / "export" / name / f"{split}.parquet").to_pylist()
            assert [{key: row[key] for key in exported[0]} for row in rows] == exported
    checked = in_a_process(COMMAND, "reverify", REPO, **places)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "no difference" in checked.stdout
    assert not (home / "hosts").exists(), (home / "hosts").read_text()
    # datasets looks for a viewer under a name of its own making; there is no such host.
    viewer = f"datasets-server.{hub.url.split('/')[2].split(':')[0]}"
    assert set((home / "loading").read_text().split()) <= {viewer}
    assert TOKEN not in "".join(one.stdout + one.stderr for one in (loaded, checked))


@pytest.mark.slow
@pytest.mark.parametrize("moment", [("upload", "kill"), ("commit", "kill"), ("commit", "kill after")], ids=str)
def test_a_killed_client_leaves_main_whole_and_the_same_command_goes_on(
    run: Run, hub: FakeHub, tmp_path: Path, moment: tuple[str, str]
) -> None:
    build_release(run, tmp_path / "release", ReleaseOptions(REPO))
    program = (
        "import sys\nfrom pathlib import Path\nfrom pipeline.hub import push\n"
        "folder = Path(sys.argv[1])\n"
        "files = {str(p.relative_to(folder)): p for p in sorted(folder.rglob('*')) if p.is_file()}\n"
        f"print(push({REPO!r}, 'dataset', files).version)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "release")]
    environment = hub_environment(hub, tmp_path / "home")
    hub.faults = {moment[0]: [moment[1]]}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        hub.kill = lambda: os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
    assert not hub.faults[moment[0]]
    whole = on_disk(tmp_path / "release")
    assert on_main(hub) == (whole if moment[1] == "kill after" else {})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "v1", done.stderr
    assert on_main(hub) == whole
    assert sum("manifest.json" in tree for _, tree in hub.repos[REPO].commits) == 1
    assert_others_find_it_equal(run, hub, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("faults", [{}, {"commit": ["after"]}], ids=str)
def test_the_command_publishes_and_load_dataset_and_reverify_find_it_equal(
    run: Run, hub: FakeHub, tmp_path: Path, faults: dict[str, list[str]]
) -> None:
    hub.faults = {name: list(each) for name, each in faults.items()}
    options = ("--repo", REPO, "--output", str(tmp_path / "release"))
    done = in_a_process(COMMAND, "publish", str(run.folder), *options, hub=hub, home=tmp_path, hosts=tmp_path / "hosts")
    assert done.returncode == 0, done.stderr
    assert f"published: {REPO} v1" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert not any(hub.faults.values())
    assert_others_find_it_equal(run, hub, tmp_path)


@pytest.mark.slow
def test_the_flow_is_the_same_on_a_prefect_server(run: Run, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom flows.publish import publish\n"
        f"print(publish(sys.argv[1], {REPO!r}, dry_run=True, configs=['grpo']))"
    )
    before = on_disk(run.folder)
    (tmp_path / "run").symlink_to(run.folder)
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect")}
    command = [sys.executable, "-c", program, str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "grpo/train-" in done.stdout
    assert done.stdout.rstrip().endswith("nothing was sent")
    shutil.rmtree(run.folder / "release")
    assert on_disk(run.folder) == before


def student(folder: Path) -> Path:
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    save_file({"weight": torch.ones(2)}, str(folder / "model.safetensors"))
    record = {
        "base": {"name": "smollm2-135m-instruct", "revision": "x"},
        "config": {"output": "/data/students/one"},
        "fingerprint": "f",
    }
    (folder / "gradatim.json").write_text(json.dumps(record))
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("---\ntags: [sft]\n---\n\n# A student\n\noutput: /data/students/one\n")
    (folder / "evaluation").mkdir()
    (folder / "evaluation/results.md").write_text("# Results\n\npass@1 12 %\n")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/optimizer.pt").write_text("x")
    return folder


def test_a_student_goes_with_its_card(hub: FakeHub, tmp_path: Path) -> None:
    folder = student(tmp_path / "student")
    before = on_disk(folder)
    hub.faults = {"commit": ["after"]}
    files, pushed = push_student(folder, "someone/one", wait=WAITED.append)
    assert pushed is not None
    main = hub.repos["someone/one"].main
    assert {name for name, _ in files} == set(main) - {".gitattributes"}
    assert set(main) >= {"model.safetensors", "config.json", "gradatim.json", "manifest.json", "README.md"}
    assert not any("optimizer" in path for path in main)
    text = main["README.md"].decode()
    head = yaml.safe_load(text.split("---")[1])
    assert head == {
        "tags": ["sft"],
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "license": "apache-2.0",
    }
    assert "pass@1 12 %" in text
    assert "/data/" not in text + main["gradatim.json"].decode()
    assert on_disk(folder) == before
    again = push_student(folder, "someone/one", wait=WAITED.append)[1]
    assert again == pushed._replace(changed=False)


def test_no_student_no_release(tmp_path: Path) -> None:
    with pytest.raises(GradatimError, match=r"no finished student \(no gradatim.json there\)"):
        push_student(tmp_path, "someone/one", dry_run=True)
