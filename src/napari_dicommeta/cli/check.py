"""The commands that check a data set: ``findings``, ``recipe``, ``compare``, ``audit``."""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from napari_dicommeta.cli.outputs import check_recipe_output
from napari_dicommeta.cli.sharing import findings_to_print, protocol_rows, technical_catalogs
from napari_dicommeta.cli.sources import catalog_of_options, need_paths, rescanned_sources
from napari_dicommeta.cli.tag_names import meant
from napari_dicommeta.cli.terminal import CommandError, ProgressLine, finished, print_rows
from napari_dicommeta.support.atomic import write_failure
from napari_dicommeta.support.words import counted, display
from napari_dicommeta.volumes.severities import SEVERITIES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from napari_dicommeta.catalog.catalog import Catalog
    from napari_dicommeta.findings.decisions import Decision
    from napari_dicommeta.findings.finding import Finding

__all__ = ["audit_labels", "compare_folders", "print_findings", "write_recipes"]


def _decisions(options: argparse.Namespace) -> tuple[Decision, ...]:
    from napari_dicommeta.findings.decisions import load_decisions

    if not options.decisions:
        return ()
    try:
        return load_decisions(options.decisions)
    except OSError as error:
        raise CommandError(f"{display(options.decisions)}: {error.strerror or error}") from error
    except ValueError as error:
        raise CommandError(display(str(error), 400)) from error


def _findings(catalog: Catalog, options: argparse.Namespace) -> tuple[Finding, ...]:
    """Return the findings of values, volumes and, on request, pixels."""
    from napari_dicommeta.export.printable import unchecked_reason
    from napari_dicommeta.findings.check import check, iter_check
    from napari_dicommeta.findings.finding import finding_order
    from napari_dicommeta.findings.hu_check import hu_findings, iter_hu_check

    values_only = options.values_only
    steps = iter_check(catalog, all_copies=options.pixels)
    findings = check(catalog, volumes=False) if values_only else finished(steps, "series")
    if options.pixels:
        checked = finished(iter_hu_check(catalog.series), "series' pixels")
        findings += hu_findings(checked)
        reason_of = (lambda volume: volume.reason) if options.full else unchecked_reason
        reasons = Counter(reason for volume in checked if (reason := reason_of(volume)))
        for reason, n in reasons.most_common(5):
            print(f"{n:,} not checked: {display(reason)}", file=sys.stderr)
        if len(reasons) > 5:
            print(f"… and {len(reasons) - 5} more reasons", file=sys.stderr)
    return tuple(sorted(findings, key=finding_order))


def print_findings(options: argparse.Namespace) -> int:
    """Print the findings; return 1 if an undecided finding is at least as severe as ``--fail-on``, else 0."""
    from napari_dicommeta.findings.decisions import decision_on, undecided
    from napari_dicommeta.findings.report import findings_report
    from napari_dicommeta.findings.uses import uses_of

    if options.list:
        return _print_kinds(options)
    if options.explain:
        return _explain(options.explain)
    if not options.source:
        raise CommandError("name a folder, a file or a saved catalog, or use --list for the kinds of findings")
    decisions, catalog = _decisions(options), catalog_of_options(options)
    if options.protocols:
        return _print_protocols(catalog, options)
    if options.pixels:
        need_paths(catalog, options, "--pixels")
    elif not (catalog.has_paths or options.values_only):
        from napari_dicommeta.volumes.load import NO_PATHS

        print(f"volumes are not checked: {NO_PATHS}", file=sys.stderr)
    findings = _findings(catalog, options)
    printed = findings_to_print(findings, catalog, options.full)
    decided = [decision_on(finding, decisions) for finding in findings]
    if options.markdown:
        title = f"{counted(catalog.n_files, 'file')}, {len(catalog.series):,} series"
        open_findings = (finding for finding, decision in zip(printed, decided, strict=True) if decision is None)
        print(findings_report(open_findings, title))
    else:
        rows: list[dict[str, Any]] = []
        for finding, whole, decision in zip(printed, findings, decided, strict=True):
            rows.append(
                {
                    "severity": finding.severity,
                    "code": finding.code,
                    "finding": finding.title,
                    "files": finding.files,
                    "breaks": ", ".join(uses_of(finding.code, finding.meaning)),
                    "advice": finding.advice,
                    "standard": finding.standard,
                    "decided": f"{decision.state} {decision.reason}".strip() if decision is not None else "",
                }
            )
            if options.json:
                evidence = [{"what": text, "files": files} for text, files in finding.evidence]
                rows[-1] |= {"tags": finding.tags, "evidence": evidence}
                rows[-1] |= {"meaning": finding.meaning, "scope": finding.scope}
                rows[-1]["selection"] = finding.selection if finding.selection or not whole.selection else None
        print_rows(rows, options, spare=("breaks", "standard"))
    if options.fail_on is None:
        return 0
    limit = SEVERITIES.index(options.fail_on)
    return int(any(SEVERITIES.index(finding.severity) <= limit for finding in undecided(findings, decisions)))


