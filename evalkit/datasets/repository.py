"""A dataset's repository on the Hugging Face hub: which commit, which files, and fetching one of them.

Everything lies in the hub's own cache (HF_HOME), so what was fetched once is there without the network. The
client retries for half a minute where there is none, so one short request asks first whether there is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evalkit.errors import DatasetError

COMMIT = re.compile(r"[0-9a-f]{40}")
METADATA = ("README.md", ".huggingface.yaml", "dataset_infos.json")
PATIENCE = 5.0  # seconds for the one request that finds out whether the hub can be reached
KIND = "dataset"


class HubUnreachable(Exception):  # noqa: N818 - a state that has its remedies, not yet an error
    """The hub does not answer, or must not be asked, and the cache does not have what is needed."""


@dataclass(frozen=True)
class Commit:
    """The commit that is read; `reached` is False when the hub did not answer and its cached copy is used."""

    sha: str
    reached: bool = True


class Repository:
    """One repository at the revision asked for: a branch, a tag, a commit, None for the main branch."""

    def __init__(self, name: str, revision: str | None) -> None:
        self.name = name
        self.revision = revision
        self._asked = False

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, which never moves."""
        return self.revision is not None and COMMIT.fullmatch(self.revision) is not None

    def resolve(self) -> Commit:
        """Return the commit; HubUnreachable when neither the hub nor the cache knows it."""
        from huggingface_hub import HfApi

        if self.pinned:
            assert self.revision is not None
            if not self._listed(self.revision):
                self._ask()
            return Commit(self.revision)
        try:
            self._ask()
            with self._explained():
                found = HfApi().resolve_revision(self.name, repo_type=KIND, revision=self.revision)
            return Commit(found.resolved)
        except HubUnreachable:
            cached = self._cached_commit()
            if cached is None:
                raise
            return Commit(cached, reached=False)

    def files(self, commit: str) -> dict[str, Path | None]:
        """Return the names of all files at a commit; with a path those that describe the data."""
        from huggingface_hub import get_cached_repo_tree, snapshot_download

        with self._explained():
            folder = Path(
                snapshot_download(self.name, repo_type=KIND, revision=commit, allow_patterns=[*METADATA])
            )
            tree = get_cached_repo_tree(self.name, repo_type=KIND, revision=commit)
        names = [one.path for one in tree]
        for name in names:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise DatasetError(f"{self.name}: a file called {name!r}, which leaves its folder; not read")
        return {name: folder / name if name in METADATA else None for name in names}

    def fetch(self, commit: str, file: str) -> Path:
        """Return a file's path in the cache, fetched if it is not there."""
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        cached = try_to_load_from_cache(self.name, file, repo_type=KIND, revision=commit)
        if isinstance(cached, str):
            return Path(cached)
        self._ask()
        with self._explained():
            return Path(hf_hub_download(self.name, file, repo_type=KIND, revision=commit))

    def _listed(self, commit: str) -> bool:
        from huggingface_hub import get_cached_repo_tree
        from huggingface_hub.errors import CachedRepoTreeNotFoundError

        try:
            get_cached_repo_tree(self.name, repo_type=KIND, revision=commit)
        except CachedRepoTreeNotFoundError:
            return False
        return True

    def _cached_commit(self) -> str | None:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import RevisionResolutionError

        try:
            found = HfApi().resolve_revision(
                self.name, repo_type=KIND, revision=self.revision, local_files_only=True
            )
        except RevisionResolutionError:
            return None
        return str(found.resolved)

    def _ask(self) -> None:
        """Send one request that is not repeated: it tells whether the hub answers and knows the dataset."""
        from huggingface_hub import HfApi

        if not self._asked:
            with self._explained():
                HfApi().repo_info(self.name, repo_type=KIND, revision=self.revision, timeout=PATIENCE)
            self._asked = True

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the client raises into DatasetError, or HubUnreachable where a cached copy may help."""
        from huggingface_hub import errors

        try:
            with _quiet():
                yield
        except errors.GatedRepoError:
            raise DatasetError(
                f"{self.name}: gated; ask for access at {_endpoint()}/datasets/{self.name}, "
                f"then {_token_remedy()}"
            ) from None
        except errors.RepositoryNotFoundError:
            raise DatasetError(
                f"{self.name}: no such dataset on the hub, or a private one; correct "
                f"dataset.path=OWNER/NAME, or {_token_remedy()}"
            ) from None
        except errors.RevisionNotFoundError:
            raise DatasetError(
                f"{self.name}: no revision {self.revision}; set dataset.revision to a commit, tag or branch "
                f"listed at {_endpoint()}/datasets/{self.name}/commits/main"
            ) from None
        except errors.HfHubHTTPError as error:
            self._answered(error)
        except errors.HFValidationError:
            raise DatasetError(
                f"{self.name}: neither a folder nor a hub id; write dataset.path=OWNER/NAME, or a folder"
            ) from None
        except errors.OfflineModeIsEnabled:
            raise HubUnreachable("HF_HUB_OFFLINE is set") from None
        except DatasetError:
            raise
        except Exception as error:  # noqa: BLE001 - the transport raises many kinds; all mean the same
            cause = error.__cause__ or error
            offline = isinstance(cause, errors.OfflineModeIsEnabled)
            raise HubUnreachable("HF_HUB_OFFLINE is set" if offline else _first_line(cause)) from None

    def _answered(self, error: Exception) -> None:
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", 0)
        if status in {401, 403}:
            raise DatasetError(f"{self.name}: the hub refuses access ({status}); {_token_remedy()}") from None
        if status == 429:  # noqa: PLR2004 - too many requests
            raise DatasetError(
                f"{self.name}: the hub asks to wait (429, too many requests); try again later"
            ) from None
        raise HubUnreachable(f"it answers {status}") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client's progress bars and warnings off the terminal: what matters is said by us."""
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
        logging,
    )

    level, bars = logging.get_verbosity(), not are_progress_bars_disabled()
    logging.set_verbosity_error()
    if bars:
        disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            enable_progress_bars()


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _token_remedy() -> str:
    if os.environ.get("HF_TOKEN"):
        return "use a token in HF_TOKEN that may read it"
    return "set HF_TOKEN to a token that may read it"


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
