"""classes.yaml: what a person says of the clusters of a run. Written by `segpipe name`, edited by hand, read by all.

The file lies in the run's directory beside the artefacts. It is no artefact: nothing but `segpipe name` writes it, and
`segpipe name` keeps what a person wrote.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from segpipe.base import files
from segpipe.base.errors import UsageError
from segpipe.base.outside import read_outside
from segpipe.base.shown import quoted, shorten, uncurled
from segpipe.base.yaml_text import compose
from segpipe.records.class_names import Color, Entry, Naming, NamingError
from segpipe.records.legend import Legend, guided_legend, plain_legend
from segpipe.records.palette import hex_color
from segpipe.store.clusters import own_splits, whole_clustering
from segpipe.store.guide import open_guide
from segpipe.store.run_dir import RunDir
from segpipe.store.yaml_comments import TAIL, Comments, Place, below, find_comments

CLASSES = "classes.yaml"
"""The file's name in a run."""

_HEAD = """\
# What the clusters of this run are called on maps and in tables. Edit it, then run `segpipe run` as before, or
# `segpipe export`, `segpipe cover` and `segpipe report`: nothing before them runs again. `segpipe name` keeps what you
# wrote.
#
#   name        the class; clusters of the same name are one class; "" = not named yet, shown as "cluster 3"
#   color       "#rrggbb", in quotes; a class of several clusters has the color of the first of them
#   merge_into  the number of a cluster, or a name: this cluster becomes part of that class; empty = of its own
#   ignore      true: not on the map and in no share (shadows, measuring tape, the diver's hand)
#   share, picture  for you to look at: share of all pixels with a cluster, its best patches; not read again
"""
_SPOKEN = "# the clusters spoken of; leave it as it is"
_FIELDS = ("name", "color", "merge_into", "ignore", "share", "picture")
_TOP = ("clustering", "clusters")
_LARGEST = 1 << 24  # bytes; the file of 65,535 clusters has 13 million
_TRUE, _FALSE, _EMPTY = ("true", "yes", "on"), ("false", "no", "off", "", "null", "~"), ("", "null", "~")


@dataclass(frozen=True, slots=True)
class Written:
    """The file as it was read."""

    path: Path
    naming: Naming
    lines: Mapping[tuple[int | None, str], int]
    """Where each cluster (field empty) and each of its fields stands, lines from 1; (None, "") is `clusters:`."""
    comments: Comments
    """What a person wrote behind #."""

    def legend(self, clusters: int) -> Legend:
        """The classes that are meant, of so many clusters.

        Raises:
            UsageError: what is written cannot be meant; names file, line and value.
        """
        try:
            return self.naming.legend(clusters)
        except NamingError as error:
            place = error.cluster, error.field
            line = self.lines.get(place) or self.lines.get((error.cluster, "")) or self.lines[None, ""]
            whose = "" if error.cluster is None or not error.field else f"cluster {error.cluster}, {error.field}: "
            raise UsageError(f"{self.path}:{line}: {whose}{error}") from error


def open_legend(run_dir: RunDir, clusters: int, *, whole: bool = False) -> Legend:
    """What the clusters of a run's masks are called: by classes.yaml where there is one, else by the guide, or number.

    Args:
        run_dir: the run.
        clusters: how many its masks have.
        whole: whether clusters that are to be left out of the map are in the legend all the same.

    Raises:
        UsageError: the file is wrong, or speaks of clusters that the run had before.
    """
    path = run_dir.root / CLASSES
    if not path.exists():
        guide = open_guide(run_dir)
        return plain_legend(clusters) if guide is None else guided_legend(guide.names, clusters)
    written = load_naming(path)
    if not speaks_of(written.naming, clustering(run_dir)):
        raise UsageError(
            f"{path}:1: speaks of clusters that this run no longer has; `segpipe name {run_dir.root}` carries the "
            "names over to those that it has now, or take the file away"
        )
    if whole:
        entries = {k: replace(entry, ignore=False) for k, entry in written.naming.entries.items()}
        written = replace(written, naming=replace(written.naming, entries=entries))
    return written.legend(clusters)


def clustering(run_dir: RunDir) -> str:
    """The fingerprint of the run's clusters, split ones too; empty where its manifest does not say."""
    whole, splits = whole_clustering(run_dir), own_splits(run_dir)
    parts = [[split.cluster, split.centers.tolist(), split.members.tolist()] for split in splits]
    return files.digest([whole, parts]) if splits else whole


