"""Options of `segpipe pretrain`: what is trained, for how long, and how views are made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from segpipe.base.errors import named
from segpipe.base.options import Options, argument, option
from segpipe.commands.pretrain.dora_options import DoraOptions

_SHARE = {"ge": 0, "le": 1}


def _share_range(given: tuple[float, float]) -> tuple[float, float]:
    if not 0 < given[0] <= given[1] <= 1:
        raise ValueError("give shares 0 < LOW <= HIGH <= 1 of the picture")
    return given


ShareRange = Annotated[tuple[float, float], AfterValidator(_share_range)]


class TrainingOptions(Options):
    """What is trained, on what, and for how long."""

    images: str = argument("a folder, an image, a glob, or a text file of paths; with dora a film", metavar="IMAGES")
    out: Path = argument("the folder to write", metavar="OUT")
    method: Literal["dino", "dora"] = option(
        "dino", "self-distillation of views of single images, or of objects followed through one long film"
    )
    init: str = option(
        "random",
        "weights to begin with: random, a name of `segpipe backbones` or of timm, OUT of another call, or a file",
        metavar="random|NAME|FILE",
    )
    backbone: str | None = option(
        None, "the ViT to train, by its name in timm [vit_tiny_patch16_224, or the network of --init]", metavar="NAME"
    )
    steps: int | None = option(
        None, "steps of training [100 times all images, at least 1,000 steps, at most 125,000]", limits={"ge": 1}
    )
    batch: int | None = option(
        None,
        "images of one step, over all processes [an eighth of all, a power of two of 16 to 1,024; with dora to 128]",
        limits={"ge": 1},
    )
    micro_batch: int | None = option(
        None,
        "images that are held at once; gradients add up to the batch [16; on a GPU 64; of clips 2 and 8]",
        limits={"ge": 1},
    )
    precision: Literal["auto", "float32", "bfloat16"] = option(
        "auto", "number type of the networks; auto: bfloat16 where the device has it"
    )
    seed: int = option(0, "of everything that is drawn", limits={"ge": 0})
    preview: bool = option(False, "write OUT/preview.png, a sheet of views of some images, and end")
    licence: str = option(
        "unstated: that of the images it was trained on", "licence of the weights, for their card", metavar="TEXT"
    )
    judge_every: int = option(
        100, "steps between judgements of the features without labels; 0 = never", limits={"ge": 0}
    )
    judge_images: int = option(256, "images that are judged by, at most", limits={"ge": 2, "le": 4096})
    stop_on_collapse: bool = option(False, "end the training where the features have collapsed")
    checkpoint_minutes: float = option(5.0, "minutes between checkpoints; 0 = after every step", limits={"ge": 0})
    tensorboard: bool = option(False, "write TensorBoard events to OUT/tb too")
    overwrite: bool = option(False, "begin anew where OUT holds a training with other settings")
    device: str = option("auto", "where networks run: auto, cpu, cuda, cuda:1 or mps", of="runtime.device")
    workers: int = option(0, "threads that make views; 0 = one per processor", limits={"ge": 0}, of="runtime.workers")


class AugmentOptions(Options):
    """How the views of an image are made; each probability is one of its own."""

    global_size: int = option(224, "pixels of a side of the two large views", limits={"ge": 16, "le": 2048})
    local_size: int = option(96, "pixels of a side of the small views [with dora 112]", limits={"ge": 16, "le": 2048})
    local_crops: int = option(8, "small views of an image; 0 = none [with dora 6]", limits={"ge": 0, "le": 64})
    global_scale: ShareRange = option((0.4, 1.0), "share of the picture in a large view", metavar="LOW HIGH")
    local_scale: ShareRange = option((0.05, 0.4), "share of the picture in a small view", metavar="LOW HIGH")
    flip: float = option(0.5, "probability of mirroring left and right", limits=_SHARE)
    jitter: float = option(0.8, "probability of changed brightness, contrast, saturation and hue", limits=_SHARE)
    grayscale: float = option(0.2, "probability of losing all color", limits=_SHARE)
    blur_first: float = option(1.0, "probability of blur in the first large view [with dora 0.1]", limits=_SHARE)
    blur_second: float = option(0.1, "probability of blur in the second large view", limits=_SHARE)
    blur_local: float = option(0.5, "probability of blur in a small view", limits=_SHARE)
    solarize: float = option(0.2, "probability of inverted bright values in the second large view", limits=_SHARE)
    vertical_flip: float = option(0.0, "probability of mirroring top and bottom", limits=_SHARE)
    rotate: float = option(0.0, "probability of turning by 90, 180 or 270 degrees", limits=_SHARE)
    translate: float = option(0.0, "probability of moving by up to a tenth of the side", limits=_SHARE)
    noise: float = option(0.0, "probability of Gaussian noise", limits=_SHARE)
    erase: float = option(0.0, "probability of a box of noise (random erasing)", limits=_SHARE)
    mix: float = option(0.0, "probability that another image shines through all views (mixup)", limits=_SHARE)


class DinoOptions(Options):
    """Loss, optimizer and schedules of self-distillation; defaults as published."""

    outputs: int | None = option(
        None,
        "prototypes of the head [8 for each image, a power of two of 1,024 to 65,536; published with 65,536]",
        limits={"ge": 2},
    )
    lr: float = option(5e-4, "largest learning rate at a batch of 256; it scales with the batch", limits={"gt": 0})
    min_lr: float = option(1e-6, "learning rate at the end [with dora 1e-5]", limits={"ge": 0})
    warmup: float = option(0.1, "share of the steps in which the learning rate rises", limits=_SHARE)
    weight_decay: float = option(0.04, "weight decay at the beginning", limits={"ge": 0})
    weight_decay_end: float = option(0.4, "weight decay at the end", limits={"ge": 0})
    clip: float = option(3.0, "largest length of a parameter's gradient; 0 = any", limits={"ge": 0})
    drop_path: float = option(0.1, "share of blocks that the student leaves out, at its last one", limits=_SHARE)
    momentum: float = option(0.996, "of the teacher at the beginning; it rises to 1", limits=_SHARE)
    teacher_temp: float = option(0.04, "temperature of the teacher", limits={"gt": 0})
    teacher_temp_start: float = option(0.04, "temperature of the teacher in the first step", limits={"gt": 0})
    teacher_temp_warmup: float = option(0.0, "share of the steps in which it moves from there", limits=_SHARE)
    student_temp: float = option(0.1, "temperature of the student", limits={"gt": 0})
    center_momentum: float = option(0.9, "of the center of the teacher's outputs", limits=_SHARE)
    freeze_last: float = option(0.01, "share of the steps in which the head's last layer is held", limits=_SHARE)
    free_last_layer: bool = option(
        False, "learn the lengths of the last layer's rows instead of holding them at 1 [with dora on]"
    )


class PretrainOptions(DoraOptions, AugmentOptions, DinoOptions, TrainingOptions):
    """Train a backbone on your own images, without a label: OUT can be given wherever a backbone is named.

    IMAGES is a folder (walked recursively), one file, a glob in quotes, or a text file of paths; with `--method dora`
    it is one film, or a folder of frames in order (frame9 before frame10), the longer the better. What was stopped goes
    on with the same command, and ends with the same weights. With `torchrun ... -m segpipe pretrain` several GPUs
    or machines share the work; OUT must then lie where all of them see it.
    """

    @model_validator(mode="after")
    def _batches_fit(self) -> PretrainOptions:
        if self.batch and self.micro_batch and self.batch % self.micro_batch:
            raise ValueError(
                f"{named('micro_batch', self.micro_batch)} does not divide {named('batch', self.batch)}; "
                "give one that does"
            )
        return self

    @model_validator(mode="after")
    def _method_has_them(self) -> PretrainOptions:
        others = sorted(self.model_fields_set & DoraOptions.model_fields.keys())
        if self.method != "dora" and others:
            given = named(others[0], getattr(self, others[0]))
            raise ValueError(f"{given} is for {named('method', 'dora')}; leave it out, or give that too")
        return self
