"""Which microversion a request asks for, and what the answer says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mockcloud.http.errors import BadRequest, VersionNotAcceptable
from specs import Version, parse_version, text_version

HEADER = "openstack-api-version"
LEGACY = {"compute": "x-openstack-nova-api-version"}
FORM = re.compile(r"^([1-9]\d*)\.([1-9]\d*|0)$")


@dataclass(frozen=True, slots=True)
class Microversions:
    """The range of one service; `name` is its service type in the header."""

    name: str
    min: Version
    max: Version

    @classmethod
    def of(cls, microversion: Mapping[str, str]) -> Microversions:
        return cls(microversion["name"], parse_version(microversion["min"]), parse_version(microversion["max"]))

    def negotiate(self, headers: Mapping[str, str]) -> Version:
        """The version to answer with; 400 for a malformed one, 406 outside the range."""
        asked = self._asked(headers)
        if asked is None:
            return self.min
        if asked == "latest":
            return self.max
        if not FORM.match(asked):
            raise BadRequest(f"API Version String {asked} is of invalid format. Must be of format MajorNum.MinorNum.")
        version = parse_version(asked)
        if not self.min <= version <= self.max:
            low, high = text_version(self.min), text_version(self.max)
            if self.name == "placement":
                raise VersionNotAcceptable(f"Unacceptable version header: {asked}", low, high)
            said = f"Version {asked} is not supported by the API. Minimum is {low} and maximum is {high}."
            raise VersionNotAcceptable(said, low, high, self.headers(version))
        return version

    def _asked(self, headers: Mapping[str, str]) -> str | None:
        for part in headers.get(HEADER, "").split(","):
            words = part.split()
            if words and words[0].lower() == self.name:
                return words[1].lower() if len(words) == 2 else part.strip()
        legacy = LEGACY.get(self.name)
        asked = headers.get(legacy) if legacy else None
        return asked.strip().lower() if asked else None

    def headers(self, version: Version) -> dict[str, str]:
        text = text_version(version)
        if self.name == "compute":
            return {
                "OpenStack-API-Version": f"compute {text}",
                "X-OpenStack-Nova-API-Version": text,
                "Vary": "OpenStack-API-Version, X-OpenStack-Nova-API-Version",
            }
        return {"OpenStack-API-Version": f"{self.name} {text}", "Vary": "OpenStack-API-Version"}