def _print_protocols(catalog: Catalog, options: argparse.Namespace) -> int:
    """Print which settings vary between the series of each protocol; names of protocols only with ``--full``."""
    if options.markdown or options.fail_on or options.pixels:
        raise CommandError("--protocols prints a table: leave out --markdown, --fail-on and --pixels")
    print_rows(protocol_rows(catalog, options.full), options)
    return 0


def _print_kinds(options: argparse.Namespace) -> int:
    """Print the severity, code and title of every kind of finding; as JSON or CSV also the other texts."""
    from napari_dicommeta.findings.check import finding_kinds

    rows = []
    for kind in finding_kinds():
        row = {"severity": " or ".join(kind.severities), "code": kind.code, "finding": kind.title}
        if options.json or options.csv:
            row |= {"needs": kind.needs, "standard": kind.standard, "advice": kind.advice, "meaning": kind.meaning}
        rows.append(row)
    print_rows(rows, options)
    return 0


def _explain(code: str) -> int:
    """Print the page about a kind of finding, or about all kinds."""
    from napari_dicommeta.findings.check import finding_kinds
    from napari_dicommeta.findings.pages import finding_page, findings_pages

    codes = [kind.code for kind in finding_kinds()]
    if code not in (*codes, "all"):
        hint = meant(code, codes) or "; --list prints all"
        raise CommandError(f"there is no finding with the code {display(code)}{hint}")
    print(findings_pages() if code == "all" else finding_page(code), end="")
    return 0


def write_recipes(options: argparse.Namespace) -> None:
    """Write the recipe of a source."""
    from napari_dicommeta.export.recipe import make_recipe, steps_of, write_recipe
    from napari_dicommeta.findings.decisions import decision_on
    from napari_dicommeta.support.errors import PixelError

    check_recipe_output(options.output, options.full)
    decisions, catalog = _decisions(options), catalog_of_options(options)
    need_paths(catalog, options, "a recipe")
    chosen: list[Finding] = []
    if decisions:
        options.values_only = False
        for finding in _findings(catalog, options):
            decision = decision_on(finding, decisions)
            if decision is not None and decision.state == "recipe":
                chosen.append(finding)
    lost = [
        decision.code
        for decision in decisions
        if decision.state == "recipe" and not any(decision.is_on(finding) for finding in chosen)
    ]
    if lost:
        hint = "; findings about pixels (hu-…) need --pixels" if any(code.startswith("hu-") for code in lost) else ""
        raise CommandError(f"there are no findings for the decisions on {display(', '.join(lost))}{hint}")
    source = rescanned_sources(options, catalog)
    bar = ProgressLine("series")
    try:
        recipe = make_recipe(
            catalog, source, steps=steps_of(chosen), pixels=options.pixels, full=options.full, progress=bar.show
        )
        bar.clear()
        script, json_path = write_recipe(recipe, options.output)
    except OSError as error:
        raise CommandError(display(write_failure(error, options.output), 400)) from error
    except PixelError as error:
        raise CommandError(
            f"{display(os.path.basename(error.path))}: {display(error.reason, 400)}: leave this file out, "
            "or make the recipe without --pixels"
        ) from error
    except ValueError as error:
        raise CommandError(display(str(error), 400)) from error
    steps = f", {len(recipe.steps)} steps" if recipe.steps else ""
    print(f"{recipe.n_volumes:,} arrays of {len(recipe.series):,} series{steps} in {display(script)}")
    print(f"details in {display(json_path)}")


