"""Canaries in every tag of PS3.15 Table E.1-1, in names of files and folders, through every output of every command."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from canaries import IN_FILE_NAMES, text_of, write_canaries

import napari_dicommeta as dm
from napari_dicommeta.catalog.catalog import Catalog
from napari_dicommeta.cli.main import main
from napari_dicommeta.cli.sharing import printable_catalog
from napari_dicommeta.cli.terminal import CommandError
from napari_dicommeta.export.tables import why_withheld
from napari_dicommeta.findings.decisions import Decision, save_decisions
from napari_dicommeta.scanning.scan import iter_scan
from napari_dicommeta.scanning.sources import sources_of

SUFFIXES = (".csv", ".parquet", ".md", ".json")
FORMS: tuple[tuple[str, ...], ...] = ((), ("--json",), ("--csv",))


load = Catalog.load


class Canaries:
    """A folder with canaries, and which of them a text holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = write_canaries(folder / "in")
        self._catalogs: dict[tuple[Path, ...], Catalog] = {}
        self._saved: dict[str, Catalog] = {}
        self._pattern = re.compile("|".join(sorted(map(re.escape, (*self.names, *IN_FILE_NAMES)), key=len)[::-1]))

    def iter_scan(self, source: Any, *options: Any, **more: Any) -> Generator[Any, None, Catalog]:
        """Scan each source once for all commands: what is told of a catalog is looked at here, not the scan."""
        assert not any((*options, *more.values()))  # as by default, and without the cache
        key = tuple(Path(path).resolve() for path in sources_of(source))
        if key not in self._catalogs:
            self._catalogs[key] = yield from iter_scan(source)
        return self._catalogs[key]

    def load(self, path: str) -> Catalog:
        """Load each catalog that `for_others` has saved once for all commands."""
        if path not in self._saved:
            self._saved[path] = load(path)
        return self._saved[path]

    def held(self, text: str) -> set[str]:
        # Digits of a date may come by chance among those of a hash or a pseudonym.
        text = re.sub(r"(?<![0-9a-f])(?=[0-9a-f]*[a-f])[0-9a-f]{16,}|2\.25\.[0-9]{30,}", "#", text)
        stated = {f"{found} ({self.names.get(found, 'a name')})" for found in self._pattern.findall(text)}
        return stated.union(re.findall(r"(?i)\w*kanari\w*", text))


@pytest.fixture(scope="module")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> Canaries:
    found = Canaries(tmp_path_factory.mktemp("persons"))
    (found.folder / "other").mkdir()
    for path in (found.folder / "in" / "KanariFolder").glob("*0?.dcm"):
        (found.folder / "other" / path.name).write_bytes(path.read_bytes().replace(b"\\-600", b"\\-500"))
    return found


@pytest.fixture
def inside(canaries: Canaries, monkeypatch: pytest.MonkeyPatch) -> Iterator[Canaries]:
    monkeypatch.chdir(canaries.folder)
    monkeypatch.setattr("napari_dicommeta.scanning.scan.iter_scan", canaries.iter_scan)
    monkeypatch.setattr(Catalog, "load", canaries.load)
    yield canaries
    for path in canaries.folder.glob("out*"):
        path.unlink()


@pytest.fixture(scope="module")
def for_others(canaries: Canaries) -> None:
    """Save the catalogs of both folders as they are for others."""
    for source in ("in", "other"):
        path = canaries.folder / source
        assert main(["scan", str(path), "-o", f"{path}.parquet", "--no-cache"]) == 0


def outputs(folder: Path, capsys: pytest.CaptureFixture[str], *command: str) -> tuple[str, str]:
    """Run a command; return what it printed and wrote to files named out…, and what it printed to stderr."""
    code = main([*command, "--no-cache"])
    printed = capsys.readouterr()
    texts = [printed.out]
    for path in sorted(folder.glob("out*")):
        texts.append(f"{path.name}\n{text_of(path)}")
        if os.name == "posix":
            assert path.stat().st_mode & 0o777 == 0o600
        path.unlink()
    assert code in (0, 1, 2)
    return "\n".join(texts), printed.err


ODD_TAGS = ("RescaleType", "BodyPartExamined", "GantryDetectorTilt")
"""Technical tags, some of whose values are not technical."""


