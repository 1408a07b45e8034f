"""JSON patches of an image, in both of glance's dialects."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.glance.conftest import PATCH, Glance, refusal

DRAFT4 = "application/openstack-images-v2.0-json-patch"
SUPPORTED = "It must be one of the following: add, remove, replace."


async def test_fields_and_properties_change_together(member: Glance) -> None:
    image = await member.image(old="1", kept="2")
    answer = await member.patch(
        image["id"],
        {"op": "replace", "path": "/name", "value": "two"},
        {"op": "replace", "path": "/tags", "value": ["b", "a", "a"]},
        {"op": "add", "path": "/min_ram", "value": 64},
        {"op": "add", "path": "/visibility", "value": "community"},
        {"op": "add", "path": "/with~1slash", "value": "3"},
        {"op": "replace", "path": "/kept", "value": "4"},
        {"op": "remove", "path": "/old"},
    )
    assert answer.status == 200
    changed = answer.json()
    assert (changed["name"], changed["tags"], changed["min_ram"], changed["visibility"]) == ("two", ["a", "b"], 64, "community")
    assert (changed["with/slash"], changed["kept"]) == ("3", "4")
    assert "old" not in changed
    assert await member.get(f"/images/{image['id']}") == changed


async def test_the_older_dialect_does_the_same(member: Glance) -> None:
    image = await member.image(old="1", kept="2")
    changes = [{"replace": "/name", "value": "two"}, {"add": "/new", "value": "3"}, {"remove": "/old"}]
    changed = (await member.patch(image["id"], *changes, media=DRAFT4)).json()
    assert (changed["name"], changed["new"], "old" in changed) == ("two", "3", False)


async def test_no_changes_are_no_change(member: Glance) -> None:
    image = await member.image()
    assert (await member.patch(image["id"])).json() == image


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"path": "/name", "value": "x"}, 400, f"Unable to find `op` in JSON Schema change. {SUPPORTED}"),
        ({"op": "move", "path": "/name", "value": "x"}, 400, f"Invalid operation: `move`. {SUPPORTED}"),
        ({"op": "add", "value": "x"}, 400, "Unable to find 'path' in JSON Schema change"),
        ({"op": "add", "path": "/name"}, 400, 'Operation "add" requires a member named "value".'),
        ({"op": "add", "path": "name", "value": "x"}, 400, 'Pointer `name` does not start with "/".'),
        ({"op": "add", "path": 5, "value": "x"}, 400, 'Pointer `5` does not start with "/".'),
        ({"op": "add", "path": "/a//b", "value": "x"}, 400, 'Pointer `/a//b` contains adjacent "/".'),
        ({"op": "add", "path": "/a/", "value": "x"}, 400, 'Pointer `/a/` end with "/".'),
        ({"op": "add", "path": "/a~b", "value": "x"}, 400, 'Pointer `/a~b` contains "~" not part of a recognized escape sequence.'),
        ({"op": "add", "path": "/a/b", "value": "x"}, 400, "Invalid JSON pointer for this resource: '/a/b'"),
        ({"op": "add", "path": "/tags/-", "value": "x"}, 400, "Invalid JSON pointer for this resource: '/tags/-'"),
        ("remove", 400, "Operations must be JSON objects."),
        ({"op": "replace", "path": "/min_disk", "value": "x"}, 400, "Provided object does not match schema 'image': 'x' is not of type"),
        ({"op": "replace", "path": "/min_disk", "value": -1}, 400, "Invalid value '-1' for parameter 'min_disk': Cannot be a negative"),
        ({"op": "replace", "path": "/visibility", "value": "x"}, 400, "Provided object does not match schema 'image': 'x' is not one of"),
        ({"op": "replace", "path": "/tags", "value": [1]}, 400, "Provided object does not match schema 'image': 1 is not of type"),
        ({"op": "add", "path": "/color", "value": 5}, 400, "Provided object does not match schema 'image': 5 is not of type 'string'"),
        ({"op": "replace", "path": "/status", "value": "active"}, 403, "Attribute 'status' is read-only."),
        ({"op": "remove", "path": "/checksum"}, 403, "Attribute 'checksum' is read-only."),
        ({"op": "replace", "path": "/id", "value": "x"}, 403, "Attribute 'id' is read-only."),
        ({"op": "replace", "path": "/os_hash_value", "value": "x"}, 403, "Attribute 'os_hash_value' is read-only."),
        ({"op": "add", "path": "/deleted", "value": "x"}, 403, "Attribute 'deleted' is reserved."),
        ({"op": "add", "path": "/os_glance_x", "value": "x"}, 403, "Attribute 'os_glance_x' is reserved."),
        ({"op": "remove", "path": "/name"}, 403, "Property name may not be removed."),
        ({"op": "replace", "path": "/owner", "value": "x"}, 403, "Owner can't be updated by non admin."),
        ({"op": "replace", "path": "/visibility", "value": "public"}, 403, "You are not authorized to complete publicize_image action."),
        ({"op": "add", "path": "/locations/-", "value": {}}, 403, "It's not allowed to add locations if locations are invisible."),
        ({"op": "remove", "path": "/color"}, 409, "Property color does not exist."),
        ({"op": "replace", "path": "/color", "value": "red"}, 409, "Property color does not exist."),
    ],
)
async def test_a_bad_change_changes_nothing(member: Glance, change: Any, status: int, sentence: str) -> None:
    image = await member.image()
    answer = await member.patch(image["id"], {"op": "replace", "path": "/name", "value": "half"}, change)
    found, message = refusal(answer)
    assert found == status
    assert message.startswith(sentence)
    assert await member.get(f"/images/{image['id']}") == image


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"value": "x"}, 400, 'Operation objects must contain exactly one member named "add", "remove", or "replace".'),
        ({"add": "/a", "remove": "/a", "value": "x"}, 400, 'Operation objects must contain only one member named "add", "remove", or'),
        ({"add": "/name", "value": "x"}, 409, "Property name already present."),
        ({"add": "/kept", "value": "x"}, 409, "Property kept already present."),
    ],
)
async def test_the_older_dialect_has_refusals_of_its_own(member: Glance, change: Any, status: int, sentence: str) -> None:
    image = await member.image(kept="1")
    found, message = refusal(await member.patch(image["id"], change, media=DRAFT4))
    assert found == status
    assert message.startswith(sentence)


async def test_a_patch_must_be_a_list(member: Glance) -> None:
    image = await member.image()
    answer = await member.request("PATCH", f"/images/{image['id']}", {"op": "add"}, headers={"Content-Type": PATCH})
    assert refusal(answer) == (400, "Request body must be a JSON array of operation objects.")


@pytest.mark.parametrize("media", ["application/json", "application/json-patch+json"])
async def test_a_patch_names_its_dialect(member: Glance, media: str) -> None:
    image = await member.image()
    answer = await member.patch(image["id"], media=media)
    assert refusal(answer)[0] == 415
    assert answer.headers["accept-patch"] == f"{DRAFT4}, {PATCH}"


async def test_the_format_of_an_image_with_data_is_settled(member: Glance) -> None:
    image = await member.image(b"data")
    answer = await member.patch(image["id"], {"op": "replace", "path": "/disk_format", "value": "qcow2"})
    assert refusal(answer) == (403, "Attribute disk_format can be only replaced for a queued image.")


async def test_an_admin_gives_an_image_away(member: Glance, admin: Glance, stranger: Glance) -> None:
    image = await member.image(visibility="private")
    change = {"op": "replace", "path": "/owner", "value": stranger.project_id}
    assert (await admin.patch(image["id"], change)).json()["owner"] == stranger.project_id
    assert (await member.request("GET", f"/images/{image['id']}")).status == 404
    assert (await stranger.request("GET", f"/images/{image['id']}")).status == 200


async def test_a_patch_keeps_the_quota_of_properties(member: Glance) -> None:
    image = await member.image(**{f"p{n}": "" for n in range(128)})
    assert refusal(await member.patch(image["id"], {"op": "add", "path": "/more", "value": ""}))[0] == 413
    assert (await member.patch(image["id"], {"op": "add", "path": "/p5", "value": "x"})).status == 200
