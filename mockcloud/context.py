"""Who asks: the identity and the ids that a request carries from service to service and over the bus."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from typing import Any


def new_request_id() -> str:
    """A UUID of version 4, as everywhere in OpenStack; uuid.uuid4 takes four times as long, and there are fifty in a launch."""
    digits = os.urandom(16).hex()
    return f"req-{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The fields of oslo.context that OpenStack's services share; on the bus each travels as `_context_<name>`."""

    request_id: str
    global_request_id: str = ""  # what is sent on: the caller's, else this request's own id
    token: str = ""
    user_id: str = ""
    user_name: str = ""
    user_domain_id: str = ""
    project_id: str = ""
    project_name: str = ""
    project_domain_id: str = ""
    domain_id: str = ""  # of a domain-scoped token
    system_scope: str = ""  # "all" for a system-scoped token
    roles: tuple[str, ...] = ()
    service_roles: tuple[str, ...] = ()  # of a valid X-Service-Token
    service_user_id: str = ""

    @property
    def outgoing_id(self) -> str:
        """The id that downstream requests carry as `X-OpenStack-Request-ID`."""
        return self.global_request_id or self.request_id

    def to_dict(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in NAMES}
        fields["auth_token"] = fields.pop("token")
        return fields

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> RequestContext:
        """What a sender left out, or knows nothing of (None), is empty."""
        values = {"request_id": ""} | {name: fields[name] for name in NAMES if fields.get(name) is not None}
        values["token"] = fields.get("auth_token") or ""
        values["roles"] = tuple(fields.get("roles") or ())
        values["service_roles"] = tuple(fields.get("service_roles") or ())
        return cls(**values)

    def credentials(self) -> dict[str, Any]:
        """What policy rules read (oslo.policy's credentials)."""
        return {
            "user_id": self.user_id,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "domain_id": self.domain_id or None,
            "user_domain_id": self.user_domain_id,
            "project_domain_id": self.project_domain_id,
            "system_scope": self.system_scope or None,
            "roles": list(self.roles),
            "service_roles": list(self.service_roles),
            "is_admin_project": True,
            "token": self._token_domains(),
        }

    def _token_domains(self) -> dict[str, Any]:
        """keystone's `token.domain.id` and `token.project.domain.id`, there only where there is one: None would equal None."""
        found: dict[str, Any] = {"domain": {"id": self.domain_id}} if self.domain_id else {}
        return found | ({"project": {"domain": {"id": self.project_domain_id}}} if self.project_domain_id else {})


NAMES = tuple(field.name for field in dataclasses.fields(RequestContext))


def service_context(name: str, request_id: str = "") -> RequestContext:
    """The context of work that no client asked for: heartbeats, sweeps, agents."""
    return RequestContext(request_id=request_id or new_request_id(), user_name=name)
