"""What is registered of each kind of note and finding is complete, and a finding is of a kind."""

from __future__ import annotations

import pytest

from napari_dicommeta.findings.check import finding_kinds
from napari_dicommeta.findings.rule import FindingKind, kind_of, registered_kinds, rule, rules_that_need
from napari_dicommeta.findings.uses import MATTERS_FOR, USES, with_uses
from napari_dicommeta.volumes.note import NOTE_KINDS, SEVERITIES, make_note


@pytest.mark.parametrize("code", NOTE_KINDS)
def test_each_kind_of_note_says_what_it_is(code: str) -> None:
    kind = NOTE_KINDS[code]
    assert kind.severity in SEVERITIES
    assert kind.summary[:1].isupper()
    assert not kind.summary.endswith(".")
    assert kind.standard.startswith("PS3.")
    if kind.is_finding:
        assert kind.advice.endswith(".")
        assert kind.meaning.endswith(".")


@pytest.mark.parametrize("kind", finding_kinds(), ids=lambda kind: kind.code)
def test_each_kind_of_finding_says_what_it_is(kind: FindingKind) -> None:
    assert kind.severities
    assert set(kind.severities) <= set(SEVERITIES)
    assert kind.title[:1].isupper()
    assert not kind.title.endswith(".")
    assert kind.advice.endswith(".")
    assert kind.meaning.endswith(".")
    assert kind.standard.startswith("PS3.") is (kind.code != "rule-failed")


def test_each_kind_of_finding_names_the_uses_that_go_wrong() -> None:
    assert {kind.code for kind in finding_kinds()} - {"rule-failed"} == set(MATTERS_FOR)
    assert all(uses and set(uses) <= set(USES) for uses in MATTERS_FOR.values())
    assert with_uses("kernels", "Why.") == "Why. If ignored, radiomics and training go wrong."
    assert with_uses("identifying", "") == "If ignored, sharing goes wrong."
    assert with_uses("unknown", "Why.") == "Why."


def test_kinds_are_those_of_rules_and_of_notes_each_once_the_most_severe_first() -> None:
    kinds = finding_kinds()
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    noted = {code for code, kind in NOTE_KINDS.items() if kind.is_finding}
    assert set(codes) == noted | {kind.code for kind in registered_kinds()}
    keys = [(SEVERITIES.index(kind.severities[0]), kind.code) for kind in kinds]
    assert keys == sorted(keys)
    assert all(rules_that_need(needs) for needs in ("counts", "volumes", "pixels"))


def test_a_note_takes_from_its_kind_what_is_not_given() -> None:
    kind = NOTE_KINDS["gap"]
    note = make_note("gap", "One slice is missing", paths=["a.dcm"])
    assert (note.severity, note.tags, note.standard) == (kind.severity, kind.tags, kind.standard)
    assert (note.advice, note.paths, str(note)) == (kind.advice, ("a.dcm",), "One slice is missing")
    other = make_note("gap", "One", severity="info", tags=("KVP",), advice="Do.")
    assert (other.severity, other.tags, other.advice) == ("info", ("KVP",), "Do.")


def test_a_code_is_registered_once_and_looks_at_something_known() -> None:
    words = {"severity": "info", "title": "T", "standard": "PS3.3", "advice": "A."}
    known = kind_of("kvp-zero")
    with pytest.raises(ValueError, match="two rules with the code kvp-zero"):
        rule("kvp-zero", **words)(lambda survey: iter(()))
    with pytest.raises(ValueError, match="not 'nothing'"):
        rule("new", needs="nothing", **words)
    assert kind_of("kvp-zero") is known
    assert "new" not in {kind.code for kind in registered_kinds()}
