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
        own = read_seed(Path(settings.seed_file))
        if unknown := sorted(set(own) - {*seed, "hosts"}):
            raise SettingsError(f"the seed file {settings.seed_file} has sections that nobody reads: {', '.join(unknown)}")
        seed |= own
        try:
            _check_names(seed)
        except (TypeError, AttributeError, KeyError) as error:
            raise SettingsError(f"the seed file {settings.seed_file}: a section has not the form that the default seed's has") from error
    return seed


def _check_names(seed: dict[str, Any]) -> None:
    """What a section calls by name must stand in another."""
    projects, roles = {project["name"] for project in seed["projects"]}, set(seed["roles"])
    for user in seed["users"]:
        for project, granted in user.get("roles", {}).items():
            if project not in projects | {"system"}:
                raise SettingsError(f"seed: user {user['name']} has a role in project {project}, which is not there")
            if missing := set(granted) - roles:
                raise SettingsError(f"seed: user {user['name']} has role {', '.join(sorted(missing))}, which is not there")
    for network in seed["networks"]:
        if network.get("project", "demo") not in projects:
            raise SettingsError(f"seed: network {network['name']} belongs to project {network['project']}, which is not there")


def read_seed(file: Path) -> dict[str, Any]:
    """Raises SettingsError with a sentence for the user."""
    try:
        seed = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise SettingsError(f"cannot read the seed file {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"the seed file {file} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(seed, dict):
        raise SettingsError(f"the seed file {file} must be a mapping of sections (projects, users, flavors, hosts, ...)")
    return seed
