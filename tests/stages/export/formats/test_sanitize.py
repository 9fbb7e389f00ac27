import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segpipe.base.printable import readable
from segpipe.stages.export.formats.sanitize import distinct, unique

RESERVED = [(0, 0, 0), (255, 255, 255)]


@given(st.lists(st.sampled_from(["sand", "SAND", "sand 2", "fid", "ß", "ss", "rock"]), max_size=12))
def test_no_two_names_are_alike(names):
    made = unique(names, taken=["fid"])
    folded = [name.casefold() for name in made]
    assert len(set(folded)) == len(names)
    assert "fid" not in folded
    seen = {"fid"}
    for name, new in zip(names, made, strict=True):
        assert new == name or name.casefold() in seen
        assert new.startswith(name)
        seen.add(new.casefold())


@given(arrays(np.uint8, st.tuples(st.integers(0, 9), st.just(3)), elements=st.sampled_from([0, 1, 255])))
def test_no_two_colors_are_alike(colors):
    made = distinct(colors, RESERVED)
    rows = [tuple(color) for color in made.tolist()]
    assert len(set(rows)) == len(rows)
    assert not set(rows) & set(RESERVED)
    for k, (old, new) in enumerate(zip(map(tuple, colors.tolist()), rows, strict=True)):
        first = old not in RESERVED and old not in [tuple(c) for c in colors[:k].tolist()]
        assert (new == old) == first


@given(st.binary(max_size=9))
def test_any_file_name_becomes_text(name):
    text = readable(name.decode("utf-8", "surrogateescape"))
    text.encode("utf-8")
    if b"?" not in name and "?" not in text:
        assert text.encode("utf-8") == name
