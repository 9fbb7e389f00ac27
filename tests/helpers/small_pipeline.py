"""A pipeline of stages that are small enough to see through."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from segpipe import pipeline
from segpipe.base.config import Section, setting
from segpipe.base.runtime import Runtime
from segpipe.pipeline import Step, run_settings, running, steps
from segpipe.store.run_dir import Artefact, RunDir

ALL = ["first", "second", "third", "beside"]


class First(Section):
    size: int = setting(1, "size")
    batch: int = setting(1, "rows at once", result=False)


class Other(Section):
    depth: int = setting(1, "depth")


class Said(BaseModel):
    value: int
    fingerprint: str | None = None


def make_stage(name: str, needs: tuple[str, ...], config: type[Section], log: list[str], **extra: Any) -> Any:
    def run(settings: Any, run_dir: RunDir, runtime: Runtime) -> Said:
        log.append(name)
        with run_dir.writing(f"{name}s") as out:
            (out / "value").write_text(settings.model_dump_json())
        return Said(value=len(log), fingerprint="same" if name == "first" else None)

    return SimpleNamespace(NAME=name, ARTEFACT=f"{name}s", NEEDS=needs, FORMAT=1, Config=config, run=run, **extra)


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.ran: list[str] = []
        self.files: list[Path] = []
        first = make_stage("first", (), First, self.ran, input_files=lambda config: self.files)
        second = make_stage("second", ("first",), Other, self.ran)
        third = make_stage("third", ("second",), Other, self.ran)
        beside = make_stage("beside", ("first",), Other, self.ran, OPTIONAL_INPUTS=("third",))
        stages = (first, second, third, beside)
        monkeypatch.setattr(running, "make_runtime", lambda settings, track: Runtime())
        monkeypatch.setattr(running, "summary_line", lambda record: "")
        for module in (pipeline, running, steps):
            monkeypatch.setattr(module, "STAGES", stages)
        monkeypatch.setattr(run_settings, "SECTIONS", {s.NAME: s.Config for s in stages})
        self.run_dir = RunDir(root, {s.ARTEFACT: Artefact(s.NAME) for s in stages})
        root.mkdir()

    def go(self, *sets: str, **options: Any) -> list[str]:
        self.ran.clear()
        settings = pipeline.resolve(self.run_dir, sets=sets)
        pipeline.save_settings(self.run_dir, settings)
        list(pipeline.run(settings, self.run_dir, Runtime(), **options))
        return list(self.ran)

    def stage(self, name: str) -> Any:
        return next(stage for stage in pipeline.STAGES if name == stage.NAME)

    def fail(self, name: str, error: BaseException, *, late: bool = False) -> None:
        """Let a stage raise an error instead of its work, or after it."""
        stage = self.stage(name)
        good = getattr(stage, "good", stage.run)

        def run(*args: Any) -> Any:
            if late:
                good(*args)
            raise error

        stage.good, stage.run = good, run

    def mend(self, name: str) -> None:
        self.stage(name).run = self.stage(name).good

    def reasons(self, *sets: str) -> dict[str, str]:
        steps: list[Step] = pipeline.plan(pipeline.resolve(self.run_dir, sets=sets), self.run_dir)
        return {step.stage.NAME: step.reason for step in steps if step.action == "run"}