def speaks_of(naming: Naming, found: str) -> bool:
    """Whether a naming is of these clusters, as far as both sides know."""
    return not naming.clustering or not found or naming.clustering == found


def load_naming(path: Path) -> Written:
    """Read the file; what is written is checked line by line, whether it makes sense as a whole by `Written.legend`.

    Raises:
        UsageError: one line with file, line, value and way out.
    """
    text, whole = _compose(path)
    top = _mapping(whole, path, "the file", _TOP)
    if "clusters" not in top:
        raise UsageError(f"{path}:1: has no `clusters:`; take it away and let `segpipe name` write it again")
    entries: dict[int, Entry] = {}
    lines: dict[tuple[int | None, str], int] = {(None, ""): _line(top["clusters"][0])}
    for name, (key, node) in _mapping(top["clusters"][1], path, "clusters", None).items():
        if not re.fullmatch(r"\d{1,5}", name):
            raise UsageError(f"{path}:{_line(key)}: {quoted(name)} is no cluster; clusters are numbers from 0")
        cluster = int(name)
        if cluster in entries:
            raise UsageError(f"{path}:{_line(key)}: cluster {cluster} stands there twice; keep one of the two")
        fields = _mapping(node, path, f"cluster {cluster}", _FIELDS)
        lines[cluster, ""] = _line(key)
        lines.update({(cluster, field): _line(place) for field, (place, _) in fields.items()})
        entries[cluster] = _entry({field: value for field, (_, value) in fields.items()}, path, cluster, key)
    known = top["clustering"][1].value if "clustering" in top else ""
    if not isinstance(known, str):
        raise UsageError(f"{path}:{_line(top['clustering'][0])}: clustering must be one value; take the line away")
    places: dict[Place, int] = dict(lines)
    if "clustering" in top:
        places[None, "clustering"] = _line(top["clustering"][0])
    comments = find_comments(text, whole, places, ours={*_HEAD.splitlines(), _SPOKEN})
    _check_numbers(path, top["clusters"][1], lines, comments)
    return Written(path, Naming(entries, known), lines, comments)


def _check_numbers(path: Path, clusters: Any, lines: Mapping[Place, int], comments: Comments) -> None:
    """Refuse `sand #1` without quotes: YAML reads it as sand, and two of them as one class."""
    for key, node in clusters.value:
        for field, value in node.value:
            place = int(key.value), field.value
            comment = comments.beside.get(place, "")
            if field.value in ("name", "merge_into") and _plain(value) and re.fullmatch(r"#\d+", comment):
                said = f"{value.value} {comment}"
                raise UsageError(
                    f"{path}:{lines[place]}: cluster {place[0]}, {field.value}: without quotes {quoted(said)} is "
                    f'{quoted(value.value)} and a comment; write "{said}", or a space behind #'
                )


def _compose(path: Path) -> tuple[str, Any]:
    text = read_outside(path, most=_LARGEST, what="file of names", way_out="`segpipe name` writes it")
    return text, compose(text, path, way_out="put names in quotes, indent with spaces")


def _mapping(node: Any, path: Path, what: str, known: Sequence[str] | None) -> dict[str, tuple[Any, Any]]:
    """Keys to (key node, value node)."""
    if not isinstance(node, yaml.MappingNode):
        line = _line(node) if node is not None else 1
        wanted = " with fields such as `name: sand`" if known == _FIELDS else ""
        raise UsageError(f"{path}:{line}: {what} must be a block of `key: value` lines{wanted}")
    found: dict[str, tuple[Any, Any]] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise UsageError(f"{path}:{_line(key)}: {what}: what stands before a colon must be one word or number")
        name = str(key.value)
        if known is not None and name not in known:
            close = difflib.get_close_matches(shorten(name), known, 1)
            hint = f"did you mean {close[0]}?" if close else f"fields are {', '.join(known)}"
            raise UsageError(f"{path}:{_line(key)}: {what}: {quoted(name)} is not a field; {hint}")
        if name in found:
            first = _line(found[name][0])
            shown = shorten(name, 40)
            raise UsageError(
                f"{path}:{_line(key)}: {what}: {shown} stands on line {first} already; keep one of the two"
            )
        found[name] = key, value
    return found


