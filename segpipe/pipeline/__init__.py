"""The pipeline: settings of a run, which stages are up to date, and running them in order.

run_settings   what a run's settings are resolved from, and saved or taken back
kept_classes   classes that stay although the images are others
steps          which stages are up to date, and why not
running        running them, each recorded once its artefact is whole
"""

import logging

from segpipe.pipeline.kept_classes import keep_classes
from segpipe.pipeline.run_settings import (
    SECTIONS,
    Settings,
    check_settings,
    config_names,
    configs_dir,
    existing_run,
    is_run,
    make_runtime,
    open_run,
    resolve,
    save_settings,
)
from segpipe.pipeline.running import (
    names_left,
    outdated,
    refresh,
    refresh_command,
    run,
    run_stage,
    skipped_files,
    summary_line,
    work,
)
from segpipe.pipeline.steps import BY_NAME, FILES_CHANGED, Step, plan, require, require_finished, step_of
from segpipe.stages import STAGES

log = logging.getLogger(__name__)

__all__ = [
    "BY_NAME",
    "FILES_CHANGED",
    "SECTIONS",
    "STAGES",
    "Settings",
    "Step",
    "check_settings",
    "config_names",
    "configs_dir",
    "existing_run",
    "is_run",
    "keep_classes",
    "log",
    "make_runtime",
    "names_left",
    "open_run",
    "outdated",
    "plan",
    "refresh",
    "refresh_command",
    "require",
    "require_finished",
    "resolve",
    "run",
    "run_stage",
    "save_settings",
    "skipped_files",
    "step_of",
    "summary_line",
    "work",
]
