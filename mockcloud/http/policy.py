"""Access rules: oslo.policy over the real services' defaults, with a user's own file on top."""

from __future__ import annotations

import functools
import importlib.resources
import re
from pathlib import Path
from typing import Any

import orjson
import yaml

REFERENCE = re.compile(r"\brule:([^\s()]+)")
KEY = re.compile(r"%\(([^)]+)\)s|\bfield:[^:]+:([^=\s]+)=")
QUESTIONS = 4_096  # remembered per service: oslo.policy takes a hundred times longer than a look-up


class PolicyError(ValueError):
    """A policy file that cannot be used: its message is for the user."""


class Policy:
    """The rules of one service, loaded on first use (oslo.policy costs a fifth of a second to import)."""

    def __init__(self, service: str, override_dir: str = "") -> None:
        self._service = service
        self._override = Path(override_dir) / f"{service}.yaml" if override_dir else None
        self._enforcer: Any = None
        self._known: dict[bytes, bool] | None = {}  # answers by question; None where a rule asks a server, which may change its mind
        self._texts: dict[str, str] = {}  # check strings by rule
        self._read: dict[str, frozenset[str]] = {}  # which keys of a target a rule reads

    def load(self) -> None:
        rules = self.defaults()
        if self._override is not None and self._override.exists():
            rules |= _read(self._override.read_text(), str(self._override))
        self._enforcer, self._texts = _enforcer(self._service, tuple(rules.items())), rules
        if any("http:" in check or "https:" in check for check in rules.values()):
            self._known = None

    def defaults(self) -> dict[str, str]:
        return dict(_defaults(self._service))

    def knows(self, rule: str) -> bool:
        if self._enforcer is None:
            self.load()
        return rule in self._enforcer.rules

    def check(self, rule: str, target: dict[str, Any], credentials: dict[str, Any]) -> bool:
        """Whether `credentials` may do `rule` to `target`. A rule nobody defined allows nothing."""
        if self._enforcer is None:
            self.load()
        found = self._enforcer.rules.get(rule)
        if found is None:
            return False
        if self._known is None:
            return bool(found(target, credentials, self._enforcer, rule))
        question = orjson.dumps((rule, {key: target[key] for key in self._reads(rule) if key in target}, credentials), default=str)
        if (answer := self._known.get(question)) is None:
            if len(self._known) >= QUESTIONS:
                self._known.clear()
            answer = self._known[question] = bool(found(target, credentials, self._enforcer, rule))
        return answer

    def _reads(self, rule: str) -> frozenset[str]:
        """The keys of a target that the rule asks for, itself or through others: the rest of it makes no other question."""
        if (known := self._read.get(rule)) is None:
            seen, waiting = set(), [rule]
            while waiting:
                if (name := waiting.pop()) not in seen:
                    seen.add(name)
                    waiting += REFERENCE.findall(self._texts.get(name, ""))
            known = self._read[rule] = frozenset(
                key for name in seen for pair in KEY.findall(self._texts.get(name, "")) for key in pair if key
            )
        return known


@functools.cache
def _defaults(service: str) -> dict[str, str]:
    file = importlib.resources.files("mockcloud") / service / "policies.yaml"
    return _read(file.read_text(), f"policies.yaml of {service}")


@functools.lru_cache(maxsize=16)
def _enforcer(service: str, rules: tuple[tuple[str, str], ...]) -> Any:
    from oslo_config import cfg
    from oslo_policy import policy

    policy.register("field", field_check())
    conf = cfg.ConfigOpts()
    conf([], project="mockcloud", default_config_files=[], default_config_dirs=[])
    try:
        parsed = policy.Rules.from_dict(dict(rules))
    except Exception as error:
        raise PolicyError(f"policies of {service}: {error}") from error
    return policy.Enforcer(conf, rules=parsed, use_conf=False)


def _read(text: str, where: str) -> dict[str, str]:
    try:
        rules = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
    except yaml.YAMLError as error:
        raise PolicyError(f"{where} is not YAML: {error}") from error
    if not isinstance(rules, dict):
        raise PolicyError(f"{where} is not a mapping of rule to check string")
    return {str(name): check if isinstance(check, str) else "" for name, check in rules.items()}


def field_check() -> Any:
    """Neutron's own kind of check: `field:networks:shared=True`, `field:port:device_owner=~^network:` (a pattern)."""
    from oslo_policy import policy

    class FieldCheck(policy.Check):  # type: ignore[misc]
        def __call__(self, target: dict[str, Any], creds: dict[str, Any], enforcer: Any, current_rule: str | None = None) -> bool:
            name, _, wanted = self.match.partition(":")[2].partition("=")
            value = target.get(name)
            if value is None:
                return False
            return bool(re.match(wanted[1:], str(value))) if wanted.startswith("~") else str(value) == wanted

    return FieldCheck