def compare_folders(options: argparse.Namespace) -> None:
    """Print how two sources differ."""
    from napari_dicommeta.analysis.compare import compare, comparison_report
    from napari_dicommeta.analysis.per_file import per_file_tags

    first, second = (
        display(os.path.basename(path.rstrip(os.sep)) or path, 60) for path in (options.source, options.other)
    )
    a, b = catalog_of_options(options), catalog_of_options(options, options.other)
    left_out = {} if options.all else per_file_tags(a, b)
    _say_left_out(left_out)
    if not options.full:
        a, b = technical_catalogs(a, b)
        first, second = "A", "B"
    differences = [difference for difference in compare(a, b) if difference.keyword not in left_out]
    if options.markdown:
        print(comparison_report(differences, first, second, identifying=options.full))
        return
    rows = []
    for difference in differences:
        is_same = not difference.distance and (difference.kind == "values" or not options.full)
        if is_same or (difference.identifying and not options.full):
            continue
        has_new_values = difference.kind == "values"
        rows.append(
            {
                "tag": difference.keyword,
                "differs": round(difference.distance, 4),
                "only in the first": _new_text(difference.only_a, difference.n_only_a) if has_new_values else "",
                "files there": round(difference.files_only_a, 4),
                "only in the other": _new_text(difference.only_b, difference.n_only_b) if has_new_values else "",
                "files in it": round(difference.files_only_b, 4),
                "kind": difference.kind,
            }
        )
    print_rows(rows, options)


def _say_left_out(tags: Mapping[str, str]) -> None:
    from napari_dicommeta.analysis.per_file import left_out_text

    if tags:
        print(f"tags left out: {left_out_text(tags)}; --all includes them", file=sys.stderr)


def _new_text(values: Sequence[tuple[str, int]], n: int) -> str:
    more = f" and {n - 3:,} more" if n > 3 else ""
    return ", ".join(f"{text or '(empty)'} ({files:,})" for text, files in values[:3]) + more


def audit_labels(options: argparse.Namespace) -> None:
    """Print how well each tag predicts the labels."""
    from napari_dicommeta.analysis.audit import audit
    from napari_dicommeta.analysis.labels import read_labels
    from napari_dicommeta.export.printable import without_creators

    try:
        labels = read_labels(options.labels)
        result = audit(catalog_of_options(options), labels, all_tags=options.all)
    except OSError as error:
        raise CommandError(f"{display(options.labels)}: {error.strerror or error}") from error
    except ValueError as error:
        raise CommandError(display(str(error), 400)) from error
    print(
        f"guessing scores {result.baseline:.3f}; {result.n_units:,} keys matched by {result.key}, "
        f"{counted(result.n_files, 'file')}; {counted(result.keys_without_files, 'key')} without files, "
        f"{counted(result.files_without_label, 'file')} without a label",
        file=sys.stderr,
    )
    _say_left_out(dict(result.tags_left_out))
    rows = [
        {
            "tag": tag.keyword if options.full else without_creators(tag.keyword),
            "score": round(tag.score, 4),
            "gain": round(tag.gain, 4),
            "p": round(tag.p_value, 4),
            "read as": tag.how,
            "shortcut": "yes" if tag.is_shortcut else "",
        }
        for tag in result.tags
    ]
    print_rows(rows, options)
