"""Cover of films: written where there are some, and only there."""

from segpipe.records.cover import Cover, Part
from segpipe.records.film_cover import FilmCover, Span


def cover(films):
    return Cover(
        legend="x", classes=["sand"], colors=["#ff0000"], weight="pixels", unit="image", by="folder", draws=500,
        whole=Part(name="all", images=3, shares=[]), sites=[], images=[], films=films,
    )  # fmt: skip


def test_films_come_back_as_they_were_and_are_not_written_where_there_are_none():
    span = Span(second=1.5, frames=2, scenes=1, shares=[None])
    whole = Span(second=0.0, frames=2, scenes=2, shares=[0.5], low=[0.25], high=[1.0])
    film = FilmCover(film="odd \udcff.mp4", step=1.0, seconds=3.0, spans=[span], whole=whole, note="2 scenes")
    found = cover([film])
    assert Cover.model_validate_json(found.model_dump_json(indent=1)) == found
    assert found.films[0].film == "odd ?.mp4"
    plain = cover([])
    assert "films" not in plain.model_dump_json(indent=1)
    assert "films" not in plain.model_dump()
    assert Cover.model_validate_json(plain.model_dump_json()) == plain
