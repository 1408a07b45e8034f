"""Projection of annotated schemas to one microversion."""

from __future__ import annotations

import pytest

from specs.project import ABSENT, parse_version, project, prune, pruner

KEYPAIR = {
    "type": "object",
    "required": ["name", "type"],
    "properties": {
        "name": {"type": "string"},
        "type": {"type": "string", "x-openstack": {"since": "2.2"}},
        "networks": {"type": "array", "x-openstack": {"required_since": "2.37"}},
        "flavor": {"x-versions": [{"until": "2.46", "type": "string"}, {"since": "2.47", "$ref": "#/components/schemas/Flavor"}]},
        "old": {"type": "string", "x-openstack": {"until": "2.35"}},
    },
}
COMPONENTS = {"schemas": {"Flavor": {"type": "object", "properties": {"extra": {"type": "object", "x-openstack": {"since": "2.61"}}}}}}


@pytest.mark.parametrize(
    ("version", "properties", "required"),
    [
        ("2.1", {"name", "networks", "flavor", "old"}, ["name"]),
        ("2.2", {"name", "type", "networks", "flavor", "old"}, ["name", "type"]),
        ("2.36", {"name", "type", "networks", "flavor"}, ["name", "type"]),
        ("2.37", {"name", "type", "networks", "flavor"}, ["name", "type", "networks"]),
    ],
)
def test_a_version_has_its_own_properties_and_its_own_required_ones(version, properties, required):
    made = project(KEYPAIR, parse_version(version), COMPONENTS)
    assert set(made["properties"]) == properties
    assert made["required"] == required


def test_the_matching_shape_takes_its_place_and_references_are_written_out():
    assert project(KEYPAIR, (2, 46), COMPONENTS)["properties"]["flavor"] == {"type": "string"}
    assert project(KEYPAIR, (2, 60), COMPONENTS)["properties"]["flavor"] == {"type": "object", "properties": {}}
    assert "extra" in project(KEYPAIR, (2, 61), COMPONENTS)["properties"]["flavor"]["properties"]


def test_nothing_is_left_of_what_a_version_does_not_have():
    assert project({"type": "string", "x-openstack": {"since": "2.2"}}, (2, 1)) is ABSENT
    assert project({"oneOf": [{"type": "null"}, {"type": "string", "x-openstack": {"until": "2.1"}}]}, (2, 2)) == {
        "oneOf": [{"type": "null"}]
    }


def test_versions_compare_as_numbers_not_as_text():
    assert project({"type": "string", "x-openstack": {"since": "2.9"}}, (2, 10)) == {"type": "string"}


def test_a_full_answer_loses_what_its_version_does_not_know_however_deep():
    schema = {"type": "object", "properties": {"servers": {"type": "array", "items": KEYPAIR}}}
    cuts = pruner(schema, (2, 60), COMPONENTS)
    body = {"servers": [{"name": "a", "old": 1, "flavor": {"extra": {}, "vcpus": 1}, "unknown": 1}]}
    assert prune(body, cuts) == {"servers": [{"name": "a", "flavor": {"vcpus": 1}, "unknown": 1}]}
    assert body["servers"][0]["old"] == 1, "the full answer itself stays"
