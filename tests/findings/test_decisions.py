from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_dicommeta.findings.decisions import (
    STATES,
    Decision,
    decision_on,
    load_decisions,
    save_decisions,
    undecided,
    with_decision,
)
from napari_dicommeta.findings.finding import Finding

SPELLED = Finding(code="spellings", severity="info", title="RescaleSlope: spelled in 2 ways", tags=("RescaleSlope",))
OTHER = Finding(code="spellings", severity="info", title="PixelSpacing: spelled in 2 ways", tags=("PixelSpacing",))
PADDED = Finding(code="padding", severity="info", title="padding -2000", tags=("PixelPaddingValue",))


def test_a_decision_stands_for_a_rule_on_its_tags_not_for_its_words() -> None:
    decisions = with_decision((), SPELLED, "dismissed", "numbers are compared")
    again = Finding(
        code="spellings", severity="info", title="RescaleSlope: spelled in 3 ways", tags=("RescaleSlope",), files=7
    )
    assert decision_on(again, decisions) == Decision(
        code="spellings", tags=("RescaleSlope",), state="dismissed", reason="numbers are compared"
    )
    assert decision_on(OTHER, decisions) is None
    assert undecided((SPELLED, OTHER, PADDED), decisions) == (OTHER, PADDED)


def test_a_later_decision_takes_the_place_of_an_earlier_one() -> None:
    decisions = with_decision(with_decision((), SPELLED, "accepted"), PADDED, "recipe")
    changed = with_decision(decisions, SPELLED, "dismissed", "why")
    assert [(one.code, one.state) for one in changed] == [("padding", "recipe"), ("spellings", "dismissed")]
    assert with_decision(changed, SPELLED, "") == decisions[1:]
    with pytest.raises(ValueError, match="accepted, dismissed, recipe, not 'maybe'"):
        with_decision((), SPELLED, "maybe")


@given(
    st.lists(
        st.builds(
            Decision,
            code=st.text(),
            tags=st.lists(st.text()).map(tuple),
            state=st.sampled_from(STATES),
            reason=st.text(),
            scope=st.text(),
        ),
        max_size=4,
    )
)
def test_save_and_load_are_the_identity(tmp_path_factory: pytest.TempPathFactory, decisions: list[Decision]) -> None:
    surrogate_free = [
        one for one in decisions if all(t.isprintable() for t in (one.code, one.reason, one.scope, *one.tags))
    ]
    path = tmp_path_factory.mktemp("d") / "decisions.json"
    save_decisions(surrogate_free, path)
    assert load_decisions(path) == tuple(surrogate_free)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("nothing", "holds no decisions"),
        ("[1]", "holds no decisions"),
        ('{"version": 1}', "holds no decisions"),
        ('{"version": 1, "decisions": {}}', "holds no decisions"),
        ('{"version": 1, "decisions": [{"code": "a", "tags": {"b": 1}, "state": "accepted"}]}', "holds no decisions"),
        ('{"version": 9, "decisions": []}', "newer version"),
        (json.dumps({"version": 1, "decisions": [{"code": "a", "tags": [], "state": "maybe"}]}), "not 'maybe'"),
    ],
)
def test_what_is_no_decision_is_refused_by_name(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "decisions.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=reason) as caught:
        load_decisions(path)
    assert "decisions.json" in str(caught.value)
