"""Versions and extensions: what clients look at to learn what this neutron can do."""

from __future__ import annotations

from mockcloud.http.context import Context
from mockcloud.http.errors import NotFound
from mockcloud.http.reply import Json, Query

EXTENSIONS = {  # alias: name, when last changed; only what is really served
    "agent": ("agent", "2013-02-03T10:00:00-00:00"),
    "allowed-address-pairs": ("Allowed Address Pairs", "2013-07-23T10:00:00-00:00"),
    "availability_zone": ("Availability Zone", "2015-01-01T10:00:00-00:00"),
    "binding": ("Port Binding", "2014-02-03T10:00:00-00:00"),
    "empty-string-filtering": ("Empty String Filtering Extension", "2018-05-01T10:00:00-00:00"),
    "ext-gw-mode": ("Neutron L3 Configurable external gateway mode", "2013-03-28T10:00:00-00:00"),
    "external-net": ("Neutron external network", "2013-01-14T10:00:00-00:00"),
    "extra_dhcp_opt": ("Neutron Extra DHCP options", "2013-03-17T12:00:00-00:00"),
    "extraroute": ("Neutron Extra Route", "2013-02-01T10:00:00-00:00"),
    "filter-validation": ("Filter parameters validation", "2018-07-04T10:00:00-00:00"),
    "net-mtu": ("Network MTU", "2015-03-25T10:00:00-00:00"),
    "net-mtu-writable": ("Network MTU (writable)", "2017-07-12T00:00:00-00:00"),
    "network-ip-availability": ("Network IP Availability", "2015-09-24T00:00:00-00:00"),
    "network_availability_zone": ("Network Availability Zone", "2015-01-01T10:00:00-00:00"),
    "pagination": ("Pagination support", "2016-06-12T00:00:00-00:00"),
    "port-security": ("Port Security", "2012-07-23T10:00:00-00:00"),
    "port-security-groups-filtering": ("Port filtering on security groups", "2018-01-09T09:00:00-00:00"),
    "project-id": ("project_id field enabled", "2016-09-09T09:09:09-09:09"),
    "provider": ("Provider Network", "2012-09-07T10:00:00-00:00"),
    "quota-check-limit": ("Quota engine limit check", "2021-09-08T16:00:00-00:00"),
    "quota-check-limit-default": ("Quota engine limit check by default", "2024-08-21T16:00:00-00:00"),
    "quota_details": ("Quota details management support", "2017-02-10T10:00:00-00:00"),
    "quotas": ("Quota management support", "2012-07-29T10:00:00-00:00"),
    "router": ("Neutron L3 Router", "2012-07-20T10:00:00-00:00"),
    "router_availability_zone": ("Router Availability Zone", "2015-01-01T10:00:00-00:00"),
    "security-group": ("security-group", "2012-10-05T10:00:00-00:00"),
    "security-groups-normalized-cidr": ("Normalized CIDR field for security group rules", "2020-07-28T10:00:00-00:00"),
    "security-groups-rules-belongs-to-default-sg": (
        "Security group rule belongs to the project's default security group",
        "2023-05-23T10:00:00-00:00",
    ),
    "security-groups-shared-filtering": ("Security group filtering on the shared field", "2021-10-05T09:00:00-00:00"),
    "sorting": ("Sorting support", "2016-06-12T00:00:00-00:00"),
    "standard-attr-description": ("standard-attr-description", "2016-02-10T10:00:00-00:00"),
    "standard-attr-revisions": ("Resource revision numbers", "2016-04-11T10:00:00-00:00"),
    "standard-attr-tag": ("Tag support for resources with standard attribute", "2017-01-01T00:00:00-00:00"),
    "standard-attr-timestamp": ("Resource timestamps", "2016-09-12T10:00:00-00:00"),
    "stateful-security-group": ("Stateful security group", "2019-11-26T09:00:00-00:00"),
    "subnet-external-network": ("Subnet belongs to an external network", "2024-02-05T18:00:00-00:00"),
    "subnet-service-types": ("Subnet service types", "2016-03-15T18:00:00-00:00"),
    "tag-creation": ("Tag creation extension", "2024-23-07T10:00:00-00:00"),
}
CORE = {"network": "networks", "subnet": "subnets", "port": "ports"}


async def list_versions(ctx: Context) -> Json:
    links = [{"rel": "self", "href": ctx.url("/v2.0/")}]
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}


async def list_resources(ctx: Context) -> Json:
    found = [
        {"name": name, "collection": many, "links": [{"rel": "self", "href": ctx.url(f"/v2.0/{many}")}]} for name, many in CORE.items()
    ]
    return {"resources": found}


async def list_extensions(ctx: Context, query: Query) -> Json:
    shown = [_extension(alias) for alias in EXTENSIONS]
    if fields := query.get("fields"):
        shown = [{name: extension[name] for name in fields if name in extension} for extension in shown]
    return {"extensions": shown}


async def show_extension(ctx: Context, alias: str) -> Json:
    if alias not in EXTENSIONS:
        raise NotFound("The resource could not be found.", type="HTTPNotFound")
    return {"extension": _extension(alias)}


def _extension(alias: str) -> Json:
    name, updated = EXTENSIONS[alias]
    return {"alias": alias, "name": name, "description": name, "updated": updated, "links": []}
