"""Answers of a started server, asked as a browser asks: pictures against what the stores hold, and hostile requests."""

from __future__ import annotations

import io
import json
import random
import shutil
import string
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image as Pillow

from segpipe.commands.view.server import make_app
from segpipe.images.corpus_reader import read_original
from segpipe.pipeline import open_run
from segpipe.store import masks
from segpipe.store.corpus import load_corpus
from tests.helpers.view_run import IMAGES, Client, K, client_of, copied

JSON = {"Content-Type": "application/json"}


def picture(body: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(body)))


def clusters_in(body: bytes) -> np.ndarray:
    rgb = picture(body).astype(int)
    return rgb[..., 0] * 256 + rgb[..., 1]


def test_the_catalog_lists_images_and_the_tree(client: Client) -> None:
    assert make_app.__doc__
    found = client.get("/a/api/run").json
    assert found["clusters"] == K
    assert found["notes"] == []
    assert {len(column) for column in found["images"].values()} == {IMAGES}
    assert found["tree"]["k"] == K
    assert all(len(classes) == found["tree"]["leaves"] for classes in found["tree"]["cuts"].values())


def test_photographs_and_masks_are_those_of_the_run(client: Client, finished: Path) -> None:
    run_dir = open_run(finished)
    corpus, directory = load_corpus(run_dir.path("corpus")), run_dir.path("masks")
    for number, image in enumerate(corpus.images):
        last = client.get("/a/api/run").json["images"]
        assert (last["height"][number], last["width"][number]) == (image.size.height, image.size.width)
        level = (-(-max(image.size.height, image.size.width) // 256) - 1).bit_length()
        found = clusters_in(client.get(f"/a/tile/index/{number}/{level}/0/0.png?v=1").body)
        mask = masks.read_mask(masks.mask_path(directory, image.id))
        assert (found == mask[:256, :256]).all()
        photograph = picture(client.get(f"/a/tile/photo/{number}/{level}/0/0.jpg?v=1").body)
        original = read_original(corpus, image).rgb[:256, :256]
        assert np.abs(photograph.astype(int) - original).mean() < 8


def test_smaller_levels_show_pixels_of_the_mask(client: Client, finished: Path) -> None:
    run_dir = open_run(finished)
    corpus = load_corpus(run_dir.path("corpus"))
    number = next(i for i, image in enumerate(corpus.images) if max(image.size.height, image.size.width) > 256)
    mask = masks.read_mask(masks.mask_path(run_dir.path("masks"), corpus.images[number].id))
    found = clusters_in(client.get(f"/a/tile/index/{number}/0/0/0.png").body)
    rows, cols = (np.minimum(np.arange(n) * 2 + 1, size - 1) for n, size in zip(found.shape, mask.shape, strict=True))
    assert (found == mask[np.ix_(rows, cols)]).all()
    thumb = clusters_in(client.get(f"/a/thumb/{number}.png").body)
    assert max(thumb.shape) == 160
    assert set(np.unique(thumb)) <= set(np.unique(mask))


def test_places_patches_and_likeness(client: Client) -> None:
    best = client.get("/a/api/best/1").json
    assert best["patches"]
    assert [share for _, share in best["images"]] == sorted((s for _, s in best["images"]), reverse=True)
    one = best["patches"][0]
    box = "/".join(str(one[name]) for name in ("image", "top", "left", "height", "width"))
    assert picture(client.get(f"/a/patch/{box}.jpg").body).shape[2] == 3
    similar = client.get("/a/api/similar?image=0&row=40&col=40&k=5").json["places"]
    assert len(similar) == 5
    assert similar[0]["image"] == 0
    heat = picture(client.get("/a/tile/heat/0/0/0/0.png?at=0,40,40").body)
    assert heat.max() > 100
    assert (heat[..., 0] == heat[..., 2]).all()
    leaf = clusters_in(client.get("/a/tile/leaf/0/0/0/0.png").body)
    assert leaf.max() < client.get("/a/api/run").json["tree"]["leaves"]
    at = client.get("/a/api/at?image=0&row=40&col=40").json
    assert 0 <= at["cluster"] < K
    assert 0 <= at["margin"] <= 1
    suggested = client.get("/a/api/suggest?k=4").json["places"]
    assert len(suggested) == 4
    for place in suggested:
        assert client.get(f"/a/api/at?image={place['image']}&row={place['row']}&col={place['col']}").status == 200


def test_a_name_is_written_from_the_page_and_undone(reef: Path) -> None:
    with client_of(reef) as client:
        answer = client.do("name", cluster=1, name="<img src=x onerror=alert(1)>")
        assert answer.status == 200
        assert answer.json["state"]["classes"][1]["name"] == "<img src=x onerror=alert(1)>"
        assert answer.json["state"]["undo"]
        assert client.do("undo").json["state"]["undo"] is None
        refused = client.do("merge", cluster=1, into=1)
        assert (refused.status, list(refused.json)) == (400, ["error"])


def test_the_run_beside_takes_no_action(finished: Path, reef: Path) -> None:
    with client_of(reef, beside=finished) as client:
        assert client.get("/b/api/run").json["name"] == finished.name
        assert client.get("/a/api/run").json["beside"] is True
        answer = client.ask("POST", "/b/api/do", b'{"action": "undo"}', JSON)
        assert answer.status == 405
    with client_of(finished) as client:
        assert client.get("/b/api/state").status == 404


def test_a_change_by_another_command_is_seen(reef: Path) -> None:
    with client_of(reef) as client:
        first = client.get("/a/api/state").json
        assert client.get("/a/api/state").json["version"] == first["version"]
        (reef / "points.csv").write_text("image,row,column,label\nreef 00.jpg,3,4,sand\n")
        second = client.get("/a/api/state").json
        assert second["version"] > first["version"]
        assert [point["label"] for point in second["points"]] == ["sand"]
        assert second["artefacts"] == first["artefacts"]
        index = reef / "masks" / "index.jsonl"
        index.write_bytes(index.read_bytes() + b"\n")
        assert client.get("/a/api/state").json["artefacts"] != first["artefacts"]


@pytest.mark.parametrize("gone", ["masks", "clusters", "features", "head", "corpus"])
def test_a_run_that_is_half_done_opens_with_what_it_has(reef: Path, gone: str) -> None:
    shutil.rmtree(reef / gone)
    with client_of(reef) as client:
        found = client.get("/a/api/run")
        assert found.status == 200
        assert any(gone in note or "not run yet" in note for note in found.json["notes"]), found.json["notes"]
        assert client.get("/a/api/state").status == 200
        for path in ("photo/0/0/0/0.jpg", "index/0/0/0/0.png", "leaf/0/0/0/0.png", "heat/0/0/0/0.png?at=0,4,4"):
            answer = client.get(f"/a/tile/{path}")
            assert answer.status in (200, 404, 409), (path, answer.body)
        for path in ("best/0", "similar?image=0&row=4&col=4", "suggest?k=3", "at?image=0&row=4&col=4"):
            answer = client.get(f"/a/api/{path}")
            assert answer.status in (200, 404, 409), (path, answer.body)
        if gone != "corpus":
            assert client.get("/a/tile/photo/0/0/0/0.jpg").status == 200


@pytest.mark.parametrize(
    "name",
    ["masks/header.json", "masks/index.jsonl", "clusters/tree.npz", "clusters/clusters.npz", "head/head.safetensors",
     "corpus/corpus.jsonl", "manifest.json", "config.yaml"],
)  # fmt: skip
def test_damaged_files_are_told_by_a_line(reef: Path, name: str) -> None:
    with client_of(reef) as client:
        path = reef / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + b"\x00{")
        for asked in ("run", "state", "best/0", "similar?image=0&row=4&col=4", "suggest", "at?image=0&row=4&col=4"):
            answer = client.get(f"/a/api/{asked}")
            assert answer.status in (200, 404, 409), (asked, answer.body)
            assert "Traceback" not in answer.body.decode()
        for kind, ending in (("photo", "jpg"), ("index", "png"), ("leaf", "png")):
            assert client.get(f"/a/tile/{kind}/0/0/0/0.{ending}").status in (200, 404, 409)
        answer = client.do("name", cluster=0, name="sand")
        assert answer.status in (200, 409), answer.body


def test_a_classes_file_that_is_wrong_is_told_and_mended(reef: Path) -> None:
    with client_of(reef) as client:
        client.do("name", cluster=0, name="sand")
        path = reef / "classes.yaml"
        good = path.read_text()
        path.write_text(good.replace("merge_into:", "merge_into: nowhere", 1))
        state = client.get("/a/api/state").json
        assert "classes.yaml:" in state["error"]
        assert client.do("name", cluster=1, name="mud").status == 409
        path.write_text(good)
        assert client.get("/a/api/state").json["error"] is None


ODD = ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e", "-1", "1e9", "99999999999999999999", "0x1", "%00", "NaN",
       "'", "<script>", "٣", "", " ", "1;2", "0/../../..", "\\..\\", "%ff", "true", "[0]"]  # fmt: skip
