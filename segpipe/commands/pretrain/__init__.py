"""`segpipe pretrain`: a backbone from your own images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segpipe.base.options import Command, Face, Report
from segpipe.base.runtime import make_runtime
from segpipe.commands.pretrain.options import PretrainOptions

if TYPE_CHECKING:
    from segpipe.commands.pretrain.run import PretrainResult

EXAMPLES = """\
segpipe pretrain photos/ own --preview                      a sheet of the views it would learn from
segpipe pretrain photos/ own                                DINO, a small ViT from random weights
segpipe pretrain photos/ own --init dino_vits16 --lr 5e-5   go on from published weights
segpipe pretrain dive.mp4 own --method dora                 DoRA: objects followed through one long film
segpipe run photos/ RUN --backbone own                      and use it
torchrun --nproc-per-node 2 -m segpipe pretrain photos/ own
"""


def _work(options: PretrainOptions, face: Face) -> PretrainResult:
    from segpipe.commands.pretrain.run import pretrain

    return pretrain(options, make_runtime(options.device, options.workers, face.track))


def _report(done: PretrainResult, options: PretrainOptions) -> Report:
    if not done.main:
        return Report()
    if done.preview is not None:
        return Report([f"preview  {done.preview}"])
    lines = [f"backbone {done.out}  ({done.images} {_unit(options)}, {done.steps} steps{_loss(done)})"]
    if done.ended:
        lines.append(f"ended    {done.ended}")
    return Report(lines, skipped=done.rejected, listed_in=done.out / "rejected.jsonl")


def _unit(options: PretrainOptions) -> str:
    return "clips" if options.method == "dora" else "images"


def _loss(done: PretrainResult) -> str:
    losses = [row["loss"] for row in done.history if "loss" in row]
    return f", loss {losses[0]:.3f} to {losses[-1]:.3f}" if losses else ""


def _value(done: PretrainResult) -> dict[str, Any]:
    return {
        "backbone": str(done.out),
        "images": done.images,
        "steps": done.steps,
        "history": [dict(row) for row in done.history],
        "ended": done.ended,
        "rejected": {item.path: item.reason for item in done.rejected},
    }


COMMAND = Command(
    "pretrain",
    PretrainOptions,
    _work,
    _report,
    _value,
    returns="dict[str, Any]",
    returned="`backbone`, the folder to name as a backbone; `images` and `steps`, how many; `history`, the rows that "
    "were logged; `ended`, why it ended early; `rejected`, path to reason of what was skipped",
    examples=EXAMPLES,
    files={
        "OUT/backbone.safetensors": "the teacher in timm's names, float32, with its card in the metadata",
        "OUT/card.md": "what it was trained on, how, and its licence, for people",
        "OUT/card.json": "the same for programs",
        "OUT/settings.yaml": "all that decides the weights",
        "OUT/history.jsonl": "a row every ten steps: `step`, `loss`, `entropy` of the teacher and `mean_entropy`, "
        "`lr`, `weight_decay`, `momentum`, `teacher_temperature`, `gradient`, `images_per_second`, `memory_gb`; "
        "with dora `masked_loss`, `local_loss`, `kept_share`; where the features were judged `knn_agreement`, `rank`, "
        "`spread`",
        "OUT/curves.png": "loss, `knn_agreement` and `rank` over the steps, drawn anew with each checkpoint",
        "OUT/rejected.jsonl": "a skipped file a line: `path`, `reason`",
        "OUT/preview.png": "with `--preview`: views of some images, and the probability of each augmentation",
        "OUT/tb/*": "with `--tensorboard`: events",
        "OUT/checkpoint/*": "while it trains: networks, optimizer and center after the last kept step",
        "OUT/cache/*": "while it trains: the images, decoded once",
    },
)
