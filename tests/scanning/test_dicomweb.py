"""DICOMweb servers as sources: what is counted and opened equals the same files in a folder."""

from __future__ import annotations

import base64
import json
import logging
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coded_streams import GRAY, STREAMS
from dicom_factory import (
    ROOT,
    ct_content,
    ct_pixels,
    ct_slice,
    dicom,
    encapsulated,
    enhanced,
    structure_set,
    write_series,
)
from dicomweb_server import Store, serving

import napari_dicommeta as dm
from napari_dicommeta.cli.main import main
from napari_dicommeta.files import dicomweb
from napari_dicommeta.files.dicom_json import header_of_json, stated_syntax
from napari_dicommeta.files.web_session import _is_same_server
from napari_dicommeta.scanning.scan import iter_scan
from napari_dicommeta.support.errors import HeaderError, LoadError, PixelError

pytest.importorskip("dicomweb_client")

JPEG_2000 = "1.2.840.10008.1.2.4.90"
ITEM = [{"CodeValue": "T-1", "CodeMeaning": "Köln"}, {"CodeValue": "T-2", "CodeMeaning": ""}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a CT series that has values of many VRs, an enhanced one, and a compressed one."""
    top = tmp_path / "in"
    values: dict[str, Any] = {
        "PatientName": "Müller^Jürgen=X^Y",
        "PatientAge": "",
        "SliceThickness": ["0.1", "1.5e-05", "-2000"],
        "AcquisitionNumber": [1, 2],
        "FrameIncrementPointer": 0x00181063,
        "TriggerTimeOffset": 0.1,
        "ReconstructionTargetCenterPatient": [0.1, -2.5, 1e300],
        "AnatomicRegionSequence": ITEM,
        "ReferencedImageSequence": [],
    }
    (top / "ct").mkdir(parents=True)
    for k in range(3):
        (top / "ct" / f"{k}.dcm").write_bytes(dicom(ct_content(k, **values), charset="latin-1"))
    frames = [ct_pixels(k) for k in range(3)]
    places = [{"ImagePositionPatient": [0, 0, k], "FrameAcquisitionNumber": k} for k in range(3)]
    shared = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [1, 1]}
    (top / "e.dcm").write_bytes(
        enhanced(frames, places, shared, SeriesInstanceUID=f"{ROOT}.8", SOPInstanceUID=f"{ROOT}.8.1")
    )
    coded = {"PixelData": encapsulated([STREAMS[JPEG_2000]]), "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    uids = {"SeriesInstanceUID": f"{ROOT}.9", "SOPInstanceUID": f"{ROOT}.9.1"}
    (top / "j.dcm").write_bytes(ct_slice(0, JPEG_2000, pixels=GRAY, **coded, **uids))
    return top


@pytest.fixture
def store(folder: Path) -> Store:
    return Store(folder)


@pytest.fixture
def url(store: Store) -> Iterator[str]:
    for cache in (dicomweb._HEADERS, dicomweb._PIXELS, dicomweb._FAILED):
        cache.clear()
    with serving(store) as url:
        yield url


def counted(catalog: dm.Catalog) -> dict[str, dict[str, int]]:
    return {tag.keyword: dict(catalog.values(tag.keyword)) for tag in catalog.tags()}


def volumes(source: Any) -> dict[str, dm.Volume]:
    return {volume.series_instance_uid: volume for volume in dm.load(source)}


def test_values_and_volumes_equal_those_of_the_folder(folder: Path, store: Store, url: str) -> None:
    catalog = dm.scan(url)
    assert not store.pixels_asked()[3:]  # one instance a series is begun for its transfer syntax
    assert not catalog.failures
    assert not catalog.partial
    expected = counted(dm.scan(folder))
    of_files = {tag for tag in expected if tag.startswith(("FileMeta", "MediaStorage", "Implementation"))}
    assert counted(catalog) == {tag: values for tag, values in expected.items() if tag not in of_files}
    assert [series.series_instance_uid for series in catalog.series] == [f"{ROOT}.{n}" for n in (2, 8, 9)]
    theirs, ours = volumes(folder), volumes(catalog)
    assert ours.keys() == theirs.keys()
    for uid, volume in ours.items():
        np.testing.assert_array_equal(np.asarray(volume.array), np.asarray(theirs[uid].array))
        np.testing.assert_array_equal(volume.geometry.affine, theirs[uid].geometry.affine)
        assert (volume.units, volume.windows) == (theirs[uid].units, theirs[uid].windows)
    assert counted(dm.scan(catalog.paths)) == counted(catalog)


def test_only_the_pixels_that_are_looked_at_are_fetched_and_once(store: Store, url: str) -> None:
    found = volumes(url)
    store.asked.clear()
    for _ in range(2):
        np.testing.assert_array_equal(found[f"{ROOT}.8"].array[1], ct_pixels(1))
    assert [path.partition("/instances/")[2] for path in store.asked] == [f"{ROOT}.8.1/frames/2"]
    store.asked.clear()
    np.asarray(found[f"{ROOT}.2"].array[2])
    assert [path.partition("/instances/")[2] for path in store.asked] == [f"{ROOT}.3.2"]


def test_a_study_a_series_and_an_instance_are_sources_and_filters_are_passed_on(store: Store, url: str) -> None:
    study = f"{url}/studies/{ROOT}.1"
    assert dm.scan(study).n_files == 5
    assert dm.scan(f"{study}/series/{ROOT}.2").n_files == 3
    assert dm.scan(f"{study}/series/{ROOT}.2/instances/{ROOT}.3.1").n_files == 1
    store.asked.clear()
    assert dm.scan(f"{url}?Modality=CT&SeriesInstanceUID={ROOT}.8").n_files == 1
    assert store.asked[0] == f"/dw/series?Modality=CT&SeriesInstanceUID={ROOT}.8"


def test_pages_of_a_server_are_all_read(store: Store, url: str) -> None:
    store.page = 1
    assert dm.scan(url).n_files == 5
    store.asked.clear()
    assert len(dm.scan(f"{url}?limit=2").series) == 2


def test_a_stated_transfer_syntax_is_not_asked_for(store: Store, url: str) -> None:
    store.has_syntax = True
    assert np.asarray(volumes(url)[f"{ROOT}.9"].array).shape == (1, 24, 32)
    assert [path.partition("/instances/")[2] for path in store.pixels_asked()] == [f"{ROOT}.9.1"]


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "answers 401 Unauthorized: write user and password to ~/.netrc, or ask for access"),
        (404, "answers 404 Not Found: check the path of the DICOMweb service"),
        (500, "answers 500 Internal Server Error: try again later, or check the filters of the address"),
    ],
)
def test_an_error_of_the_server_is_one_sentence(store: Store, url: str, status: int, says: str) -> None:
    store.status["/series"] = status
    with pytest.raises(OSError, match="127") as caught:
        dm.scan(f"{url}?PatientID=Secret")
    assert caught.value.strerror == f"{url.split('/')[2]} {says}"
    assert caught.value.filename == url
    assert "Secret" not in f"{caught.value}{caught.value.__cause__}"


def test_what_is_no_dicomweb_server_is_said(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for says in (b"<html>", b'["a"]', b'[{"0020000E": {"vr": "UI", "Value": ["../x"]}}]'):
        store.says = says
        with pytest.raises(OSError, match="does not answer as a DICOMweb server: check the path of the service"):
            dm.scan(url)
    store.says = b"[]"
    with pytest.raises(FileNotFoundError, match="has no series that fits: check the address and its filters"):
        dm.scan(f"{url}?PatientID=none")
    monkeypatch.setattr(dicomweb._service(dicomweb._place_of(url)[0]).client, "_timeout", 0.02)
    store.wait = 0.1
    with pytest.raises(OSError, match="has not answered within 20 s: try again later"):
        dm.scan(url)
    with pytest.raises(OSError, match="cannot be reached: check host, port and connection"):
        dm.scan("dicomweb+http://127.0.0.1:9/dw")
    with pytest.raises(OSError, match="leave the user and the password out of the address") as caught:
        dm.scan("dicomweb://me:secret@host/dw")
    assert "secret" not in str(caught.value)
    with pytest.raises(OSError, match="write dicomweb://host/path"):
        dm.scan("dicomweb:///dw")


@pytest.mark.parametrize("kind", ["head", "body", "chunks"])
def test_a_server_that_sends_a_byte_now_and_then_is_given_up(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    volume = next(volume for volume in dm.load(url) if volume.array.shape[-2:] == (16, 12))
    monkeypatch.setattr(dicomweb, "ANSWER_SECONDS", 0.3)
    store.drips = kind
    try:
        with pytest.raises(OSError, match=r"has not answered within 0\.3 s: try again later"):
            dm.scan(url)
        with pytest.raises(PixelError, match=r"has not answered within 0\.3 s: try again later"):
            np.asarray(volume.array[0])
        steps = iter_scan(url)
        monkeypatch.setattr(dicomweb, "ANSWER_SECONDS", 1000.0)
        next(steps)
        steps.close()
    finally:
        store.drips = ""


def test_one_series_that_fails_leaves_the_others(store: Store, url: str) -> None:
    store.status = {f"{ROOT}.8/instances": 500, f"{ROOT}.2/metadata": 503}
    store.bad = {f"{ROOT}.9.1"}
    with pytest.raises(LoadError, match="answers 500"):
        dm.load(url)
    catalog = dm.scan(url)
    assert catalog.n_files == 0
    reasons = sorted({failure.reason.partition(" answers ")[2] or failure.reason for failure in catalog.failures})
    assert reasons == [
        "500 Internal Server Error: try again later, or check the filters of the address",
        "503 Service Unavailable: try again later, or check the filters of the address",
        "the element (0028,0010) has a value that its VR cannot have",
    ]
    assert sum(f"{ROOT}.2/metadata" in path for path in store.asked) == 1


def test_pixels_that_cannot_be_fetched_are_named(store: Store, url: str) -> None:
    catalog = dm.scan(url)
    store.status = {"/frames/": 404}
    coded = next(key for key in store.raw if key[2] == f"{ROOT}.9.1")
    store.raw[coded] = ct_slice(0, SOPInstanceUID=f"{ROOT}.9.1", SeriesInstanceUID=f"{ROOT}.9")
    found = dm.load(catalog)
    with pytest.raises(PixelError, match="answers 404 Not Found"):
        np.asarray(next(volume.array for volume in found if volume.series_instance_uid == f"{ROOT}.8"))
    assert "sent it in the transfer syntax 1.2.840.10008.1.2.1, and another" in found.refusals[0].reason


def test_users_log_in_by_netrc_and_nothing_keeps_it(
    store: Store, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.login = "me:secret"
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(PermissionError, match="401"):
        dm.scan(url)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    with caplog.at_level(logging.DEBUG):
        catalog = dm.scan(f"{url}?Modality=CT")
    catalog.save(tmp_path / "x.parquet")
    assert catalog.n_files == 5
    token = base64.b64encode(b"me:secret").decode()
    for secret in ("secret", token):
        assert secret not in caplog.text
        assert secret.encode() not in (tmp_path / "x.parquet").read_bytes()
    assert "Modality" not in "".join(catalog.paths)


def test_the_command_line_takes_a_server(url: str, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["values", url, "Modality"]) == 0
    assert "CT" in capsys.readouterr().out
    store.status["/series"] = 500
    assert main(["tags", url]) == 2
    assert "answers 500 Internal Server Error" in capsys.readouterr().err


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicomweb, "_SERVICES", {})
    monkeypatch.setitem(sys.modules, "dicomweb_client", None)
    with pytest.raises(ImportError, match=r'needs dicomweb-client: pip install "napari-dicommeta\[dicomweb\]"'):
        dm.scan("dicomweb://host/dw")


def test_structures_of_a_server_are_drawn(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", 2)
    square = [{"ContourGeometricType": "CLOSED_PLANAR", "NumberOfContourPoints": 3, "ContourData": [-9, -19, 0] * 3}]
    (tmp_path / "s.dcm").write_bytes(structure_set((1, "Lung", [1, 2, 3], square)))
    with serving(Store(tmp_path)) as url:
        assert [volume.name for volume in dm.load(url)] == [volume.name for volume in dm.load(tmp_path)]


@pytest.mark.parametrize(
    "elsewhere", ["http://localhost:{port}/dw/series", "file:///etc/passwd", "https://[x/", "//me:x@host/"]
)
def test_a_server_that_sends_on_to_another_is_not_followed(store: Store, url: str, elsewhere: str) -> None:
    store.headers = {"Location": elsewhere.format(port=url.split(":")[2].split("/")[0])}
    with pytest.raises(OSError, match=r"sends on to|does not answer as a DICOMweb server") as caught:
        dm.scan(f"{url}?PatientID=Secret")
    assert len(store.asked) == 1
    assert not [word for word in ("Secret", "me:x", "passwd") if word in f"{caught.value}"]


def test_a_redirection_within_a_server_is_followed(store: Store, url: str) -> None:
    server = url.removeprefix("dicomweb+").removesuffix("/dw")
    same = [f"{server}/other", f"{server.replace('http:', 'https:')}/dw"]
    others = [server.replace("127.0.0.1", "host"), f"{server}1/dw", "ftp://127.0.0.1/", "https://[x/"]
    assert [_is_same_server(f"{server}/dw", other) for other in same + others] == [True] * 2 + [False] * 4


def test_an_answer_that_ends_early_or_never_is_said(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store.is_cut = True
    with pytest.raises(OSError, match=r"is damaged or ends too early: try again later"):
        dm.scan(url)
    store.is_cut = False
    monkeypatch.setattr("napari_dicommeta.files.web_session.JSON_BYTES", 100)
    with pytest.raises(OSError, match="sends more than 0 MiB at once: open a study or a series alone"):
        dm.scan(url)
    monkeypatch.undo()
    monkeypatch.setattr(dicomweb, "MAX_PAGES", 2)
    store.page = 1
    with pytest.raises(OSError, match="lists more and more: open a study alone, or add a filter"):
        dm.scan(url)


def test_what_a_server_says_in_headers_is_not_printed(store: Store, url: str) -> None:
    store.headers = {"Warning": "299 \x1b[31mSecret"}
    logger = logging.getLogger("dicomweb_client")
    assert any(isinstance(handler, logging.NullHandler) for handler in logger.handlers)
    assert dm.scan(url).n_files == 5


ODD: dict[str, tuple[str, Any]] = {
    "an element is no JSON object": ("00083002", ["x"]),
    "the value of an element is no list": ("00083002", {"vr": "UI", "Value": 7}),
    "an element is no JSON object ": ("00080005", ["x"]),
    "the value of an element is no list ": ("00080005", {"vr": "CS", "Value": 5}),
    "has no VR": ("00100010", {"vr": "ÄÖ", "Value": ["x"]}),
    "is no number": ("00280008", {"vr": "IS", "Value": [float("inf")]}),
}


@pytest.mark.parametrize("reason", ODD)
def test_metadata_of_another_shape_cost_their_instance_alone(store: Store, url: str, reason: str) -> None:
    store.odd = {f"{ROOT}.3.1": dict([ODD[reason]])}
    catalog = dm.scan(url)
    assert catalog.n_files == 4
    assert [reason.strip() in failure.reason for failure in catalog.failures] == [True]


@pytest.mark.parametrize("syntax", ["\x1b[31m", "é", {"a": 1}, "1.2.", "1" * 65, 5])
def test_a_transfer_syntax_that_is_no_uid_is_not_taken(syntax: Any) -> None:
    assert stated_syntax({"00083002": {"vr": "UI", "Value": [syntax]}}) == ""
    assert stated_syntax({"00083002": {"vr": "UI", "Value": ["1.2.3"]}}) == "1.2.3"


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"00280010": {"vr": "US", "Value": [70000]}}, r"\(0028,0010\) has a value that its VR cannot have"),
        ({"0028001": {"vr": "LO", "Value": ["x"]}}, "has no VR"),
        ({"00280010": {"Value": [1]}}, "has no VR"),
        ({"0028ZZ10": {"vr": "LO"}}, "is no tag"),
        ({"00280010": [1]}, "an element is no JSON object"),
        ({"00081140": {"vr": "SQ", "Value": ["x"]}}, "an item is no data set"),
        ({"00280010": {"vr": "US", "Value": 1}}, "the value of an element is no list"),
        (
            {"00280010": {"vr": "US", "Value": [60000]}, "00280011": {"vr": "US", "Value": [60000]}},
            "the size of its frames cannot be",
        ),
    ],
)
def test_metadata_that_are_no_data_set_are_refused(metadata: Any, reason: str) -> None:
    with pytest.raises(HeaderError, match=reason):
        header_of_json(metadata, "1.2.840.10008.1.2.1")


def test_bulk_data_are_left_out_and_long_texts_stay() -> None:
    raw = header_of_json(
        {
            "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
            "00102000": {"vr": "LO", "Value": ["x" * 70000]},
            "00104000": {"vr": "LT", "Value": ["漢"]},
            "00420011": {"vr": "OB", "BulkDataURI": "http://host/1"},
            "00420012": {"vr": "OB", "InlineBinary": "AQI="},
        },
        "1.2.840.10008.1.2.1",
    )
    assert b"ISO_IR 192" in raw.data
    assert "漢".encode() in raw.data
    assert b"x" * 70000 in raw.data
    assert b"\x42\0\x12\0OB\0\0\2\0\0\0\1\2" in raw.data
    assert b"\x42\0\x11\0" not in raw.data
    assert raw.pixel_length == 0


ORTHANC = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Orthanc") is None or not ORTHANC.exists(), reason="needs Orthanc and its DICOMweb")
def test_orthanc_gives_the_values_and_volumes_of_the_folder(folder: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "HttpPort": port,
        "HttpBindAddresses": ["127.0.0.1"],
        "AuthenticationEnabled": False,
        "RemoteAccessAllowed": True,
        "DicomServerEnabled": False,
        "StorageDirectory": str(tmp_path / "db"),
        "IndexDirectory": str(tmp_path / "db"),
        "Plugins": [str(ORTHANC)],
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    with subprocess.Popen(["Orthanc", tmp_path / "orthanc.json"], stderr=subprocess.DEVNULL) as server:
        try:
            for path in sorted(folder.rglob("*.dcm")):
                _upload(f"http://127.0.0.1:{port}/instances", path.read_bytes())
            catalog = dm.scan(f"dicomweb+http://127.0.0.1:{port}/dicom-web")
            expected = counted(dm.scan(folder))
            of_files = {tag for tag in expected if tag.startswith(("FileMeta", "MediaStorage", "Implementation"))}
            assert counted(catalog) == {tag: values for tag, values in expected.items() if tag not in of_files}
            theirs, ours = volumes(folder), volumes(catalog)
            assert ours.keys() == theirs.keys()
            for uid, volume in ours.items():
                np.testing.assert_array_equal(np.asarray(volume.array), np.asarray(theirs[uid].array))
        finally:
            server.terminate()


def _upload(url: str, raw: bytes) -> None:
    """Send a file, until the server has started."""
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data=raw, method="POST")):
                return
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
