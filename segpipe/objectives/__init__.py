"""What a head can be trained for: one module per method, and the table of them.

Each is made as `OBJECTIVES[name](head, steps=..., seed=..., **its own settings)`, on the CPU, and moved to the head's
device.
"""

from collections.abc import Callable

from segpipe.objectives.base import Objective
from segpipe.objectives.cause import Cause
from segpipe.objectives.hidden_positives import HiddenPositives
from segpipe.objectives.smooseg import Smooseg
from segpipe.objectives.stego import Stego

OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "stego": Stego,
    "smooseg": Smooseg,
    "cause": Cause,
    "hp": HiddenPositives,
}
