"""The entries of GCIDE, a dictionary in its own ASCII writing, as running text."""

from __future__ import annotations

import re
import unicodedata

_ACCENTS = {"'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303"}
_ACCENTS |= {"=": "\u0304", ",": "\u0327", ".": "\u0307"}
_LIGATURES = {"[ae]": "æ", "[oe]": "œ", "[AE]": "Æ", "[OE]": "Œ", "[deg]": "°", "[root]": "√"}
_ACCENTED = re.compile(r"\[([\'`^\"~=,.])([A-Za-z])\]")
_BREVE = re.compile(r"\[([A-Za-z])\^\]")
_MACRON = re.compile(r"\[([a-z])mac\]")
_STRESS = re.compile(r"(?<=[a-z])[`\"*](?=[a-z])")
# Between backslashes, and mostly again in brackets: Vanish \Van"ish\ (v[a^]n"[i^]sh), n.
_PRONUNCIATION = re.compile(r"\s?\\[^\\\n]{1,80}\\(?:\s?\([^()]*\)(?=,))?")
_PROVENANCE = re.compile(
    r"\s*\[(?:1913 Webster|WordNet [\d.]+|PJC|Century Dict[^\]]*|\+?PJC)[^\]]*\]"
)


def dictionary_entries(text: str) -> list[str]:
    """The entries of a dictd database in GCIDE's writing, each as running text."""
    entries = re.split(r"\n+(?=\S)", text)
    plain = (_plain_entry(entry) for entry in entries if not entry.startswith("00-database"))
    return [entry for entry in plain if entry.count(" ") > 2]


def _plain_entry(entry: str) -> str:
    entry = _PROVENANCE.sub("", _PRONUNCIATION.sub("", entry))
    for code, letter in _LIGATURES.items():
        entry = entry.replace(code, letter)
    entry = _ACCENTED.sub(lambda match: match[2] + _ACCENTS[match[1]], entry)
    entry = re.sub(r"^'([A-Z])", r"\1" + _ACCENTS["'"], entry)
    entry = _MACRON.sub(r"\1" + _ACCENTS["="], _BREVE.sub("\\1\u0306", entry))
    entry = unicodedata.normalize("NFC", _STRESS.sub("", entry))
    entry = entry.replace("{", "").replace("}", "")
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", entry))
    return "\n".join(part for part in paragraphs if part)
