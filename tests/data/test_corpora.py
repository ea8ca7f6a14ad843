"""Corpora: extraction on little samples, the checks of `fetch`, and one real Debian package."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from raycl.data.corpora import debian, fetch, names
from raycl.data.corpora.catalogue import Corpus, Known, Source, load_catalogue
from raycl.data.corpora.debian import NotObtainable, package_file
from raycl.data.corpora.extract import fortune_sayings, read_text, source_documents, text_blocks
from raycl.data.corpora.fetch import from_debian
from raycl.data.corpora.gcide_text import dictionary_entries
from raycl.data.corpora.html_text import html_documents
from raycl.data.corpora.rst_text import rst_blocks
from raycl.data.corpora.select import is_mostly_english, select
from raycl.errors import InputError

GERMAN = "Wählen Sie das Objekt aus, das mit einer Beschriftung versehen werden soll. "
ENGLISH = "Select the object that you want to be given a caption, and then click it. "


# ---------------------------------------------------------------- extraction


def test_html_keeps_paragraphs_and_drops_navigation() -> None:
    page = """<html><head><title>no</title><script>no()</script></head><body>
    <header><p>no</p></header><div class="book-navigation"><div>no</div> no</div>
    <h1>Gro&szlig;e <i>Worte</i></h1><p>Erstens
    und zweitens.<br>Drittens.</p><ul><li><p>eins</p></li><li>zwei</li></ul>
    <table><tr><th>Name</th><th></th><th>Sinn</th></tr></table><footer>no</footer></body></html>"""
    assert html_documents(page) == [
        ["Große Worte", "Erstens und zweitens. Drittens.", "- eins", "- zwei", "Name | Sinn"]
    ]


def test_html_leaves_out_another_systems_keys_within_the_sentence() -> None:
    page = (
        '<p>Drücken Sie <span hidden="true" class="MAC">Befehl</span>'
        '<span hidden="true">Strg</span>+C.</p>'
    )
    assert html_documents(page) == [["Drücken Sie Strg+C."]]


def test_html_code_is_kept_on_request_and_headings_begin_documents() -> None:
    page = "<h1>A</h1><p>a</p><h2>B</h2><pre>x\n  y</pre><h2>C</h2><p>c</p>"
    assert html_documents(page, keep_code=True, split_at="h2") == [
        ["A", "a"],
        ["B", "x\n  y"],
        ["C", "c"],
    ]
    assert html_documents(page) == [["A", "a", "B", "C", "c"]]


def test_rst_becomes_plain_text() -> None:
    text = """
.. SPDX-License-Identifier: GPL-2.0
.. _target:

Title
=====

See :class:`~io.Text` and :ref:`the other
page <other>` or `a link <http://x>`_, :pep:`8`.

.. index::
   single: dropped

.. function:: call(x)
   :noindex:

   Calls *x*::

      code

   .. versionadded:: 3.4
"""
    assert rst_blocks(text) == [
        "Title",
        "See io.Text and the other\npage or a link, PEP 8.",
        "call(x)",
        "   Calls *x*:",
        "      code",
        "   New in version 3.4",
    ]


def test_fortunes_are_split_at_percent_lines() -> None:
    assert fortune_sayings("Erster\n\t-- A\n%\nZweiter\n%\n\n%\n") == [
        "Erster\n    -- A",
        "Zweiter",
    ]


def test_code_keeps_its_indentation() -> None:
    code = "\n\ndef one():\n    return 1\n \n\n    # two\n    pass  \n"
    assert text_blocks(code) == ["def one():\n    return 1", "    # two\n    pass"]


def test_dictionary_entries_lose_codes_and_keep_accents() -> None:
    text = """00-database-short
   The dictionary

