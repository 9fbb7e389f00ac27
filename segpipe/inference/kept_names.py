"""Names that a person gave, kept where the clusters of a run have changed: carried over by pixels, once masks exist."""

from __future__ import annotations

from segpipe.base.runtime import Runtime
from segpipe.inference import carry_over as parts
from segpipe.inference.class_gallery import open_inputs
from segpipe.records.legend import plain_legend
from segpipe.store import masks
from segpipe.store.class_names import CLASSES, clustering, load_naming, naming_text, save_naming, speaks_of
from segpipe.store.corpus import load_corpus
from segpipe.store.run_dir import RunDir


def keep_names(run_dir: RunDir, runtime: Runtime) -> list[str]:
    """Bring classes.yaml over to the clusters that the masks of a run have now; the caller holds the run's lock.

    The pictures of the clusters are drawn anew. What was written before is kept as classes.yaml.before.

    Returns:
        What happened, a line each; nothing where the file speaks of these clusters, or there is none.

    Raises:
        UsageError: the file is wrong.
        CorpusError: an image file is gone.
    """
    path = run_dir.root / CLASSES
    if not path.exists():
        return []
    written = load_naming(path)
    if speaks_of(written.naming, clustering(run_dir)):
        return []
    with run_dir.draft((CLASSES, f"{CLASSES}.before")) as draft:
        before, after = parts.load_seen(run_dir.root), seen_now(draft)
        carried = parts.carry(written.naming, before, after)
        draw_clusters(run_dir, draft, before, after, runtime)
        pixels, _ = masks.count_pixels(masks.load_index(draft.path("masks")), classes=after.clusters)
        shares = {k: float(pixels[k] / max(1, pixels.sum())) for k in range(after.clusters)}
        comments = written.comments.moved(dict(carried.origin))
        save_naming(
            draft.root / CLASSES,
            naming_text(carried.naming, shares, parts.picture_names(after.clusters), comments),
        )
    return tell(carried)


def seen_now(run_dir: RunDir) -> parts.Seen:
    """Which cluster some places of the images have by the masks of a run."""
    directory = run_dir.path("masks")
    corpus = load_corpus(run_dir.path("corpus"))
    return parts.look(directory, corpus, int(masks.load_header(directory)["classes"]), clustering(run_dir))


def draw_clusters(
    run_dir: RunDir, draft: RunDir, before: parts.Seen | None, after: parts.Seen, runtime: Runtime
) -> None:
    """Pictures of the clusters, into a draft of the run, where it has none of them; and which masks they are of."""
    same = before is not None and before.clustering == after.clustering
    drawn = all((run_dir.root / name).exists() for name in parts.picture_names(after.clusters).values())
    if not same or not drawn or parts.load_fixed(run_dir.root) is None:
        parts.draw_gallery(open_inputs(draft, plain_legend(after.clusters)), draft.root, runtime)
    parts.save_seen(after, draft.root)


def tell(carried: parts.Carried) -> list[str]:
    """What became of the names, a line each."""
    notes = []
    if carried.moved:
        moved = ", ".join(f"{was} is {now} now" for was, now in carried.moved.items())
        notes.append(f"clusters kept their entries under other numbers: {moved}")
    if carried.added:
        notes.append(f"new clusters, not named yet: {', '.join(map(str, carried.added))}")
    if carried.removed:
        gone = ", ".join(f"{k} ({entry.name})" if entry.name else str(k) for k, entry in carried.removed.items())
        notes.append(f"clusters that are there no more, their entries taken out: {gone}")
    notes += [f"cluster {k}: what it was merged into is there no more; merge_into is empty" for k in carried.loose]
    if notes:
        notes.append(f"what was written before is kept in {CLASSES}.before")
    return notes
