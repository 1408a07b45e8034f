"""What a cloud holds at its first start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mockcloud.settings import Settings, SettingsError

DEFAULT = Path(__file__).parent / "seed.yaml"


def load_seed(settings: Settings) -> dict[str, Any]:
    """The default seed, with the top-level keys of the user's own file in place of its own."""
    seed = read_seed(DEFAULT)
    if settings.seed_file:
        seed |= read_seed(Path(settings.seed_file))
    return seed


def read_seed(file: Path) -> dict[str, Any]:
    """Raises SettingsError with a sentence for the user."""
    try:
        seed = yaml.safe_load(file.read_text())
    except OSError as error:
        raise SettingsError(f"cannot read the seed file {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"the seed file {file} is not YAML: {error}") from error
    if not isinstance(seed, dict):
        raise SettingsError(f"the seed file {file} must be a mapping of sections (projects, users, flavors, hosts, ...)")
    return seed
