"""What a plain client can try to learn whether services really ask keystone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.evidence import Fact

if TYPE_CHECKING:
    from conformance.cloud import Cloud

LISTS = {"compute": "/servers", "image": "/images", "network": "/ports", "volume": "/volumes"}
ASKED = {"compute": "nova-api", "image": "glance", "network": "neutron", "volume": "cinder"}


def probe_tokens(cloud: Cloud) -> list[Fact]:
    """Each service is shown a token that was revoked before it ever saw it, and then a good sibling of it.

    Only keystone knows that the one is bad and the other good: 401 and 200 mean that the service asked.
    """
    person, facts = cloud.member, []
    for service, path in LISTS.items():
        if not person.has(service):
            continue
        revoked, sibling = person.login(), person.login()
        gone = person.delete("identity", "/auth/tokens", token=sibling, headers={"X-Subject-Token": revoked})
        refused = person.get(service, path, token=revoked, params={"limit": 1})
        control = person.get(service, path, token=sibling, params={"limit": 1})
        facts.append(
            Fact(
                f"{refused.fact.id}:probe", "client", "probe", "client", "revoked token", refused.fact.start, refused.fact.end, "client",
                attributes={
                    "asked": ASKED[service], "revocation": gone.status, "status": refused.status, "control": control.status,
                    "facts": [gone.fact.id, refused.fact.id, control.fact.id],
                },
            )
        )  # fmt: skip
        person.delete("identity", "/auth/tokens", token=sibling, headers={"X-Subject-Token": sibling})
    missing = person.post("compute", "/servers", json={"server": cloud.launcher.body("refused", flavorRef="no-such-flavor")})
    facts.append(
        Fact(
            f"{missing.fact.id}:probe", "client", "probe", "client", "unknown flavor", missing.fact.start, missing.fact.end, "client",
            attributes={"asked": "nova-api", "status": missing.status, "facts": [missing.fact.id]},
        )
    )  # fmt: skip
    return facts
