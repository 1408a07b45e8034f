"""The directory in which a cloud outlives its process."""

from __future__ import annotations

import shutil
from pathlib import Path

from mockcloud.settings import SettingsError

MARK = ".mockcloud"


class StateDirectory:
    """A mark in it says that it is a cloud's own, and of which seed number: nothing else is ever deleted."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def open(self, seed: int) -> None:
        """Takes an absent or empty directory, or one of the same seed number. Raises SettingsError for any other."""
        mark = self._folder / MARK
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if mark.exists():
                if mark.read_text() != str(seed):
                    raise SettingsError(f"the cloud in {self._folder} was made with --seed {mark.read_text()}")
            elif any(self._folder.iterdir()):
                raise SettingsError(f"{self._folder} holds something else than a cloud: choose another state directory")
            else:
                mark.write_text(str(seed))
        except OSError as error:
            raise SettingsError(f"cannot use the state directory {self._folder}: {error.strerror}") from error

    def clear(self) -> None:
        if (self._folder / MARK).exists():
            shutil.rmtree(self._folder)
