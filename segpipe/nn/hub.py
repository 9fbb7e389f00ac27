"""Hub: weights on the Hugging Face hub, where timm keeps them, searched in the cache first, fetched once.

timm's own download tries an unreachable hub for 47 s and logs a dozen warnings on the way; here one HEAD request
without retries decides.
"""

from __future__ import annotations

from pathlib import Path

from segpipe.base.errors import MachineError, named

_FILES = ("model.safetensors", "pytorch_model.bin")
_TIMEOUT = 10.0  # seconds for the hub's first answer


def cached(repo: str) -> Path | None:
    """The weights file of a repository in the local hub cache (HF_HOME), or None. Touches no network."""
    from huggingface_hub import try_to_load_from_cache

    repo_id, _, revision = repo.partition("@")
    for name in _FILES:
        found = try_to_load_from_cache(repo_id, name, revision=revision or None)
        if isinstance(found, str):  # a sentinel object stands for "known not to exist"
            return Path(found)
    return None


def fetch(repo: str, *, name: str) -> Path:
    """Download the weights of a repository into the hub cache.

    Args:
        repo: `owner/name` or `owner/name@revision`.
        name: the backbone's name, for the message.

    Raises:
        MachineError: the hub is out of reach, off (HF_HUB_OFFLINE) or refuses; the message names the ways out.
    """
    from huggingface_hub import hf_hub_download

    repo_id, _, revision = repo.partition("@")
    file, reason = offered(repo)
    if file:
        try:
            return Path(hf_hub_download(repo_id, file, revision=revision or None))
        except Exception as error:  # the hub's client lets errors of several network libraries through
            reason = f"their download failed ({_short(error)})"
    raise MachineError(
        f"the weights of {named('extract.backbone', name)} are not on this machine and {reason}; either set "
        f"{named('extract.weights', 'FILE')}, or point HF_HOME to a filled hub cache, or set "
        f"{named('extract.backbone', 'classical')}, "
        "which needs no weights"
    )


def offered(repo: str) -> tuple[str, str]:
    """The weights file that the hub offers, or "" and why there is none. One request, nothing is downloaded."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

    repo_id, _, revision = repo.partition("@")
    try:
        for file in _FILES:
            try:
                get_hf_file_metadata(hf_hub_url(repo_id, file, revision=revision or None), timeout=_TIMEOUT)
            except EntryNotFoundError:
                continue
            return file, ""
    except OfflineModeIsEnabled:
        return "", "HF_HUB_OFFLINE is set"
    except GatedRepoError:
        return "", f"{repo} is gated: accept its licence on its hub page and log in with `hf auth login`"
    except RepositoryNotFoundError:
        return "", f"{repo} is not on the hub, or not for you"
    except Exception as error:  # as above
        return "", f"the Hugging Face hub cannot be reached ({_short(error)})"
    return "", f"{repo} holds neither of {', '.join(_FILES)}"


def revision(path: Path) -> str:
    """The commit of a file in the hub cache (`.../snapshots/<commit>/<file>`), shortened."""
    return path.parent.name[:12]


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
