"""Images' records: create, show, delete, who may."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from mockcloud.clients import Response
from tests.mockcloud.glance.conftest import Glance, refusal

NOT_SCHEMA = "Provided object does not match schema 'image': "


async def test_a_new_image_has_every_field_and_waits_for_data(member: Glance) -> None:
    answer = await member.request("POST", "/images", {})
    image = answer.json()
    assert answer.status == 201
    assert answer.headers["location"].endswith(f"/v2/images/{image['id']}")
    assert answer.headers["openstack-image-import-methods"] == "glance-direct"
    path = f"/v2/images/{image['id']}"
    moments = {name: image[name] for name in ("created_at", "updated_at")}
    assert image == {
        "id": str(uuid.UUID(image["id"])), "name": None, "status": "queued", "visibility": "shared", "protected": False,
        "os_hidden": False, "owner": member.project_id, "container_format": None, "disk_format": None, "min_disk": 0, "min_ram": 0,
        "size": None, "virtual_size": None, "checksum": None, "os_hash_algo": None, "os_hash_value": None, "tags": [],
        "self": path, "file": f"{path}/file", "schema": "/v2/schemas/image", **moments,
    }  # fmt: skip
    assert await member.get(f"/images/{image['id']}") == image


async def test_an_image_keeps_what_it_is_given(member: Glance) -> None:
    given = {
        "id": "11111111-2222-3333-4444-555555555555", "name": "x" * 255, "visibility": "private", "protected": True, "os_hidden": True,
        "container_format": "ovf", "disk_format": "vmdk", "min_disk": 3, "min_ram": 64, "tags": ["b", "a", "b"],
        "hw_disk_bus": "scsi", "kernel_id": None,
    }  # fmt: skip
    image = (await member.request("POST", "/images", given)).json()
    assert given | {"tags": ["a", "b"]} == {name: image[name] for name in given}


async def test_an_id_can_be_used_once(member: Glance) -> None:
    image = await member.image()
    assert refusal(await member.request("POST", "/images", {"id": image["id"]})) == (409, f"Image ID {image['id']} already exists!")


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"name": "x" * 256}, 400, NOT_SCHEMA),
        ({"name": 5}, 400, NOT_SCHEMA + "5 is not of type 'string', 'null'"),
        ({"id": "no-uuid"}, 400, NOT_SCHEMA),
        ({"visibility": "secret"}, 400, NOT_SCHEMA + "'secret' is not one of ['community', 'public', 'private', 'shared']"),
        ({"disk_format": "floppy"}, 400, NOT_SCHEMA),
        ({"container_format": "box"}, 400, NOT_SCHEMA),
        ({"min_disk": "5"}, 400, NOT_SCHEMA + "'5' is not of type 'integer'"),
        ({"min_disk": -1}, 400, "Invalid value '-1' for parameter 'min_disk': Cannot be a negative value"),
        ({"min_ram": 2**31}, 400, "'min_ram' value out of range, must not exceed 2147483647."),
        ({"protected": "yes"}, 400, NOT_SCHEMA + "'yes' is not of type 'boolean'"),
        ({"tags": ["x" * 256]}, 400, NOT_SCHEMA),
        ({"tags": "a"}, 400, NOT_SCHEMA),
        ({"owner": "x" * 256}, 400, NOT_SCHEMA),
        ({"hw_cpu_cores": 2}, 400, NOT_SCHEMA + "2 is not of type 'string'"),
        ({"hw_cpu_cores": None}, 400, NOT_SCHEMA),
        ({"x" * 256: "long"}, 400, "Custom property should not be greater than 255 characters."),
        ([], 400, NOT_SCHEMA + "[] is not of type 'object'"),
        ({"status": "active"}, 403, "Attribute 'status' is read-only."),
        ({"size": 5}, 403, "Attribute 'size' is read-only."),
        ({"checksum": "a"}, 403, "Attribute 'checksum' is read-only."),
        ({"created_at": "now"}, 403, "Attribute 'created_at' is read-only."),
        ({"self": "/"}, 403, "Attribute 'self' is read-only."),
        ({"direct_url": "file:///"}, 403, "Attribute 'direct_url' is read-only."),
        ({"deleted": "true"}, 403, "Attribute 'deleted' is reserved."),
        ({"os_glance_import_task": "x"}, 403, "Attribute 'os_glance_import_task' is reserved."),
        ({"locations": []}, 403, "Attribute 'locations' is reserved."),
        ({"owner": "somebody"}, 403, "You are not permitted to create images owned by 'somebody'"),
        ({"visibility": "public"}, 403, "You are not authorized to complete publicize_image action."),
        (
            {f"p{n}": "" for n in range(129)},
            413,
            "The limit has been exceeded on the number of allowed image properties. Attempted: 129, Maximum: 128",
        ),
        (
            {"tags": [str(n) for n in range(129)]},
            413,
            "The limit has been exceeded on the number of allowed image tags. Attempted: 129, Maximum: 128",
        ),
    ],
)
async def test_a_bad_record_makes_no_image(member: Glance, body: Any, status: int, sentence: str) -> None:
    before = await member.names(visibility="all")
    answer = await member.request("POST", "/images", body)
    found, message = refusal(answer)
    assert found == status
    assert message.startswith(sentence)
    assert await member.names(visibility="all") == before


@pytest.mark.parametrize(("content", "sentence"), [(b"{", "Malformed JSON in request body."), (b"", "Body expected in request.")])
async def test_a_body_that_is_no_json_is_refused(member: Glance, content: bytes, sentence: str) -> None:
    assert refusal(await member.request("POST", "/images", content=content)) == (400, sentence)


async def test_a_json_body_may_have_any_content_type(member: Glance) -> None:
    answer = await member.request("POST", "/images", content=b'{"name": "a"}', headers={"Content-Type": "text/plain"})
    assert answer.status == 201


async def test_only_an_admin_publishes_and_gives_images_away(admin: Glance, stranger: Glance) -> None:
    image = await admin.image(visibility="public")
    assert (await stranger.request("GET", f"/images/{image['id']}")).status == 200
    given = await admin.image(owner=stranger.project_id, visibility="private")
    assert (await stranger.request("GET", f"/images/{given['id']}")).status == 200


async def test_a_reader_makes_and_changes_nothing(member: Glance, reader: Glance) -> None:
    image = await member.image(b"data")
    path = f"/images/{image['id']}"
    answers = {
        "add_image": await reader.request("POST", "/images", {}),
        "modify_image": await reader.patch(image["id"], {"op": "replace", "path": "/name", "value": "mine"}),
        "upload_image": await reader.upload(image["id"], b"other"),
        "download_image": await reader.request("GET", f"{path}/file"),
        "deactivate": await reader.request("POST", f"{path}/actions/deactivate"),
        "reactivate": await reader.request("POST", f"{path}/actions/reactivate"),
        "add_member": await reader.request("POST", f"{path}/members", {"member": "x"}),
        "delete_image": await reader.request("DELETE", path),
    }
    for rule, answer in answers.items():
        assert refusal(answer) == (403, f"You are not authorized to complete {rule} action.")
    assert (await reader.request("PUT", f"{path}/tags/a")).status == 403
    assert await reader.get(path) == image


async def test_a_stranger_finds_nothing(member: Glance, stranger: Glance) -> None:
    image = await member.image(b"data")
    path, missing = f"/images/{image['id']}", f"No image found with ID {image['id']}"
    assert refusal(await stranger.request("GET", path)) == (404, missing)
    assert refusal(await stranger.request("GET", f"{path}/file")) == (404, missing)
    assert refusal(await stranger.upload(image["id"], b"x")) == (404, missing)
    assert refusal(await stranger.patch(image["id"], {"op": "remove", "path": "/a"})) == (404, missing)
    assert refusal(await stranger.request("DELETE", path)) == (404, f"Failed to find image {image['id']} to delete")
    assert refusal(await stranger.request("PUT", f"{path}/tags/a")) == (404, f"Image {image['id']} not found.")
    assert refusal(await stranger.request("POST", f"{path}/members", {"member": "x"})) == (404, f"Image {image['id']} not found.")
    assert (await member.get(path)) == image


async def test_what_a_stranger_may_see_it_may_still_not_change(member: Glance, stranger: Glance) -> None:
    image = await member.image(b"data", visibility="community")
    path = f"/images/{image['id']}"
    assert (await stranger.request("GET", f"{path}/file")).content == b"data"
    assert refusal(await stranger.request("DELETE", path)) == (403, "You are not authorized to complete delete_image action.")


@pytest.mark.parametrize("who", ["nobody", "bad token"])
async def test_without_a_token_there_is_a_401_before_anything_else(user: Any, who: str) -> None:
    anyone: Glance = user("nobody")
    headers = {"X-Auth-Token": "gAAAA"} if who == "bad token" else {}
    answer = await anyone.request("GET", "/nothing", headers=headers)
    assert answer.status == 401
    assert answer.json()["error"]["title"] == "Unauthorized"
    assert answer.headers["www-authenticate"].startswith('Keystone uri="')


async def test_a_deleted_image_is_gone_with_its_data(member: Glance) -> None:
    from mockcloud.glance.store import Store

    image = await member.image(b"data")
    store = member.cloud.services["glance"].part(Store)
    assert store.exists(image["id"])
    assert (await member.request("DELETE", f"/images/{image['id']}")).status == 204
    assert refusal(await member.request("GET", f"/images/{image['id']}"))[0] == 404
    assert not store.exists(image["id"])
    assert refusal(await member.request("DELETE", f"/images/{image['id']}")) == (404, f"Failed to find image {image['id']} to delete")


async def test_a_protected_image_stays(member: Glance, admin: Glance) -> None:
    image = await member.image(protected=True)
    said = f"Image {image['id']} is protected and cannot be deleted."
    assert refusal(await member.request("DELETE", f"/images/{image['id']}")) == (403, said)
    assert refusal(await admin.request("DELETE", f"/images/{image['id']}")) == (403, said)
    await member.patch(image["id"], {"op": "replace", "path": "/protected", "value": False})
    assert (await member.request("DELETE", f"/images/{image['id']}")).status == 204


async def test_a_deactivated_image_keeps_its_data_from_all_but_an_admin(member: Glance, admin: Glance) -> None:
    image = await member.image(b"data")
    path = f"/images/{image['id']}"
    for _ in range(2):  # the second time changes nothing
        assert (await member.request("POST", f"{path}/actions/deactivate")).status == 204
    assert (await member.get(path))["status"] == "deactivated"
    said = "The requested image has been deactivated. Image data download is forbidden."
    assert refusal(await member.request("GET", f"{path}/file")) == (403, said)
    assert (await admin.request("GET", f"{path}/file")).content == b"data"
    for _ in range(2):
        assert (await member.request("POST", f"{path}/actions/reactivate")).status == 204
    assert (await member.request("GET", f"{path}/file")).content == b"data"


@pytest.mark.parametrize("action", ["deactivate", "reactivate"])
async def test_an_image_without_data_cannot_be_switched(member: Glance, action: str) -> None:
    image = await member.image()
    answer = await member.request("POST", f"/images/{image['id']}/actions/{action}")
    assert refusal(answer) == (403, f"Not allowed to {action} image in status 'queued'")


async def test_tags_come_and_go(member: Glance) -> None:
    path = f"/images/{(await member.image(tags=['a']))['id']}"
    for _ in range(2):
        assert (await member.request("PUT", f"{path}/tags/b%20c")).status == 204
    assert (await member.get(path))["tags"] == ["a", "b c"]
    assert (await member.request("DELETE", f"{path}/tags/a")).status == 204
    assert (await member.get(path))["tags"] == ["b c"]
    assert refusal(await member.request("DELETE", f"{path}/tags/a")) == (404, "The resource could not be found.")
    assert refusal(await member.request("PUT", f"{path}/tags/{'x' * 256}"))[0] == 400


async def test_there_are_at_most_128_tags(member: Glance) -> None:
    image = await member.image(tags=[str(n) for n in range(128)])
    assert refusal(await member.request("PUT", f"/images/{image['id']}/tags/one-more"))[0] == 413
    assert (await member.request("PUT", f"/images/{image['id']}/tags/5")).status == 204


@pytest.mark.parametrize(
    ("accept", "media", "start"),
    [
        ("", "text/plain; charset=UTF-8", "404 Not Found\n\nNo image found with ID x\n\n   "),
        ("application/json", "application/json", '{"message": "No image found with ID x<br /><br />\\n\\n\\n"'),
        ("*/*", "text/html; charset=UTF-8", "<html>\n <head>\n  <title>404 Not Found</title>"),
        ("text/html", "text/html; charset=UTF-8", "<html>"),
    ],
)
async def test_an_error_is_written_as_the_client_accepts_it(member: Glance, accept: str, media: str, start: str) -> None:
    answer: Response = await member.request("GET", "/images/x", headers={"Accept": accept})
    assert (answer.status, answer.headers["content-type"]) == (404, media)
    assert answer.content.decode().startswith(start)


async def test_a_method_that_is_not_there_names_the_others(member: Glance) -> None:
    answer = await member.request("PUT", "/images", {})
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    assert refusal(answer)[1] == "The method PUT is not allowed for this resource."
