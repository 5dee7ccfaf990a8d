"""A bucket of S3, served by moto: listed, counted and opened; what it refuses is said in one sentence."""

from __future__ import annotations

import io
import json
import logging
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import write_series

import napari_dicommeta as dm
from napari_dicommeta.files import urls
from napari_dicommeta.files.opening import open_file
from napari_dicommeta.support.errors import LoadError, PixelError

s3fs = pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")
boto3 = pytest.importorskip("boto3")
requests = pytest.importorskip("requests")
pytestmark = pytest.mark.slow

DENIED = "the server answers 403 Forbidden: log in with the tools of the server, or ask for access"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def forget() -> None:
    """Forget keys, listings and bytes, as a new process has none."""
    s3fs.S3FileSystem.clear_instance_cache()
    urls._BLOCKS.clear()
    urls._PLACES.clear()


@pytest.fixture
def keys(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    requests.post(f"{endpoint}/moto-api/reset", timeout=20)
    forget()
    yield monkeypatch
    requests.post(f"{endpoint}/moto-api/reset-auth", data=b"inf", timeout=20)
    forget()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_series(tmp_path / "in", 4)
    return tmp_path / "in"


@pytest.fixture
def s3(keys: pytest.MonkeyPatch, folder: Path) -> Any:
    """Return the client of a bucket with a series and its archive."""
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        for path in sorted(folder.iterdir()):
            client.put_object(Bucket="bucket", Key=f"study/{path.name}", Body=path.read_bytes())
            members.write(path, f"in/{path.name}")
    client.put_object(Bucket="bucket", Key="zips/x.zip", Body=archive.getvalue())
    return client


def pixels(source: Any) -> np.ndarray:
    return np.asarray(dm.load(source)[0].array)


@pytest.mark.parametrize(
    ("source", "first"),
    [
        ("s3://bucket/study", "s3://bucket/study/im001.dcm"),
        ("s3://bucket/study/im001.dcm", "s3://bucket/study/im001.dcm"),
        ("s3://bucket/zips", "s3://bucket/zips/x.zip/in/im001.dcm"),
        ("s3://bucket/zips/x.zip/in/im001.dcm", "s3://bucket/zips/x.zip/in/im001.dcm"),
    ],
)
def test_what_a_bucket_lists_is_counted_and_opened(s3: Any, folder: Path, source: str, first: str) -> None:
    catalog = dm.scan(source)
    assert catalog.failures == ()
    assert catalog.paths[0] == first
    here = dm.scan(folder if catalog.n_files == 4 else folder / "im001.dcm")
    assert catalog.tags() == here.tags()
    np.testing.assert_array_equal(pixels(catalog), pixels(here))


def test_a_bucket_or_key_that_is_not_there_is_named(s3: Any) -> None:
    for url in ("s3://vanished", "s3://vanished/a.dcm", "s3://bucket/nothing", "s3://bucket/study/nothing.dcm"):
        with pytest.raises(FileNotFoundError, match=f"there is nothing at this URL: '{url}'"):
            dm.scan(url)


def test_objects_that_vanish_or_change_after_the_scan_are_named(s3: Any) -> None:
    scanned = dm.scan("s3://bucket/study")
    s3.delete_object(Bucket="bucket", Key="study/im002.dcm")
    s3.put_object(Bucket="bucket", Key="study/im003.dcm", Body=b"short")
    urls._BLOCKS.clear()
    with pytest.raises(PixelError, match=r"im002\.dcm: there is nothing at this URL"):
        pixels(scanned.rows(np.array([1])))
    with pytest.raises(PixelError, match=r"im003\.dcm: the server sent 5 bytes where .* open it again"):
        pixels(scanned.rows(np.array([2])))
    catalog = dm.scan("s3://bucket/study")
    assert catalog.n_files == 2
    assert [failure.path for failure in catalog.failures] == ["s3://bucket/study/im003.dcm"]


def test_a_key_without_rights_is_told_so(s3: Any, endpoint: str, keys: pytest.MonkeyPatch) -> None:
    iam = boto3.client("iam")
    iam.create_user(UserName="guest")
    statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="guest", PolicyName="list", PolicyDocument=policy)
    key = iam.create_access_key(UserName="guest")["AccessKey"]
    requests.post(f"{endpoint}/moto-api/reset-auth", data=b"0", timeout=20)  # from now on, rights are looked at
    forget()
    with pytest.raises(PermissionError, match=DENIED):  # of a key that the server does not know
        dm.scan("s3://bucket/study")
    keys.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    keys.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    forget()
    catalog = dm.scan("s3://bucket/study")  # it may list, and may not read
    assert catalog.n_files == 0
    assert [failure.reason for failure in catalog.failures] == [f"cannot be read: {DENIED}"] * 4
    with pytest.raises(LoadError, match=DENIED):
        dm.load("s3://bucket/study")
    with open_file("s3://bucket/study/im001.dcm") as file, pytest.raises(PermissionError, match=DENIED):
        file.read(0, 10)


def test_without_a_key_one_is_asked_for(s3: Any, keys: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        keys.delenv(name)
    forget()
    with pytest.raises(PermissionError, match=re.escape(urls.NO_KEY)):
        dm.scan("s3://bucket/study")