def commands(source: str, other: str) -> Iterator[tuple[str, ...]]:
    for form in FORMS:
        for command in ("tags", "series", "findings"):
            yield (command, source, *form)
        for tag in ODD_TAGS:
            yield ("values", source, tag, *form)
    yield ("findings", source, "--values-only", "--markdown")
    yield ("findings", source, "--protocols")
    for form in ("--json", "--markdown"):
        yield ("compare", source, other, form)
    yield ("audit", source, "labels.csv", "--csv")
    yield ("values", source, "window")
    yield ("values", source, "RescaleType", "--by", "spelling")
    yield ("tags", source, "-o", "out.parquet")
    for suffix in SUFFIXES:
        yield ("series", source, "-o", f"out{suffix}")
        yield ("values", source, "RescaleType", "-o", f"out{suffix}")
    yield ("scan", source, "-o", "out.parquet")


def on_files() -> Iterator[tuple[str, ...]]:
    yield ("findings", "in", "--pixels", "--json")
    yield ("open", "in", "--json")
    yield ("recipe", "in", "-o", "out.py", "--pixels")
    yield ("recipe", "in", "-o", "out.py", "--decisions", "decisions.json")


def write_labels(folder: Path) -> None:
    rows = [f"1.2.752.7731.7.{series},{series}" for series in range(2)]
    (folder / "labels.csv").write_text("\n".join(["SeriesInstanceUID,label", *rows]))
    findings = dm.check(dm.scan(folder / "in"), pixels=True)
    decisions = [Decision(code=f.code, tags=f.tags, state="recipe", scope=f.scope) for f in findings]
    save_decisions([each for each in decisions if not each.code.startswith("hu-")], folder / "decisions.json")


@pytest.mark.slow
def test_no_default_output_holds_a_canary(inside: Canaries, capsys: pytest.CaptureFixture[str]) -> None:
    write_labels(inside.folder)
    leaks: dict[str, set[str]] = {}
    for command in (*commands("in", "other"), *on_files()):
        text, errors = outputs(inside.folder, capsys, *command)
        assert text.strip() or errors
        held = inside.held(text)
        # Sentences on stderr name files without their folders.
        held |= {
            word for word in inside.held(errors) if not word.startswith(("KanariFile", "KanariNotes", "KanariCut"))
        }
        if held:
            leaks[" ".join(command)] = held
    assert leaks == {}


def test_only_technical_tags_can_be_printed(inside: Canaries) -> None:
    catalog = dm.scan(inside.folder / "in")
    refused, leaks = 0, {}
    for summary in catalog.tags():
        if why_withheld(catalog, summary.path):
            with pytest.raises(CommandError) as refusal:
                printable_catalog(catalog, [summary.path], full=False)
            assert not inside.held(str(refusal.value).replace(summary.path.text, ""))
            refused += 1
            continue
        printable = printable_catalog(catalog, [summary.path], full=False)
        details = printable.details(summary.path)
        if held := inside.held(f"{dict(printable.values(summary.path))} {details} {printable.paths}"):
            leaks[summary.path.text] = held
    assert leaks == {}
    assert refused > 1000


def test_all_canaries_are_in_full_catalogs(inside: Canaries, capsys: pytest.CaptureFixture[str]) -> None:
    text, _ = outputs(inside.folder, capsys, "scan", "in", "-o", "out.parquet", "--full")
    assert text.splitlines()[-1]
    assert "out-PHI.parquet" in text
    lost = {f"{text_} ({name})" for text_, name in inside.names.items() if text_ not in text}
    assert lost == set()
    assert [word for word in IN_FILE_NAMES if word not in text] == []


def test_full_outputs_hold_names_uids_and_texts(inside: Canaries, capsys: pytest.CaptureFixture[str]) -> None:
    write_labels(inside.folder)
    expected = {
        ("values", "in", "PatientName"): ["Kanari"],
        ("values", "in", "BodyPartExamined"): ["KANARI BODY PART"],
        ("values", "in", "RescaleType", "--json"): ["KanariUnits"],
        ("tags", "in", "--csv"): ["KanariCreator", "PatientName"],
        ("series", "in", "--json"): ["1.2.752.7731.7.0", "KanariUnits"],
        ("findings", "in", "--json"): ["1.2.752.7731.7.0"],
        ("open", "in", "--json"): ["1.2.752.7731.7.0"],
        ("recipe", "in", "-o", "out.py"): [
            "out-PHI.py",
            "out-PHI.json",
            "1.2.752.7731.7.0",
            "KanariFile",
            "KanariUnits",
        ],
        ("series", "in", "-o", "out.json"): ["out-PHI.json", "1.2.752.7731.7.0", "KanariUnits"],
    }
    for command, words in expected.items():
        text, _ = outputs(inside.folder, capsys, *command, "--full")
        assert [word for word in words if word not in text] == [], command


