"""What a head can be trained for: one module per method, and the table of them.

Each is made as `OBJECTIVES[name](head, steps=..., seed=..., **its own settings)`, on the CPU, and moved to the head's
device.
"""

from collections.abc import Callable

from segpipe.stages.train.objectives.cause import Cause
from segpipe.stages.train.objectives.hidden_positives import HiddenPositives
from segpipe.stages.train.objectives.objective import Objective
from segpipe.stages.train.objectives.smooseg import Smooseg
from segpipe.stages.train.objectives.stego import Stego

OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "stego": Stego,
    "smooseg": Smooseg,
    "cause": Cause,
    "hp": HiddenPositives,
}
