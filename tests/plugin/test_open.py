from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dicom_factory import write_series

from napari_dicommeta._napari.tasks import open as _opening
from napari_dicommeta._napari.tasks.source import SeriesRequest, not_dicom, problems_of
from napari_dicommeta.support.errors import PixelError
from napari_dicommeta.volumes.volume import Volume


def result_of(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def test_no_file_is_read_before_what_threads_share_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path, 2)
    imported: list[str] = []
    at_scan: list[tuple[str, ...]] = []
    iter_scan = _opening.iter_scan

    def watched(*arguments: Any, **options: Any) -> Any:
        at_scan.append(tuple(imported))
        return iter_scan(*arguments, **options)

    monkeypatch.setattr(_opening, "import_module", imported.append)
    monkeypatch.setattr(_opening, "iter_scan", watched)
    opened = result_of(_opening.open_source([str(tmp_path)]))
    assert at_scan == [_opening.PRELOADED]
    assert len(opened.volumes) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PixelError("/there/im001.dcm", "no such codestream"), "im001.dcm: no such codestream"),
        (ValueError("Doe^Jane"), "ValueError"),  # the text of an error that is not foreseen may quote a value
    ],
)
def test_a_series_that_cannot_be_decoded_keeps_no_other_from_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    write_series(tmp_path / "a", 5)
    write_series(tmp_path / "b", 3, SeriesInstanceUID="1.2.9", SeriesNumber=9)
    whole = Volume.display_range

    def display_range(volume: Volume) -> tuple[float, float]:
        if volume.series_instance_uid != "1.2.9":
            raise error
        return whole(volume)

    monkeypatch.setattr(Volume, "display_range", display_range)
    opened = result_of(_opening.open_source([str(tmp_path)]))
    assert [volume.series_instance_uid for volume in opened.volumes] == ["1.2.9"]
    assert [len(refusal.paths) for refusal in opened.refusals] == [5]
    assert opened.rows[0].reason.endswith(f"its pixels cannot be read: {reason}")
    assert [refusal.code for refusal in opened.refusals] == ["pixels-unreadable"]
    _, found = _opening.series_volumes(opened, [SeriesRequest(number=0), SeriesRequest(number=1)])
    assert [(len(volumes), len(refusals)) for _, volumes, refusals in found] == [(0, 1), (1, 0)]


def test_a_series_that_is_shown_is_no_failure_and_one_without_images_says_so(tmp_path: Path) -> None:
    write_series(tmp_path / "a", 3)
    whole = min((tmp_path / "a").iterdir()).read_bytes()
    (tmp_path / "a" / "cut.dcm").write_bytes(whole[: len(whole) - 20])
    report = "1.2.840.10008.5.1.4.1.1.88.11"
    write_series(tmp_path / "b", 2, SeriesInstanceUID="1.2.9", PixelData=None, SOPClassUID=report)
    opened = result_of(_opening.open_source([str(tmp_path)]))
    assert opened.refusals  # of the file that was cut
    reasons = {row.files: row.reason for row in opened.rows}
    assert reasons == {4: "", 2: "the series contains no images"}


def test_problems_name_files_by_their_folders(tmp_path: Path) -> None:
    write_series(tmp_path / "s", 2)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "README").write_text("no DICOM")
        (tmp_path / folder / "link").symlink_to(tmp_path / "nowhere")
    opened = result_of(_opening.open_source([str(tmp_path)]))
    *links, foreign = problems_of(opened)
    assert [problem.partition(":")[0] for problem in links] == ["a/link", "b/link"]
    assert foreign == "2 files are not DICOM: README"  # one line, however many they are
    assert not_dicom(opened) == ("a/README", "b/README")
    alone = result_of(_opening.open_source([str(tmp_path / "a" / "README")]))
    assert problems_of(alone)[-1].startswith("README: ")
