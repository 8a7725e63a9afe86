"""Inputs and outputs of every type and mode: what a job is given, and what becomes of what it leaves."""

from __future__ import annotations

import os
import uuid
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from emulator.data import bindings, transfer
from emulator.data.bindings import DataFailed
from emulator.machinelearning import datastores
from tests.emulator.rooms import Rooms, fetch, short, tree

# Inputs


@pytest.mark.parametrize("mode", [None, "ReadOnlyMount", "Download", "ReadWriteMount"])
def test_a_folder_and_a_file_in_every_mode_that_gives_a_path(
    rooms: Rooms, below: str, tmp_path: Path, mode: str | None
) -> None:
    place = fetch(rooms, tmp_path / "1", short(f"{below}/"), mode=mode)
    assert place == tmp_path / "1" / "INPUT_x"
    assert tree(place) == {"a.csv", "sub/b.csv"}
    file = fetch(rooms, tmp_path / "2", short(f"{below}/a.csv"), "uri_file", mode)
    assert file == tmp_path / "2" / "INPUT_x" / "a.csv"
    assert file.read_bytes() == b"a,b\n1,2\n"


@pytest.mark.parametrize("kind", ["mltable", "mlflow_model", "triton_model", "custom_model", "UriFolder"])
def test_folders_of_every_type(rooms: Rooms, below: str, tmp_path: Path, kind: str) -> None:
    assert tree(fetch(rooms, tmp_path, short(below), kind)) == {"a.csv", "sub/b.csv"}


def test_a_custom_model_may_be_a_file(rooms: Rooms, below: str, tmp_path: Path) -> None:
    assert fetch(rooms, tmp_path, short(f"{below}/a.csv"), "custom_model").read_bytes() == b"a,b\n1,2\n"


def test_every_way_to_name_a_place(rooms: Rooms, below: str, tmp_path: Path) -> None:
    workspace = rooms.workspace
    long = datastores.long_form(workspace, "workspaceblobstore", f"{below}/a.csv")
    registered = rooms.asset("data", below, {"dataType": "uri_file", "dataUri": short(f"{below}/a.csv")})
    model = rooms.asset("models", below, {"modelType": "custom_model", "modelUri": short(f"{below}/a.csv")})
    signed = rooms.cloud.blobs.sas(rooms.blobs.account_name, rooms.blobs.container_name, f"{below}/a.csv")
    names = [long, registered, f"{workspace}/data/{below}/versions/1", f"{rooms.url}/{below}/a.csv", signed]
    for number, uri in enumerate(names):
        assert fetch(rooms, tmp_path / str(number), uri, "uri_file").name == "a.csv"
    assert fetch(rooms, tmp_path / "model", f"{workspace}/models/{below}/versions/1", "custom_model").name == "a.csv"
    assert model


def test_the_output_of_another_job(rooms: Rooms, below: str, tmp_path: Path) -> None:
    job = {"properties": {"outputs": {"y": {"jobOutputType": "uri_folder", "uri": short(below)}, "z": {}}}}
    id = str(rooms.workspace.child("jobs", below))
    rooms.run(rooms.cloud.store.write(lambda tx: tx.put(id, "jobs", job, parent=str(rooms.workspace))))
    rooms.blobs.upload_blob(f"azureml/{below}/z/f", b"z")
    assert tree(fetch(rooms, tmp_path / "1", f"azureml://jobs/{below}/outputs/y/paths/sub")) == {"b.csv"}
    assert tree(fetch(rooms, tmp_path / "2", f"azureml://jobs/{below}/outputs/z/paths/")) == {"f"}
    with pytest.raises(DataFailed, match="no output 'nothing'"):
        fetch(rooms, tmp_path / "3", f"azureml://jobs/{below}/outputs/nothing/paths/")