@pytest.mark.slow
@pytest.mark.usefixtures("for_others")
def test_every_command_works_on_a_catalog_for_others(inside: Canaries, capsys: pytest.CaptureFixture[str]) -> None:
    write_labels(inside.folder)
    whole, shared = dm.scan(inside.folder / "in"), Catalog.load("in.parquet")
    for tag in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "StudyDate"):
        assert sorted(whole.values(tag).values()) == sorted(shared.values(tag).values())
    assert dict(whole.values("RescaleSlope")) == dict(shared.values("RescaleSlope"))
    assert [series.n_files for series in shared.series] == [series.n_files for series in whole.series]
    assert {f.code for f in dm.check(whole, volumes=False)} - {f.code for f in dm.check(shared)} <= {
        "identifying",
        "dates-invalid",
        "suspect-value",
        "suspect-text",
        "meta-contradicts",
        "date-order",
        "ages",
        "terms-undefined",
    }
    rows = [f"{uid},{n}" for n, uid in enumerate(shared.values("SeriesInstanceUID"))]
    (inside.folder / "labels.csv").write_text("\n".join(["SeriesInstanceUID,label", *rows]))
    leaks = {}
    for command in commands("in.parquet", "other.parquet"):
        text, errors = outputs(inside.folder, capsys, *command)
        if held := inside.held(text + errors):
            leaks[" ".join(command)] = held
    assert leaks == {}
    text, _ = outputs(inside.folder, capsys, "values", "in.parquet", "PatientID", "--json")
    assert all(name.startswith("withheld ") for name in (row["value"] for row in json.loads(text)["rows"]))


@pytest.mark.slow
def test_the_report_of_the_dock_and_texts_of_failures_name_nobody(inside: Canaries) -> None:
    from types import SimpleNamespace

    from napari_dicommeta._napari.tasks.check import write_report

    catalog = dm.scan(inside.folder / "in")
    findings = dm.check(catalog, pixels=True)
    dismissed = [Decision(code=f.code, tags=f.tags, state="dismissed", scope=f.scope, reason="seen") for f in findings]
    assert inside.held("\n".join(str(line) for f in findings for line in (f.title, *f.evidence)))
    for decisions in ([], dismissed):
        write_report(SimpleNamespace(catalog=catalog, series=catalog.series), findings, decisions, "out.md")
        text = Path("out.md").read_text("utf-8")
        assert text.count("seen") == len(decisions)
        assert not inside.held(text)
    assert all(failure.path.startswith(str(inside.folder)) for failure in (*catalog.failures, *catalog.partial))
    assert "KanariFolder" not in " ".join(map(str, (*catalog.failures, *catalog.partial)))


def test_converted_images_name_nobody_unless_asked(inside: Canaries, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("nrrd")
    for folder, full in (("converted", ()), ("converted-full", ("--full", "--names", "{name}"))):
        assert main(["convert", "in", folder, "--to", "nrrd", "--allow-uneven", "--no-cache", *full]) == 0
        printed = capsys.readouterr()
        assert full or not inside.held(printed.out)
        names = sorted(path.name for path in (inside.folder / folder).iterdir())
        texts = "".join(path.read_text("utf-8") for path in (inside.folder / folder).glob("*.json"))
        assert len(names) == 4
        if not full:
            assert not inside.held(f"{names} {texts}")
            continue
        assert all("-PHI" in name and "Kanari" in name for name in names)
        assert "1.2.752.7731.7.0" in texts
        assert "KanariUnits" in texts


def test_names_of_files_hold_names_of_series_only_when_asked(
    inside: Canaries, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", "in", "converted-named", "--names", "{series}"]) != 0
    assert "--full" in capsys.readouterr().err
    assert not (inside.folder / "converted-named").exists()


@pytest.mark.usefixtures("for_others")
@pytest.mark.parametrize(
    "command",
    [
        ("convert", "in.parquet", "out"),
        ("recipe", "in.parquet", "-o", "out.py"),
        ("findings", "in.parquet", "--pixels"),
        ("open", "in.parquet", "--json"),
        ("scan", "in.parquet", "-o", "out.parquet", "--full"),
    ],
)
def test_what_needs_names_or_pixels_says_how_to_get_them(
    inside: Canaries, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert main([*command]) != 0
    errors = capsys.readouterr().err
    assert "the folder" in errors
    assert "full" in errors
    assert not [*inside.folder.glob("out*")]
