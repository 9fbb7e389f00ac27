"""Settings of a run: what they are resolved from, saved in config.yaml, and taken back where a command fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segpipe.base import files
from segpipe.base import runtime as machine
from segpipe.base.config import Layer, Section, before, build, read_sets, read_yaml, setting, to_yaml
from segpipe.base.errors import UsageError, named
from segpipe.base.runtime import Runtime, Track, no_track
from segpipe.stages import ARTEFACTS, MAKERS, STAGES, Stage, accept, cluster, train
from segpipe.store.remote_run import RemoteRun
from segpipe.store.run_copy import remote_url
from segpipe.store.run_dir import RunDir

Settings = Mapping[str, Section]


class RuntimeConfig(Section):
    """Settings of the machine, for every stage; none of them changes a result beyond rounding."""

    device: str = setting("auto", "where networks run: auto, cpu, cuda, cuda:1 or mps", result=False)
    workers: int = setting(
        0, "processes and threads that work side by side; 0 = one per processor", ge=0, le=4096, result=False
    )


SECTIONS: dict[str, type[Section]] = {
    "runtime": RuntimeConfig,
    **{stage.NAME: stage.Config for stage in STAGES},
}


def open_run(root: Path) -> RunDir:
    """The run directory at `root`, which need not exist yet; of one on an object store the copy on this machine."""
    url = remote_url(root)
    if url is None:
        return RunDir(root, ARTEFACTS)
    remote = RemoteRun(url, MAKERS)
    remote.refresh()
    return RunDir(remote.copy, ARTEFACTS, remote=remote)


def existing_run(root: Path) -> RunDir:
    """A run that was begun.

    Raises:
        UsageError: there is none.
    """
    run_dir = open_run(root)
    if not (run_dir.root / "config.yaml").exists():
        raise UsageError(f"{root} is not a run (no config.yaml); begin with `segpipe run IMAGES {root}`")
    run_dir.settle()
    return run_dir


def is_run(path: Path) -> bool:
    """Whether a path is the directory of a run of which at least one stage was done."""
    return (path / "config.yaml").exists() and (path / "manifest.json").exists()


def configs_dir() -> Path:
    """Where the named configs lie: inside an installed package, or at the top of a checkout."""
    installed = Path(__file__).parents[1] / "configs"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "configs"


def config_names() -> list[str]:
    """Names that `--config` takes besides files."""
    return sorted(path.stem for path in configs_dir().glob("*.yaml"))


def _config_layer(config: str) -> Layer:
    if config in config_names():
        return read_yaml(configs_dir() / f"{config}.yaml")
    if not Path(config).is_file():
        raise UsageError(
            f"{named('config', config)}: neither a file nor a named config; named are {', '.join(config_names())}"
        )
    return read_yaml(Path(config))


def resolve(
    run_dir: RunDir,
    *,
    config: str | None = None,
    sets: Sequence[str] = (),
    more: Mapping[str, Any] | None = None,
    layers: Sequence[Layer] = (),
) -> dict[str, Section]:
    """Settings of a run: its own config.yaml or, where given, `config`; then `more`; then `sets`.

    Args:
        run_dir: whose config.yaml is the start when `config` is None and the run exists.
        config: name of a config or path of a YAML file; it replaces what the run had.
        sets: `key=value` texts.
        more: dotted keys that options of a command stand for, such as `index.images`.
        layers: further settings, later ones winning.

    Raises:
        UsageError: a key or value is wrong.
    """
    own = run_dir.root / "config.yaml"
    start = [_config_layer(config)] if config else [before(SECTIONS), read_yaml(own, own=True)] if own.exists() else []
    return linked(build(SECTIONS, [*start, Layer("", more or {}), read_sets(sets), *layers]))


def linked(settings: Settings) -> dict[str, Section]:
    """Settings of which one stage's defaults know what another stage was told: how many classes are wanted."""
    trained, clustered = settings.get(train.NAME), settings.get(cluster.NAME)
    if not (isinstance(trained, train.Config) and isinstance(clustered, cluster.Config)):
        return dict(settings)
    return {**settings, train.NAME: trained.for_classes(clustered.k)}


def save_settings(run_dir: RunDir, settings: Settings) -> None:
    """Write the resolved settings to the run."""
    files.write_text(run_dir.root / "config.yaml", to_yaml(settings))


def check_settings(settings: Settings, run_dir: RunDir, stages: Sequence[Stage]) -> None:
    """See that stages accept the settings that differ from those of the run; nothing is written.

    Raises:
        SegpipeError: the line of the first that does not.
    """
    own = _own_settings(run_dir)
    for stage in stages:
        if own is None or own[stage.NAME] != settings[stage.NAME]:
            accept(stage, settings[stage.NAME])


def _own_settings(run_dir: RunDir) -> Settings | None:
    """The settings in a run's config.yaml; None where there are none that can be read."""
    try:
        return resolve(run_dir) if (run_dir.root / "config.yaml").exists() else None
    except UsageError:
        return None


@contextmanager
def settings_tried(run_dir: RunDir, settings: Settings) -> Iterator[set[str]]:
    """Save the settings of a run; where the block fails, those alone of the stages whose names were put into the set.

    An interrupted command keeps them all: the same command, or one without settings, goes on from there. So do those of
    a new run, which had no others, unless they were refused.
    """
    path, own = run_dir.root / "config.yaml", _own_settings(run_dir)
    before, accepted = path.read_bytes() if path.exists() else None, set[str]()
    save_settings(run_dir, settings)
    try:
        yield accepted
    except Exception as error:
        if before is None and not isinstance(error, UsageError):
            raise
        if accepted:
            others = own or linked(build(SECTIONS, []))
            save_settings(run_dir, {name: settings[name] if name in accepted else others[name] for name in settings})
        elif before is None:
            path.unlink()
        else:
            files.write_bytes(path, before)
        raise


def make_runtime(settings: Settings, track: Track = no_track) -> Runtime:
    """Resolve device and workers on this machine."""
    config = settings["runtime"]
    assert isinstance(config, RuntimeConfig)
    return machine.make_runtime(config.device, config.workers, track)
