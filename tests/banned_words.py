"""The words that this project does without, each with what to write instead: ``python3 dev.py check`` runs it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BANNED = {
    r"\bpart(ed|ing)\b(?! of)": "split",
    r"\banew\b": "again, or re-read",
    r"\btold\b": "reported, shown, or said",
    r"\b(tell|tells|telling)\b[^.\n]{0,40}\bapart\b": "distinguish",
    r"\bhand(s|ed|ing)? (\w+ )?over\b": "export, pass, or give",
    r"\bwhoever\b": "name who",
    r"\bsuch\b(?! as\b)": "say which",
    r"\bpassports?\b": "notes",
    r"\bas (it|they) (is|are) wished\b|\bwished\b": "requested",
    r"\blived with\b": "kept as it is",
    r"\bfor one in\b|\blambda one\b|\bone for one\b": "a noun for the variable",
    r"\bwhat is (seen|asked for|there) (is|are)\b": "a noun",
    r"\b(colour|grey|centre|behaviour|neighbour)": "American spelling",
}
WHERE = ("src/napari_dicommeta/**/*.py", "src/napari_dicommeta/napari.yaml", "*.md", "docs/**/*.md", "dev.py")


def main() -> int:
    """Print each banned word with its place; return 1 where there is one."""
    found = 0
    for pattern in WHERE:
        for path in sorted(ROOT.glob(pattern)):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                for word, instead in BANNED.items():
                    if match := re.search(word, line, re.IGNORECASE):
                        found += 1
                        print(f"{path.relative_to(ROOT)}:{number}: {match[0]!r}: write {instead}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
