"""The files around the code agree with it: dependencies, versions, workflows, forms and recipe."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import matrix
import pytest
import yaml
from import_graph import NAME, imported_names, module_name, modules

from napari_dicommeta import __version__
from napari_dicommeta.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DISTRIBUTIONS = {"dicomweb_client": "dicomweb-client", "nrrd": "pynrrd"}
"""Packages whose name on PyPI is another."""
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9_-]+", requirement)
    assert match
    return match[0].lower()


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def foreign(files: list[Path]) -> set[str]:
    """Return the packages of others that the files import."""
    names = {name.split(".")[0] for path in files for name in imported_names(path)}
    return {DISTRIBUTIONS.get(name, name).lower() for name in names - sys.stdlib_module_names} - {NAME}


def test_all_that_is_imported_is_declared() -> None:
    library = [path for path in modules().values() if module_name(path).split(".")[1:2] != ["_napari"]]
    plugin = [path for path in modules().values() if path not in library]
    extras = PROJECT["optional-dependencies"]
    needed = {name_of(text) for text in PROJECT["dependencies"]}
    optional = {name_of(text) for extra in extras.values() for text in extra}
    assert foreign(library) <= needed | optional
    assert foreign(plugin) <= needed | {name_of(text) for text in extras["napari"]}


def test_the_library_needs_neither_napari_nor_qt() -> None:
    names = {name_of(text) for text in PROJECT["dependencies"]}
    assert not names & {"napari", "qtpy", "magicgui", "superqt", "pyqt6", "pyside6"}


def test_the_recipe_for_conda_has_the_same_dependencies_and_version() -> None:
    recipe = read_yaml(ROOT / "conda" / "recipe.yaml")
    stated = {"".join(text.split()) for text in recipe["requirements"]["run"] if not text.startswith("python ")}
    assert stated == set(PROJECT["dependencies"])
    assert recipe["context"]["version"] == __version__
    assert f">={recipe['context']['python_min']}" == PROJECT["requires-python"]
    assert recipe["build"]["python"]["entry_points"] == [
        f"{name} = {target}" for name, target in PROJECT["scripts"].items()
    ]
    assert set(map("".join, map(str.split, recipe["requirements"]["run_constraints"]))) <= set(
        PROJECT["optional-dependencies"]["napari"]
    )


def test_the_citation_and_the_changes_name_this_version() -> None:
    assert read_yaml(ROOT / "CITATION.cff")["version"] == __version__
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest
    assert newest[1] == __version__


def test_workflows_test_the_pythons_that_are_declared() -> None:
    classifiers = PROJECT["classifiers"]
    declared = [text.rpartition(" ")[2] for text in classifiers if re.search(r":: 3\.\d+$", text)]
    jobs = read_yaml(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    assert jobs["library"]["strategy"]["matrix"]["python"] == declared
    assert jobs["window"]["strategy"]["matrix"]["python"] == declared


def test_the_matrix_has_what_is_declared_and_the_next_python() -> None:
    declared = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", text)]
    pythons = list(dict.fromkeys(cell.python for cell in matrix.CELLS))
    assert pythons[:-1] == declared
    bindings = read_yaml(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["window"]["strategy"]["matrix"]["qt"]
    for python in pythons:
        assert [
            cell.binding for cell in matrix.CELLS if cell.python == python and cell.binding and not cell.is_oldest
        ] == bindings
    oldest = [cell for cell in matrix.CELLS if cell.is_oldest]
    assert {cell.python for cell in oldest} == {declared[0]}
    assert {bool(cell.binding) for cell in oldest} == {True, False}
    assert all((ROOT / "tests" / name).exists() for name in (*matrix.LIBRARY, *matrix.WINDOW))


def test_what_cannot_be_had_is_skipped_with_the_reason() -> None:
    message = (
        "warning: x is old\nerror: Failed to download y\n  Caused by: Request failed\n  Caused by: dns error: no name\n"
    )
    assert matrix.reason(message) == "Failed to download y … dns error: no name"
    conflict = (
        "  × No solution found when resolving dependencies:\n  ╰─▶ Because z has no wheels, z cannot be used.\n\n"
    )
    assert matrix.reason(conflict + "      hint: w\n") == (
        "No solution found when resolving dependencies: … Because z has no wheels, z cannot be used."
    )
    assert matrix.reason("") == "uv said nothing"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_what_there_is_and_may_only_what_they_need(path: Path) -> None:
    workflow = read_yaml(path)
    assert workflow["permissions"] == {"contents": "read"}
    source = (ROOT / "dev.py").read_text("utf-8")
    extras = set(PROJECT["optional-dependencies"])
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert re.fullmatch(r"[\w./-]+@[\w./]+", step.get("uses", "a/b@v1"))
            for command in re.findall(r"dev\.py (\w+)", step.get("run", "")):
                assert f'"{command}"' in source
            for used in re.findall(r"\.\[([\w,]+)\]", step.get("run", "")):
                assert set(used.split(",")) <= extras
            for test in re.findall(r"tests/\w+", step.get("run", "")):
                assert (ROOT / test).exists()


def test_only_the_jobs_that_publish_may_prove_who_they_are() -> None:
    for workflow in ("release.yml", "docs.yml"):
        jobs = read_yaml(ROOT / ".github" / "workflows" / workflow)["jobs"]
        assert [name for name, job in jobs.items() if "id-token" in job.get("permissions", {})] == ["publish"]
    jobs = read_yaml(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert jobs["publish"]["environment"]["name"] == "pypi"
    assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")


@pytest.mark.parametrize("path", [path for path in FORMS if path.name != "config.yml"], ids=lambda path: path.name)
def test_forms_have_what_github_asks_for(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    form = read_yaml(path)
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    identifiers = [field["id"] for field in fields]
    assert len(identifiers) == len(set(identifiers)) >= 1
    assert all(field["attributes"]["label"] for field in fields)
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE)
    assert set(re.findall(r"`napari-dicommeta (\w+)", path.read_text("utf-8"))) <= set(commands)


def test_reports_of_bugs_have_versions_and_no_persons() -> None:
    for name in ("bug.yml", "file.yml"):
        fields = {field.get("id"): field for field in read_yaml(ROOT / ".github" / "ISSUE_TEMPLATE" / name)["body"]}
        assert "napari-dicommeta info" in fields["versions"]["attributes"]["description"]
        assert fields["versions"]["validations"]["required"]
        assert fields["anonymous"]["attributes"]["options"][0]["required"]
        assert "Anonymize first" in fields[None]["attributes"]["value"]


def test_urls_lead_to_one_repository() -> None:
    urls = PROJECT["urls"]
    assert {"Homepage", "Documentation", "Changelog", "Issues", "Source"} == set(urls)
    assert all(url.startswith(urls["Source"]) for url in urls.values())
    assert read_yaml(ROOT / "CITATION.cff")["repository-code"] == urls["Source"]


def test_hooks_before_a_commit_run_what_the_check_runs() -> None:
    hooks = [hook for repo in read_yaml(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    group = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]["check"]
    assert {text for hook in hooks for text in hook.get("additional_dependencies", ())} <= set(group)
    for hook in hooks:
        for script in re.findall(r"tests/\w+\.py", hook["entry"]):
            assert (ROOT / script).exists()


def test_tests_reach_the_real_files_by_the_fixture_that_skips_where_they_are_absent() -> None:
    paths = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    assert [path for path in paths if re.search(r"import .*\bSHARED\b", path.read_text("utf-8"))] == []