Vanish \\Van"ish\\ (v[a^]n"[i^]sh), n. (Phon.)
   The brief terminal part of a {vowel}; caf['e]
   and [ae]ther.
   [1913 Webster]

   2. Second.
      [1913 Webster]

Zoo \\Zoo\\, n.
   A place with animals.
   [WordNet 1.5 +PJC]
"""
    assert dictionary_entries(text) == [
        "Vanish, n. (Phon.) The brief terminal part of a vowel; café and æther.\n2. Second.",
        "Zoo, n. A place with animals.",
    ]


def test_files_are_chosen_by_pattern_in_order_without_links(tmp_path: Path) -> None:
    folder = tmp_path / "usr/share/doc/thing-6.1"
    (folder / "skip").mkdir(parents=True)
    for name in ("b.rst.gz", "a.rst.gz", "skip/c.rst.gz"):
        (folder / name).write_bytes(gzip.compress(name.encode()))
    (folder / "z.rst.gz").symlink_to(folder / "a.rst.gz")
    source = Source(
        package=("thing",),
        path="usr/share/doc/thing-*",
        include=("*.rst.gz",),
        exclude=("skip/*",),
        kind="rst",
    )
    found = list(source_documents(source, tmp_path, "thing"))
    assert found == [("thing/a.rst.gz", ["a.rst.gz"]), ("thing/b.rst.gz", ["b.rst.gz"])]


def test_text_that_is_not_utf8_is_read_as_latin1_with_its_quotes(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"gr\xfc\xdfe \x93du\x94\xa0!\r\n")
    assert read_text(tmp_path / "old") == "grüße “du” !\n"


# ---------------------------------------------------------------- selection


def test_untranslated_blocks_leave_german_documents() -> None:
    assert is_mostly_english(ENGLISH)
    assert not is_mostly_english(GERMAN)
    german = select([("x", ["Titel", GERMAN * 3, ENGLISH * 3])], "german")
    assert json.loads(german.data)["text"] == f"Titel\n\n{GERMAN * 3}"
    assert ENGLISH * 3 in json.loads(select([("x", [GERMAN * 3, ENGLISH * 3])], None).data)["text"]


def test_copies_short_documents_and_headings_without_text_are_dropped() -> None:
    long, other = "A sentence that says something. " * 10, "Another one, of some length. " * 10
    documents = [("a", ["T", long, "End"]), ("b", ["T", long]), ("c", ["short"]), ("d", [other])]
    chosen = [json.loads(line) for line in select(documents, None).data.splitlines()]
    assert [document["source"] for document in chosen] == ["a", "d"]
    assert chosen[0]["text"] == f"T\n\n{long}"


# ---------------------------------------------------------------- fetch


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, an empty cache, and no right to update package lists."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    # Neither a download nor an installed `datasets` may turn this into a test of the network.
    monkeypatch.setitem(sys.modules, "datasets", None)
    return folder


def write_command(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(stat.S_IRWXU)


def test_when_nothing_works_the_error_says_what_was_tried(commands: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write_command(commands, "apt-get", f"echo $* >> {log}; echo 'E: no network' >&2; exit 100")
    said: list[str] = []
    with pytest.raises(InputError) as caught:
        fetch("german", tmp_path / "text", said.append)
    message = str(caught.value)
    assert "apt-get download failed (E: no network)" in message
    assert "`datasets` is not installed" in message
    assert "corpora.german.text: [my/*.jsonl]" in message
    assert log.read_text().split()[0] == "download"
    assert "HuggingFaceFW/fineweb-2" in said[-1]
    assert not (tmp_path / "text").exists()


def test_without_apt_and_without_counterpart(commands: Path, tmp_path: Path) -> None:
    (commands.parent / "empty").mkdir()
    os.environ["PATH"] = str(commands.parent / "empty")  # the fixture's monkeypatch restores it
    with pytest.raises(InputError, match=r"there is no apt-get .* no counterpart"):
        fetch("dictionary", tmp_path, lambda _: None)


def test_the_hub_stands_in_where_apt_fails(
    commands: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_command(commands, "apt-get", "exit 1")
    asked: list[tuple[object, ...]] = []

    def load_dataset(*names: str, **options: object) -> list[dict[str, str]]:
        asked.append((*names, options))
        return [{"text": GERMAN * number} for number in (4, 5)]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    file = fetch("german", tmp_path, lambda _: None)
    assert asked == [("HuggingFaceFW/fineweb-2", "deu_Latn", {"split": "train", "streaming": True})]
    assert [json.loads(line)["text"] for line in file.open()] == [GERMAN * 4, GERMAN * 5]
    description = json.loads((tmp_path / "german.json").read_text())
    assert description["licence"] == "ODC-By 1.0"
    assert description["hub"]["config"] == "deu_Latn"
    assert fetch("german", tmp_path) == file


def test_the_second_of_two_package_names_is_taken(commands: Path, tmp_path: Path) -> None:
    script = 'for last; do :; done; [ "$last" = new ] && : > new_2_all.deb || exit 1'
    write_command(commands, "apt-get", script)
    name, file = package_file(("old", "new"), tmp_path / "debs", lambda _: None)
    assert (name, file.name) == ("new", "new_2_all.deb")
    write_command(commands, "apt-get", "exit 1")
    assert package_file(("old", "new"), tmp_path / "debs", lambda _: None)[1] == file


def write_corpus(folder: Path, text: str) -> Path:
    file = folder / "german.jsonl"
    file.write_text(text)
    description = {"sha256": hashlib.sha256(text.encode()).hexdigest()}
    (folder / "german.json").write_text(json.dumps(description))
    return file


def test_a_fetched_corpus_is_returned_at_once(commands: Path, tmp_path: Path) -> None:
    write_command(commands, "apt-get", "exit 1")
    file = write_corpus(tmp_path, '{"text": "Hallo"}\n')
    assert fetch("german", tmp_path) == file


def test_a_changed_corpus_is_refused_and_kept(commands: Path, tmp_path: Path) -> None:
    write_command(commands, "apt-get", "exit 1")
    file = write_corpus(tmp_path, '{"text": "Hallo"}\n')
    file.write_text("mine")
    with pytest.raises(InputError, match=r"changed or damaged .* Remove it .*german\.text"):
        fetch("german", tmp_path)
    (tmp_path / "german.json").unlink()
    with pytest.raises(InputError, match="no description"):
        fetch("german", tmp_path)
    assert file.read_text() == "mine"


def test_unknown_names_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Known are english, german"):
        fetch("klingon", tmp_path)
    assert {"english", "german", "python-docs", "kernel-docs", "dictionary"} <= set(names())


def make_package(commands: Path, cache: Path) -> Corpus:
    """A package `thing`, "unpacked" by a fake dpkg-deb, with one document of German."""
    cache.mkdir()
    (cache / "thing_1.0_all.deb").touch()
    text = (GERMAN * 4).strip()
    script = (
        f'if [ "$1" = --field ]; then echo 1.0; else mkdir "$3/t"; echo "{text}" > "$3/t/a"; fi'
    )
    write_command(commands, "dpkg-deb", script)
    source = Source(package=("thing",), path="t", include=("*",), kind="fortune")
    return Corpus(description="", licence="", language="german", sources=(source,))


def test_text_is_held_against_the_known_sha256(commands: Path, tmp_path: Path) -> None:
    corpus = make_package(commands, tmp_path / "debs")
    said: list[str] = []
    fetched = from_debian("thing", corpus, tmp_path / "debs", said.append)
    assert fetched.origin == {"packages": {"thing": "1.0"}}
    assert "not know the text of thing 1.0" in said[-1]

    def known(sha256: str) -> Corpus:
        return corpus.model_copy(
            update={"known": (Known(versions={"thing": "1.0"}, sha256=sha256),)}
        )

    right = known(fetched.selection.sha256)
    assert from_debian("thing", right, tmp_path / "debs", print).selection == fetched.selection
    with pytest.raises(InputError, match=f"has sha256 {fetched.selection.sha256}, where 00 is"):
        from_debian("thing", known("00"), tmp_path / "debs", print)


def test_a_damaged_package_leaves_the_cache(commands: Path, tmp_path: Path) -> None:
    corpus = make_package(commands, tmp_path / "debs")
    write_command(commands, "dpkg-deb", '[ "$1" = --field ] && echo 1.0 || exit 2')
    with pytest.raises(NotObtainable, match="damaged file was removed"):
        from_debian("thing", corpus, tmp_path / "debs", lambda _: None)
    assert not list((tmp_path / "debs").iterdir())


def test_real_sayings_out_of_a_debian_package(tmp_path: Path) -> None:
    """The smallest real package, through apt-get, dpkg-deb, extraction and the German filter."""
    source = next(s for s in load_catalogue()["german"].sources if s.package == ("fortunes-de",))
    try:
        package, file = package_file(source.package, debian.cache_folder(), lambda _: None)
    except NotObtainable as problem:
        pytest.skip(f"fortunes-de cannot be downloaded here: {problem}")
    debian.unpack(file, tmp_path)
    selection = select(source_documents(source, tmp_path, package), "german")
    texts = [json.loads(line)["text"] for line in selection.data.splitlines()]
    assert len(texts) > 500
    assert sum(map(len, texts)) > 2_000_000
    assert any("Goethe" in text for text in texts)
    assert sum(map(is_mostly_english, texts)) < len(texts) // 100