def test_direct_gives_the_uri_and_reads_nothing(rooms: Rooms, below: str, tmp_path: Path) -> None:
    told = {"jobInputType": "mltable", "uri": short("not/there"), "mode": "Direct"}
    value = rooms.run(bindings.fetch_input(rooms.cloud, rooms.workspace, "x", told, tmp_path))
    assert value == datastores.long_form(rooms.workspace, "workspaceblobstore", "not/there")
    registered = rooms.asset("data", below, {"dataType": "uri_folder", "dataUri": short(below)})
    value = rooms.run(bindings.fetch_input(rooms.cloud, rooms.workspace, "x", {**told, "uri": registered}, tmp_path))
    assert value.startswith("azureml://")
    assert value.rstrip("/").endswith(below)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_and_a_folder_marker(rooms: Rooms, below: str, tmp_path: Path) -> None:
    rooms.blobs.upload_blob(f"{below}/empty.txt", b"")
    rooms.blobs.upload_blob(f"{below}/none", b"", metadata={"hdi_isfolder": "true"})
    place = fetch(rooms, tmp_path, short(below))
    assert (place / "empty.txt").stat().st_size == 0
    assert (place / "none").is_dir()


@pytest.mark.parametrize(
    ("path", "kind", "told"),
    [
        ("{0}/A.csv", "uri_file", "Only the case of letters differs from '{0}/a.csv'"),
        ("{0}/Sub/B.csv", "uri_file", "Only the case of letters differs from '{0}/sub/b.csv'"),
        ("{0}/c.csv", "uri_file", "there is: a.csv, sub/."),
        ("{0}/sub/deep/", "uri_folder", "there is: b.csv."),
        ("{0}/a.csv", "uri_folder", "Use uri_file"),
        ("{0}/sub", "uri_file", "Use uri_folder"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    rooms: Rooms, below: str, tmp_path: Path, path: str, kind: str, told: str
) -> None:
    with pytest.raises(DataFailed) as failed:
        fetch(rooms, tmp_path, short(path.format(below)), kind)
    assert told.format(below) in failed.value.message
    assert failed.value.code == (
        "ScriptExecution.StreamAccess.Validation" if "Use " in told else "ScriptExecution.StreamAccess.NotFound"
    )


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("azureml:nothing:1", "nothing"),
        ("azureml://datastores/nowhere/paths/x", "nowhere"),
        ("https://noaccount123.blob.core.windows.net/c/x", "noaccount123"),
        ("https://contoso.queue.core.windows.net/c/x", "contoso.queue.core.windows.net"),
        ("nonsense", "nonsense"),
        (short("x/../y"), "has the part '.' or '..'"),
        (short("..%2fy"), "was not found"),
    ],
)
def test_a_place_that_is_none_is_named(rooms: Rooms, tmp_path: Path, uri: str, told: str) -> None:
    with pytest.raises(DataFailed, match=told):
        fetch(rooms, tmp_path, uri, "uri_file")


@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt", "./x", "a//b", "..", f"{'n' * 256}"])
def test_names_of_blobs_never_lead_out_of_the_folder(rooms: Rooms, tmp_path: Path, name: str) -> None:
    class Hostile:
        """A container whose names no client of Azure's would send through untouched."""

        url = "http://hostile"

        def list_blobs(self, **_: object) -> list[Any]:
            blob = rooms.blobs.upload_blob(uuid.uuid4().hex, b"x").get_blob_properties()
            blob.name = f"f/{name}"
            return [blob]

    with pytest.raises(DataFailed, match="is no path below a folder|over 255 bytes"):
        transfer.entries(Hostile(), "f")  # type: ignore[arg-type]
    assert list(tmp_path.parent.glob("out.txt")) == []


def test_a_file_that_is_a_folder_too_is_refused(rooms: Rooms, below: str, tmp_path: Path) -> None:
    rooms.blobs.upload_blob(f"{below}/sub", b"file")
    with pytest.raises(DataFailed, match="'sub' is both a file and a folder"):
        fetch(rooms, tmp_path, short(below))


def test_a_mode_of_mltables_is_refused_for_other_types(rooms: Rooms, tmp_path: Path) -> None:
    with pytest.raises(DataFailed, match="is for an mltable"):
        fetch(rooms, tmp_path, short("x"), mode="EvalMount")


