"""Training objectives: one module per method, and the table of them.

Each is made as `OBJECTIVES[name](head, config, steps=..., seed=...)` with its own config of `objective_configs`, on the
CPU, and moved to the head's device.
"""

from segpipe.stages.train.objectives.cause import Cause
from segpipe.stages.train.objectives.hidden_positives import HiddenPositives
from segpipe.stages.train.objectives.objective import Objective
from segpipe.stages.train.objectives.smooseg import Smooseg
from segpipe.stages.train.objectives.stego import Stego

OBJECTIVES: dict[str, type[Objective]] = {
    "stego": Stego,
    "smooseg": Smooseg,
    "cause": Cause,
    "hp": HiddenPositives,
}