def _entry(nodes: Mapping[str, Any], path: Path, cluster: int, key: Any) -> Entry:
    for field, node in nodes.items():
        if not isinstance(node, yaml.ScalarNode):
            raise UsageError(
                f"{path}:{_line(node)}: cluster {cluster}, {field}: must be one value; put it in quotes if it holds "
                "brackets or a colon"
            )
    if "color" not in nodes:
        raise UsageError(f'{path}:{_line(key)}: cluster {cluster} has no color; add color: "#808080"')
    return Entry(
        _color(nodes["color"], path, cluster),
        _name(nodes["name"], path, cluster) if "name" in nodes else "",
        _merge(nodes["merge_into"], path, cluster) if "merge_into" in nodes else None,
        _flag(nodes["ignore"], path, cluster) if "ignore" in nodes else False,
    )


def _name(node: Any, path: Path, cluster: int, field: str = "name") -> str:
    if _plain(node) and node.value in _EMPTY:
        return ""
    name = " ".join(node.value.split())
    name = uncurled(name) if _plain(node) else name
    if not name.isprintable():
        raise UsageError(
            f"{path}:{_line(node)}: cluster {cluster}, {field}: {quoted(name)} holds letters that no one can see"
        )
    return name


def _color(node: Any, path: Path, cluster: int) -> Color:
    text = uncurled(node.value.strip())
    found = re.fullmatch(r"#?([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", text)
    if not found:
        why = "is empty: without quotes # begins a comment" if not text else f"{quoted(text)} is no color"
        raise UsageError(f'{path}:{_line(node)}: cluster {cluster}, color: {why}; write "#rrggbb", such as "#1f77b4"')
    red, green, blue = (int(part, 16) for part in found.groups())
    return red, green, blue


def _merge(node: Any, path: Path, cluster: int) -> int | str | None:
    if _plain(node) and re.fullmatch(r"\d{1,9}", node.value):
        return int(node.value)
    return _name(node, path, cluster, "merge_into") or None


def _flag(node: Any, path: Path, cluster: int) -> bool:
    value = node.value.lower()
    if value not in (*_TRUE, *_FALSE):
        raise UsageError(
            f"{path}:{_line(node)}: cluster {cluster}, ignore: {quoted(node.value)} is neither true nor false"
        )
    return value in _TRUE


def _plain(node: Any) -> bool:
    return node.style is None


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def naming_text(
    naming: Naming, shares: Mapping[int, float], pictures: Mapping[int, str], comments: Comments | None = None
) -> str:
    """The file's text; `load_naming` reads it back.

    Args:
        naming: what is said of the clusters.
        shares: of all pixels with a cluster, by cluster.
        pictures: paths of pictures from the run's directory, by cluster.
        comments: of a person, by their places.
    """
    said = comments or Comments()
    lines = [_HEAD]

    def write(place: Place, text: str, indent: int) -> None:
        lines.extend(" " * indent + comment for comment in said.above.get(place, ()))
        if text:
            lines.append(" " * indent + text + (f"  {said.beside[place]}" if place in said.beside else ""))

    write((None, "clustering"), f"clustering: {_quoted(naming.clustering)}  {_SPOKEN}", 0)
    write((None, ""), "clusters:", 0)
    for k, entry in sorted(naming.entries.items()):
        into = entry.merge_into
        target = "" if into is None else f" {into}" if isinstance(into, int) else f" {_quoted(into)}"
        write((k, ""), f"{k}:", 2)
        write((k, "name"), f"name: {_quoted(entry.name)}", 4)
        write((k, "color"), f'color: "{hex_color(entry.color)}"', 4)
        write((k, "merge_into"), f"merge_into:{target}", 4)
        write((k, "ignore"), f"ignore: {str(entry.ignore).lower()}", 4)
        write((k, "share"), f"share: {100 * shares.get(k, 0.0):.2f}%", 4)
        write((k, "picture"), f"picture: {_quoted(pictures.get(k, ''))}", 4)
        write(below(k), "", 4)
    write(TAIL, "", 0)
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**9).strip()


def save_naming(path: Path, text: str) -> bool:
    """Write the file where it differs from what is there, which is kept beside it as classes.yaml.before.

    Returns:
        Whether anything was written.
    """
    old = path.read_bytes() if path.exists() else None
    if old == text.encode("utf-8"):
        return False
    if old is not None:
        files.write_bytes(path.with_name(f"{path.name}.before"), old)
    files.write_text(path, text)
    return True
