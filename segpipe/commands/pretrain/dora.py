"""DoRA: objects followed through clips of one long film (Venkataramanan et al. 2024, arXiv 2310.08584).

The teacher sees all frames of a clip. Attention heads of it, drawn for each clip, say what the first frame's objects
are; keys of the other frames say where these are. The student sees each frame with one object kept and the rest gone,
and small crops, and must say what the teacher says of the whole frame.

`--formulas coded` follows the authors' code: the last block, the first small crop unused (it is not made here), masks
and weights of objects as in `ops.pretraining`. `paper` follows the paper: the block before the last, every crop, the
paper's masks and a plain mean. In both, heads are drawn for each clip and not for each batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segpipe.base.errors import UsageError, named
from segpipe.commands.pretrain.clip_views import SHOWN, clip_captions, make_clip, make_single, shown_frames
from segpipe.commands.pretrain.film_clips import ClipPlan, take_clip
from segpipe.commands.pretrain.method import Batch, HeadedNetwork, Views
from segpipe.commands.pretrain.object_finder import MOST_HEADS, look
from segpipe.commands.pretrain.teacher_center import CenteredMethod, TeacherCenter
from segpipe.ops.pretraining.object_tubes import Tracking, keep_objects
from segpipe.ops.pretraining.tube_loss import first_local, tube_loss

if TYPE_CHECKING:
    from segpipe.commands.pretrain.dora_options import DoraOptions
    from segpipe.commands.pretrain.options import AugmentOptions, DinoOptions

RGB = tuple[float, float, float]


class Dora(CenteredMethod):
    """The method: clips, masks by a tracker inside the teacher, and the loss of masked frames and small crops."""

    def __init__(
        self,
        pixels: npt.NDArray[np.uint8],
        plan: ClipPlan,
        chosen: Any,
        norm: tuple[RGB, RGB],
        *,
        outputs: int,
        steps: int,
        device: str,
    ) -> None:
        """Begin with a center of zeros.

        Args:
            pixels: (N, H, W, 3), the frames of the film.
            plan: which of them make a clip.
            chosen: `AugmentOptions`, `DinoOptions` and `DoraOptions` in one.
            norm: mean and standard deviation of the network's input.
            outputs: of the head.
            steps: of the whole training.
            device: where the networks lie.

        Raises:
            UsageError: options that DoRA does not have.
        """
        augmenting: AugmentOptions = chosen
        learning: DinoOptions = chosen
        tracking: DoraOptions = chosen
        self._pixels, self._plan, self._chosen = pixels, plan, augmenting
        self._mean, self._std = (np.array(each, np.float32) for each in norm)
        self._how = Tracking(tracking.formulas, tracking.sinkhorn_epsilon, tracking.sinkhorn_rounds)
        self._unused = first_local(tracking.formulas)
        _check(augmenting, least_crops=self._unused + 1)
        self._objects = tracking.objects
        self._student_temp = learning.student_temp
        self._center = TeacherCenter(learning, outputs=outputs, steps=steps, device=device)

    def __len__(self) -> int:
        return self._plan.count

    # --- views ------------------------------------------------------------------------------------------------------

    def views(self, item: int, generator: np.random.Generator) -> Views:
        """The large view (T, 3, S, S), small crops (crops, T, 3, s, s), and draws for `choose_heads`."""
        draws = generator.random(MOST_HEADS, dtype=np.float32)
        clip = take_clip(self._pixels, self._plan, item)
        large, small = make_clip(clip, self._chosen.local_crops - self._unused, self._chosen, generator)
        return self._normalized(large), self._normalized(small), torch.from_numpy(draws)

    def _normalized(self, x: npt.NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis((x - self._mean) / self._std, -1, -3)))

    # --- loss -------------------------------------------------------------------------------------------------------

    def loss(
        self, student: HeadedNetwork, teacher: HeadedNetwork, batch: Batch, step: int, generator: np.random.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """The student's answers to masked frames and small crops against the teacher's to whole frames."""
        frames, crops, draws = batch
        clips, length = frames.shape[:2]
        with torch.no_grad():
            scores, kept = look(teacher, frames, draws, self._objects, self._how)
            targets, figures = self._center.targets(scores, step)
            shown = keep_objects(frames, kept)
        small = crops.permute(1, 2, 0, 3, 4, 5)
        given = student((shown.flatten(0, 2), small.flatten(0, 2))).float()
        logs = torch.log_softmax(given / self._student_temp, dim=-1).reshape(-1, length, clips, given.shape[-1])
        wanted = targets.reshape(clips, length, -1).transpose(0, 1)
        loss = tube_loss(wanted, logs[: len(shown)], logs[len(shown) :], self._how.rule)
        share = float(kept.float().mean())
        parts = {"masked_loss": float(loss.masked), "local_loss": float(loss.local), "kept_share": share}
        return loss.total, figures | parts

    def masked_frames(self, teacher: HeadedNetwork, batch: Batch) -> Tensor:
        """What the student is shown of each frame: (objects, T, B, 3, S, S), normalized."""
        frames, _, draws = batch
        return keep_objects(frames, look(teacher, frames, draws, self._objects, self._how)[1])

    # --- beside the training ----------------------------------------------------------------------------------------

    def pair(self, item: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Two large views of the frame that a clip begins with."""
        frame = np.asarray(self._pixels[item])
        first, second = (self._normalized(make_single(frame, self._chosen, generator)) for _ in range(2))
        return first, second

    def captions(self) -> tuple[str, ...]:
        """Of some frames and small crops their sizes, and the probability of each augmentation."""
        return clip_captions(self._chosen, self._plan.length, self._chosen.local_crops - self._unused)

    def pictures(self, views: Views) -> tuple[Tensor, ...]:
        """The same frames and crops."""
        large, small, _ = views
        return (*(large[place] for place in shown_frames(len(large))), *small[:SHOWN, 0])


def _check(chosen: AugmentOptions, *, least_crops: int) -> None:
    if chosen.local_crops < least_crops:
        raise UsageError(f"{named('local_crops', chosen.local_crops)}: DoRA needs {least_crops} or more")
    if chosen.mix:
        raise UsageError(f"{named('mix', chosen.mix)}: clips of a film are not mixed; leave it out with DoRA")
