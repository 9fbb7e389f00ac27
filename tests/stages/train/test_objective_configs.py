"""Published settings, and that settings can be read without torch."""

import subprocess
import sys

from segpipe.stages.train.objective_configs import CauseConfig, HiddenPositivesConfig, SmoosegConfig, StegoConfig


def test_defaults_are_the_published_values() -> None:
    stego = StegoConfig()
    assert stego.weights == {"self": 0.67, "neighbor": 0.25, "negative": 0.63}
    assert stego.shifts == {"self": 0.08, "neighbor": 0.02, "negative": 0.66}
    assert (stego.samples, stego.negatives, stego.zero_clamp, stego.stabilize) == (11, 5, True, False)
    cause = CauseConfig()
    assert (cause.codes, cause.bank, cause.temperature, cause.positive, cause.negative) == (2048, 100, 0.07, 0.3, 0.1)
    assert (SmoosegConfig().prototypes, SmoosegConfig().shift_self, SmoosegConfig().shift_other) == (27, -0.02, 0.5)
    assert (SmoosegConfig().lr_ratio, SmoosegConfig().keep, SmoosegConfig().temperature) == (5.0, 0.998, 0.1)
    assert cause.projection == 2048
    assert (HiddenPositivesConfig().pool, HiddenPositivesConfig().kept) == (1024, 1.0)


def test_settings_do_not_import_torch() -> None:
    code = "import sys, segpipe.stages.train.objective_configs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