def test_a_signed_url_is_worth_what_it_grants(rooms: Rooms, below: str, tmp_path: Path) -> None:
    def signed(path: str, permissions: str, hours: float = 1) -> str:
        account, container = rooms.blobs.account_name, rooms.blobs.container_name
        return rooms.cloud.blobs.sas(account, container, path, permissions=permissions, hours=hours)

    assert fetch(rooms, tmp_path / "1", signed(f"{below}/a.csv", "r"), "uri_file").read_bytes() == b"a,b\n1,2\n"
    whole = signed("", "rl").replace("?", f"/{below}?")
    assert tree(fetch(rooms, tmp_path / "2", whole)) == {"a.csv", "sub/b.csv"}
    for refused in (signed(f"{below}/a.csv", "w"), signed(f"{below}/a.csv", "r", hours=-0.1)):
        with pytest.raises(DataFailed) as failed:
            fetch(rooms, tmp_path / "3", refused, "uri_file")
        assert failed.value.code == "ScriptExecution.StreamAccess.Authentication"
        assert "sig=" not in failed.value.message
    output = prepare(rooms, tmp_path / "4", uri=signed("", "rl").replace("?", f"/{below}/out?"))
    Path(output.value, "f").write_text("1")
    with pytest.raises(DataFailed, match="could not be written"):
        store(rooms, output)


# Read-write mounts


def test_what_a_job_does_to_a_read_write_mount_is_written_back(rooms: Rooms, below: str, tmp_path: Path) -> None:
    told = {"jobInputType": "uri_folder", "uri": short(below), "mode": "ReadWriteMount"}
    place = fetch(rooms, tmp_path, short(below), mode="ReadWriteMount")
    untouched = rooms.blobs.get_blob_client(f"{below}/sub/b.csv").get_blob_properties().etag
    (place / "new").mkdir()
    (place / "new" / "c.csv").write_text("c")
    (place / "a.csv").unlink()
    rooms.run(bindings.return_input(rooms.cloud, rooms.workspace, "x", told, tmp_path))
    assert set(rooms.blobs.list_blob_names(name_starts_with=f"{below}/")) == {
        f"{below}/new/c.csv",
        f"{below}/sub/b.csv",
    }
    assert rooms.blobs.get_blob_client(f"{below}/sub/b.csv").get_blob_properties().etag == untouched


def test_a_file_mounted_to_be_written_is_written_back_and_a_download_is_not(
    rooms: Rooms, below: str, tmp_path: Path
) -> None:
    for mode, expected in (("Download", b"a,b\n1,2\n"), ("ReadWriteMount", b"mine")):
        told = {"jobInputType": "uri_file", "uri": short(f"{below}/a.csv"), "mode": mode}
        fetch(rooms, tmp_path / mode, short(f"{below}/a.csv"), "uri_file", mode).write_bytes(b"mine")
        rooms.run(bindings.return_input(rooms.cloud, rooms.workspace, "x", told, tmp_path / mode))
        assert rooms.blobs.download_blob(f"{below}/a.csv").readall() == expected


# Outputs


def prepare(rooms: Rooms, folder: Path, kind: str = "uri_folder", **told: str) -> bindings.Output:
    return rooms.run(
        bindings.prepare_output(rooms.cloud, rooms.workspace, "y", {"jobOutputType": kind, **told}, folder)
    )


def store(rooms: Rooms, output: bindings.Output, *, succeeded: bool = True) -> int:
    return rooms.run(bindings.store_output(rooms.cloud, rooms.workspace, output, succeeded=succeeded))


@pytest.mark.parametrize("mode", ["ReadWriteMount", "Upload"])
@pytest.mark.parametrize("kind", ["uri_folder", "mltable", "mlflow_model", "custom_model"])
def test_an_output_folder_keeps_its_structure(rooms: Rooms, below: str, tmp_path: Path, mode: str, kind: str) -> None:
    output = prepare(rooms, tmp_path, kind, mode=mode, uri=short(f"{below}/out"))
    assert output.value == str(tmp_path / "y")
    (tmp_path / "y" / "deep").mkdir()
    (tmp_path / "y" / "empty").mkdir()
    (tmp_path / "y" / "one.txt").write_text("1")
    (tmp_path / "y" / "deep" / "zwei-ä.txt").write_text("2")
    (tmp_path / "y" / "broken").symlink_to("nowhere")
    assert store(rooms, output) == 2
    names = set(rooms.blobs.list_blob_names(name_starts_with=f"{below}/out/"))
    assert names == {f"{below}/out/one.txt", f"{below}/out/deep/zwei-ä.txt"}