SHAPES = ["/a/tile/photo/{}/{}/{}/{}.jpg", "/a/tile/index/{}/{}/{}/{}.png", "/a/tile/leaf/{}/{}/{}/{}.png",
          "/a/tile/heat/{}/{}/{}/{}.png?at=0,{},1", "/a/thumb/{}.jpg", "/a/thumb/{}.png", "/a/patch/{}/{}/{}/{}/{}.jpg",
          "/a/api/best/{}", "/a/api/similar?image={}&row={}&col={}&k={}", "/a/api/at?image={}&row={}&col={}",
          "/a/api/suggest?k={}", "/static/{}", "/{}", "/{}/{}", "/a/{}", "/a/api/{}", "/b/api/{}"]  # fmt: skip


def fuzzed(chance: random.Random) -> tuple[str, str, bytes | None]:
    """One request that is wrong, or may be."""
    if chance.random() < 0.25:
        names = ["action", "cluster", "into", "name", "color", "k", "label", "image", "row", "col", "id", "ignore"]
        values: list[Any] = [None, True, -1, 10**30, 0.5, "", "x" * 300, [], {}, "../..", "\ud800", float("inf")]
        kinds = ["name", "color", "merge", "unmerge", "ignore", "point", "unpoint", "keep_k", "split", "x", None, []]
        body = {name: chance.choice(values) for name in names if chance.random() < 0.5}
        body["action"] = chance.choice(kinds)
        text = json.dumps(body).encode()
        return "POST", "/a/api/do", text if chance.random() < 0.8 else text[: chance.randrange(len(text))]
    shape = chance.choice(SHAPES)
    noise = "".join(chance.choices(string.printable.replace(" ", "").strip(), k=8)).replace("#", "")
    odd = [chance.choice([*ODD, noise]) for _ in range(shape.count("{}"))]
    path = shape.format(*odd)
    return chance.choice(["GET", "GET", "GET", "HEAD"]), "".join(c for c in path if c > " " and c != "\x7f"), None


def test_a_thousand_odd_requests_are_refused_and_change_nothing(finished: Path, tmp_path: Path) -> None:
    reef = copied(finished, tmp_path)
    chance = random.Random(7)
    with client_of(reef) as client:
        before = sorted(str(path.relative_to(reef)) for path in reef.rglob("*"))
        seen = dict[int, int]()
        for _ in range(1000):
            method, path, body = fuzzed(chance)
            answer = client.ask(method, quote(path, string.printable), body, JSON if body is not None else None)
            seen[answer.status] = seen.get(answer.status, 0) + 1
            assert 400 <= answer.status < 500 or is_harmless(path, answer.status), (method, path, body, answer.body)
            assert b"Traceback" not in answer.body
        assert sum(count for status, count in seen.items() if 400 <= status < 500) > 900, seen
        assert client.get("/a/api/state").status == 200
        assert sorted(str(path.relative_to(reef)) for path in reef.rglob("*")) == before


def is_harmless(path: str, status: int) -> bool:
    """A request that happened to be right: numbers that are small, a query that leaves out what has a default."""
    return status == 200 and ("suggest" in path or "best" in path or path in ("/", "//"))
