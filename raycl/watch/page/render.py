"""The page as one HTML file: a snapshot of a storage inside it, or the way to fetch one.

The front end lies beside this module: `index.html`, `styles/` and `js/`, inlined in the order of
their names, with Plotly.js from the installed wheel. Words on the contract of snapshots:

- `columns[].group` decides where a column appears: `loss` and `bits per byte` are two units of
  the same numbers, and the page shows one of the two; `change` shows signs.
- A swept field is a number, or a text such as `5%`, which the page orders as 0.05.
- A token stands in the address as `#token=…`; the page takes it out of the address, keeps it for
  the tab, and sends it with every request. With one it shows the buttons that steer, unless the
  snapshot has `"steer": false`.
- An answer to a request for steering is `{"answers": [{"node", "text"}]}`, an error is a status
  of 400 or above with `{"error": text}`.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent


def render(snapshot: dict[str, object] | None) -> bytes:
    """The page, in UTF-8.

    With a snapshot it is a report that never changes. With None it fetches `/api/snapshot` and
    `/api/nodes` from where it came from. Raises ValueError where the snapshot has a number that is
    not finite.
    """
    pieces = {
        "__STYLES__": _joined("styles", ".css"),
        "__PLOTLY__": _plotly(),
        "__SNAPSHOT__": "null" if snapshot is None else embedded(snapshot),
        "__SCRIPTS__": _joined("js", ".js"),
    }
    page = (_FOLDER / "index.html").read_text(encoding="utf-8")
    # All at once: what is put in may hold the text of a mark.
    page = re.sub("|".join(pieces), lambda found: pieces[found[0]], page)
    # Text of a storage may hold the halves of characters, which UTF-8 has not.
    return page.encode("utf-8", "backslashreplace")


def embedded(snapshot: dict[str, object]) -> str:
    r"""JSON that can stand in a script element: no `<`, and no line ends of JavaScript in it."""
    text = json.dumps(snapshot, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _joined(folder: str, ending: str) -> str:
    files = sorted((_FOLDER / folder).glob(f"*{ending}"))
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    # An HTML parser would end the script element at these.
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
