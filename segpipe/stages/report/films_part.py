"""What the report says of films: a part of its page, only where there are films."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segpipe.plots.html import Plot
from segpipe.plots.temporal_profile import profile_plot
from segpipe.records.film_scores import FilmScores, Steadiness, VideoScores
from segpipe.records.legend import Legend
from segpipe.stages.report.films import PROFILES, FilmLook
from segpipe.stages.report.text import plural

_LISTED = 40  # films in a table


@dataclass(frozen=True, slots=True)
class FilmsPart:
    """How steady the classes of films are, without labels."""

    note: str
    rows: Sequence[Mapping[str, Any]]
    """`flow_rows`."""
    profiles: Sequence[Plot]


@dataclass(frozen=True, slots=True)
class FilmScoresPart:
    """Scores over time, against labels."""

    note: str
    rows: Sequence[Mapping[str, Any]]
    """`film_score_rows`."""


def films_part(films: Sequence[FilmLook], legend: Legend) -> FilmsPart | None:
    """The part of the page; None without films."""
    if not films:
        return None
    return FilmsPart(films_note(films), flow_rows(films), list(_profiles(films, legend)))


def films_note(films: Sequence[FilmLook]) -> str:
    """How the numbers come about."""
    cuts = sum(film.cuts for film in films)
    left = f" {plural(cuts, 'pair')} at scene changes {'was' if cuts == 1 else 'were'} left out." if cuts else ""
    more = (
        f" Listed are {min(_LISTED, len(films))} of {len(films)} films, with profiles of {PROFILES}; report/films.json "
        "has the numbers of all."
        if len(films) > PROFILES
        else ""
    )
    return (
        "Each pixel of a frame is followed to the next frame that was taken, by optical flow (DIS); counted are those "
        "whose flow there and back agree. Kept: the share whose class is the same where they went. One class "
        "everywhere would keep 100%, so look at the others: without flow is the share that keeps its class in place, "
        "by chance the share with the class map of a frame half the film away. Above chance is (kept − chance) / "
        f"(1 − chance): 0 for one class everywhere, 100% where every pixel keeps its class.{left}{more}"
    )


def flow_rows(films: Sequence[FilmLook]) -> list[dict[str, Any]]:
    """A line per film: its frames, the pairs compared, and the shares."""
    return [
        {
            "film": film.name,
            "frames": film.frames,
            "pairs": film.pairs,
            "kept": film.flow.kept,
            "still": film.flow.still,
            "chance": film.flow.chance,
            "above": film.flow.above_chance,
            "followed": film.flow.followed,
        }
        for film in films[:_LISTED]
    ]


def _profiles(films: Sequence[FilmLook], legend: Legend) -> Iterator[Plot]:
    for film in films:
        if film.profile is None:
            continue
        count = len(film.profile.columns)
        of = f"all {count} frames" if count == film.frames else f"{count} of {film.frames} frames, evenly spread"
        caption = (
            f"The middle column of {of}, side by side: above its classes, below the picture. Where the picture is "
            "smooth from left to right and the classes are not, they flicker."
        )
        yield profile_plot(film.profile, legend, title=f"Temporal profile of {film.name}", caption=caption)


def film_scores_part(video: VideoScores | None) -> FilmScoresPart | None:
    """Scores of films against labels; None where none has any."""
    if video is None:
        return None
    missing = sorted({film.note for film in video.films if film.note})
    note = (
        "J is the intersection over union, F how well boundaries agree (DAVIS), means over frames and the classes of "
        "the film, under the one matching used for all images. VC8 and VC16 (VSPW): of the pixels whose label stands "
        "still for 8 or 16 frames, the share whose cluster does too; one cluster everywhere would have 100%. In "
        "brackets: with the right label all the while, and by chance, with frames in random order."
    )
    reasons = f" {'; '.join(missing)}." if missing else ""
    return FilmScoresPart(note + reasons, [_score_row(film) for film in video.films[:_LISTED]])


def _score_row(film: FilmScores) -> dict[str, Any]:
    means = {"j": film.mean.j, "f": film.mean.f, "jf": film.mean.jf}
    windows = {"vc8": _window(film.vc8), "vc16": _window(film.vc16)}
    return {"film": film.film, "labelled": film.labelled, **means, **windows}


def _window(found: Steadiness | None) -> Mapping[str, float] | None:
    return None if found is None else {"steady": found.steady, "right": found.right, "chance": found.chance}