def test_an_output_file_lies_where_its_path_says(rooms: Rooms, below: str, tmp_path: Path) -> None:
    output = prepare(rooms, tmp_path, "uri_file", uri=short(f"{below}/scores.csv"))
    assert output.value == str(tmp_path / "y" / "scores.csv")
    assert not Path(output.value).exists()
    assert store(rooms, output) == 0
    Path(output.value).write_text("1")
    assert store(rooms, output) == 1
    assert rooms.blobs.download_blob(f"{below}/scores.csv").readall() == b"1"


def test_an_output_at_the_root_of_a_container_and_one_that_is_direct(rooms: Rooms, below: str, tmp_path: Path) -> None:
    output = prepare(rooms, tmp_path, uri="azureml://datastores/workspaceblobstore/paths/")
    Path(output.value, f"{below}.txt").write_text("1")
    store(rooms, output)
    assert rooms.blobs.get_blob_client(f"{below}.txt").exists()
    direct = prepare(rooms, tmp_path / "d", uri=short(below), mode="Direct")
    assert (direct.value, direct.path) == (datastores.long_form(rooms.workspace, "workspaceblobstore", below), None)
    assert store(rooms, direct) == 0


def test_of_a_job_that_failed_what_was_to_be_uploaded_is_not(rooms: Rooms, below: str, tmp_path: Path) -> None:
    for mode, count in (("Upload", 0), ("ReadWriteMount", 1)):
        output = prepare(rooms, tmp_path / mode, mode=mode, uri=short(f"{below}/{mode}"))
        Path(output.value, "f").write_text("1")
        assert store(rooms, output, succeeded=False) == count


def test_files_of_all_sizes_arrive_whole_with_their_md5(rooms: Rooms, below: str, tmp_path: Path) -> None:
    output = prepare(rooms, tmp_path, uri=short(f"{below}/out"))
    sizes = {"none": 0, "small": 10, "block": transfer.BLOCK, "more": transfer.BLOCK * 2 + 7}
    for name, size in sizes.items():
        Path(output.value, name).write_bytes(os.urandom(size))
    assert store(rooms, output) == 4
    place = fetch(rooms, tmp_path / "back", short(f"{below}/out"))
    for name in sizes:
        content = Path(output.value, name).read_bytes()
        assert (place / name).read_bytes() == content
        settings = rooms.blobs.get_blob_client(f"{below}/out/{name}").get_blob_properties().content_settings
        assert bytes(settings.content_md5) == md5(content).digest()


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"uri": "azureml://datastores/nowhere/paths/x"}, "nowhere"),
        ({"uri": "https://example.com/x"}, "on the web"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_job_runs(
    rooms: Rooms, tmp_path: Path, told: dict[str, str], why: str
) -> None:
    with pytest.raises(DataFailed, match=why):
        prepare(rooms, tmp_path, **told)


def test_a_container_that_is_gone_fails_the_output_by_name(rooms: Rooms, tmp_path: Path) -> None:
    output = prepare(rooms, tmp_path, uri=f"{rooms.url.rpartition('/')[0]}/gone/out")
    Path(output.value, "f").write_text("1")
    with pytest.raises(DataFailed, match="'y' could not be written to .*gone/out"):
        store(rooms, output)


def test_an_output_is_registered_as_a_version(rooms: Rooms, below: str, tmp_path: Path) -> None:
    output = prepare(rooms, tmp_path, uri=short(f"{below}/out"))
    Path(output.value, "f").write_text("1")
    store(rooms, output)

    def register(version: str = "") -> str:
        return rooms.run(bindings.register_output(rooms.cloud, rooms.workspace, "job1", output, below, version))

    assert [register().rpartition("/")[2], register().rpartition("/")[2], register("v7").rpartition("/")[2]] == [
        "1",
        "2",
        "v7",
    ]
    assert tree(fetch(rooms, tmp_path / "again", f"azureml:{below}:2")) == {"f"}
    other = prepare(rooms, tmp_path, uri=short(f"{below}/other"))
    with pytest.raises(DataFailed, match="'y' could not be registered"):
        rooms.run(bindings.register_output(rooms.cloud, rooms.workspace, "job1", other, below, "v7"))
