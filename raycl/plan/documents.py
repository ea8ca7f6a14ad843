"""Whether the documents of a packed row see each other."""

from __future__ import annotations

from typing import Literal

Documents = Literal["attend_across", "attend_within"]
ACROSS: Documents = "attend_across"
"""Attention goes over the whole row, and every token after a row's first is predicted."""
WITHIN: Documents = "attend_within"
"""Attention and loss stop at the borders of documents, where positions begin again."""
