"""The code blocks of the documents, and what each of them says of itself.

A block names its language. A comment in the line before it, which readers do not see, may say how
it is checked:

    <!-- run -->               commands or Python that a test runs, in the order of the page
    <!-- run: in a clone -->   the same, in a folder that holds raycl's source
    <!-- file: NAME -->        a file that what is run finds in its folder
    <!-- not run: why -->      nothing of it is checked
    <!-- part: stages -->      YAML that is a part of a recipe, below this field
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.paths import ROOT

DOCUMENTS = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *(ROOT / folder / "README.md" for folder in ("benchmarks", "configs")),
        *(ROOT / "docs").glob("*.md"),
    ]
)
_BLOCK = re.compile(
    r"(?:^[ \t]*<!-- (?P<mark>[^\n]*?) -->\n)?"
    r"^(?P<indent>[ \t]*)```(?P<language>[^\n]*)\n(?P<text>.*?)^[ \t]*```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class CodeBlock:
    """One block of a document; `line` is that of its first mark."""

    document: Path
    line: int
    language: str
    text: str
    mark: str

    @property
    def place(self) -> str:
        """Where it stands, as errors name it."""
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        """Whether a test runs it."""
        return self.mark == "run" or self.mark.startswith("run:")

    @property
    def file(self) -> str:
        """The file that it is, for what is run; empty for other blocks."""
        return self.mark.removeprefix("file: ") if self.mark.startswith("file: ") else ""

    @property
    def is_left_out(self) -> bool:
        """Whether the document says why it is not checked."""
        return self.mark.startswith("not run: ")


def code_blocks(document: Path) -> list[CodeBlock]:
    """The blocks of a document, in order."""
    text = document.read_text(encoding="utf-8")
    return [
        CodeBlock(
            document,
            text.count("\n", 0, found.start("language")) + 1,
            found["language"].strip(),
            found["text"],
            found["mark"] or "",
        )
        for found in _BLOCK.finditer(text)
    ]


def all_blocks() -> list[CodeBlock]:
    """The blocks of all documents."""
    return [block for document in DOCUMENTS for block in code_blocks(document)]


def command_lines(block: CodeBlock) -> list[str]:
    """The commands of a block, without comments, with continued lines put together."""
    joined = re.sub(r"\\\n\s*", "", block.text)
    lines = [re.sub(r"(^|\s)#\s.*$", "", line).strip() for line in joined.splitlines()]
    return [line for line in lines if line]
