"""The figure of cover: every class and site by its name, and a caption that says what is shown."""

import pytest

from segpipe.plots.cover import SITES, cover_plot, cover_png
from segpipe.records.cover import Corrected, Correction, Cover, Part, Share
from tests.helpers.svg import texts

CLASSES = ["live coral", "sand"]


def part(name: str, images: int = 3) -> Part:
    rows = [
        Share(number=k, name=label, share=share, low=share / 2, high=share * 1.1, pixels=10)
        for k, (label, share) in enumerate(zip(CLASSES, (0.25, 0.75), strict=True))
    ]
    return Part(name=name, images=images, shares=rows)


def cover(sites: int, correction: Correction | None = None, weight: str = "pixels") -> Cover:
    return Cover(
        legend="x", classes=CLASSES, colors=["#ff0000", "#00ff00"], weight=weight, unit="image", by="folder", draws=500,
        whole=part("all"), sites=[part(f"site {i}") for i in range(sites)], images=[], correction=correction,
    )  # fmt: skip


@pytest.mark.parametrize(("sites", "panels"), [(0, 1), (1, 1), (2, 3), (SITES + 3, SITES + 1)])
def test_a_panel_for_all_images_and_for_each_site_up_to_a_limit(sites: int, panels: int) -> None:
    plot = cover_plot(cover(sites))
    titles = [text for text in texts(plot.svg) if text.endswith("(3)")]
    assert titles[0] == "all images (3)"
    assert len(titles) == panels
    assert plot.wide == (panels > 1)
    assert (f"Shown are {SITES} of {sites} sites" in plot.caption) == (sites > SITES)
    assert set(CLASSES) <= set(texts(plot.svg))


def test_the_caption_names_what_was_resampled_and_what_counts() -> None:
    caption = cover_plot(cover(0)).caption
    assert caption.startswith("Share of each class of the pixels;")
    assert "Lines are 95% intervals by resampling images (500 times)" in caption
    assert cover_plot(cover(0, weight="square meters")).caption.startswith("Share of each class of the ground;")


def test_corrected_shares_are_diamonds() -> None:
    label = Corrected(
        label="Sand", pixels=9, raw=0.75, share=0.6, low=0.5, high=0.7, standard_error=0.1, labelled=0.5, found=0.5
    )
    correction = Correction(
        images=3, pixels=9, outside=0, unseen=0, unseen_classes=[], mean_error=None, labels=[label], confusion=[[9]]
    )
    plain, corrected = cover_plot(cover(0)), cover_plot(cover(0, correction))
    assert "Diamonds" not in plain.caption
    assert corrected.caption.endswith("Diamonds are the shares corrected by labelled pixels.")
    assert corrected.svg != plain.svg


def test_the_file_is_a_png() -> None:
    assert cover_png(cover(2))[:8] == b"\x89PNG\r\n\x1a\n"
