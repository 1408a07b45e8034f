"""Lists of images: filters, order, pages, whose."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.glance.conftest import Glance, refusal


@pytest.fixture
async def three(member: Glance) -> list[dict[str, Any]]:
    """one: raw, 4 bytes, tag a; two: qcow2, waiting; three: raw, 9 bytes, tags a and b."""
    return [
        await member.image(b"1234", name="one", tags=["a"], os_distro="cirros"),
        await member.image(name="two", disk_format="qcow2", min_disk=5, protected=True, visibility="private"),
        await member.image(b"123456789", name="three, and more", tags=["a", "b"], min_ram=64, os_distro="fedora"),
    ]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["three, and more", "two", "one"]),
        ({"name": "one"}, ["one"]),
        ({"name": "ONE"}, []),
        ({"name": 'in:one,"three, and more"'}, ["three, and more", "one"]),
        ({"name": "eq:two"}, ["two"]),
        ({"status": "queued"}, ["two"]),
        ({"status": "in:queued,active"}, ["three, and more", "two", "one"]),
        ({"disk_format": "in:raw,vdi"}, ["three, and more", "one"]),
        ({"container_format": "ovf"}, []),
        ({"visibility": "private"}, ["two"]),
        ({"protected": "true"}, ["two"]),
        ({"min_disk": "5"}, ["two"]),
        ({"min_ram": "many"}, []),
        ({"size_min": "5"}, ["three, and more"]),
        ({"size_max": "5"}, ["one"]),
        ({"size_min": "1", "size_max": str(10**30)}, ["three, and more", "one"]),
        ({"size": "9"}, ["three, and more"]),
        ({"size": str(10**30)}, []),
        ({"checksum": "81dc9bdb52d04dc20036dbd8313ed055"}, ["one"]),
        ({"tag": "a"}, ["three, and more", "one"]),
        ({"tag": "A"}, []),
        ({"tag": ["a", "b"]}, ["three, and more"]),
        ({"os_distro": "fedora"}, ["three, and more"]),
        ({'odd"name': "fedora"}, []),
        ({"created_at": "gt:2000-01-01T00:00:00Z"}, ["three, and more", "two", "one"]),
        ({"created_at": "lt:2000-01-01T01:00:00+01:00"}, []),
        ({"updated_at": "2000-01-01T00:00:00Z"}, []),
        ({"sort_key": "name", "sort_dir": "asc"}, ["one", "three, and more", "two"]),
        ({"sort": "status:asc,name:desc"}, ["three, and more", "one", "two"]),
        ({"sort_key": ["status", "name"], "sort_dir": ["desc", "asc"]}, ["two", "one", "three, and more"]),
        ({"sort": "size"}, ["three, and more", "one", "two"]),
        ({"limit": "0"}, []),
        ({"os_hidden": "true"}, []),
    ],
)
async def test_a_list_holds_what_was_asked_for(member: Glance, three: list[Any], query: Any, names: list[str]) -> None:
    found = await member.names(**{"owner": member.project_id, **query})
    assert found == names


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"limit": "many"}, "limit param must be an integer"),
        ({"limit": "--1"}, "limit param must be an integer"),
        ({"limit": "9" * 5000}, "limit param must be an integer"),
        ({"limit": "-1"}, "limit param must be positive"),
        ({"marker": "nowhere"}, "No image found with ID nowhere"),
        ({"sort_key": "weight"}, "Invalid sort key: weight. It must be one of the following: name, status, container_format, "),
        ({"sort_dir": "up"}, "Invalid sort direction: up"),
        ({"sort": "name:up"}, "Invalid sort direction: up"),
        ({"sort": "name", "sort_key": "name"}, "Old and new sorting syntax cannot be combined"),
        ({"sort_key": ["name", "size", "id"], "sort_dir": ["asc", "desc"]}, "Number of sort dirs does not match the number of sort keys"),
        ({"visibility": "secret"}, "Invalid visibility value: secret"),
        ({"member_status": "unsure"}, "Invalid status: unsure"),
        ({"os_hidden": "yes"}, "Invalid value 'yes' for 'os_hidden' filter. Valid values are 'true' or 'false'."),
        ({"protected": "yes"}, "Invalid value 'yes' for 'protected' filter. Valid values are 'true' or 'false'."),
        ({"size_min": "big"}, "Unable to filter on a range with a non-numeric value."),
        ({"created_at": "yesterday"}, 'Bad "created_at" query filter format. Use ISO 8601 DateTime notation.'),
        ({"created_at": "near:2026-01-01T00:00:00Z"}, "Unable to filter on a unknown operator."),
        ({"name": "like:one"}, "Unable to filter by unknown operator 'like'."),
        ({"name": 'in:"one'}, 'Invalid filter value "one. The quote is not closed.'),
        ({"changes-since": "2026-01-01"}, 'The "changes-since" filter is no longer available on v2.'),
    ],
)
async def test_a_list_nobody_can_make_is_refused(member: Glance, query: Any, sentence: str) -> None:
    status, message = refusal(await member.request("GET", "/images", params=query))
    assert status == 400
    assert message.startswith(sentence.replace("&", "&amp;"))


async def test_pages_hold_25_and_lead_to_the_next(member: Glance) -> None:
    made = [(await member.image(name=f"{n:02}"))["name"] for n in range(27)]
    seen, link, pages = [], "/images?sort_key=name&sort_dir=asc&visibility=shared", 0
    while link:
        body = await member.get(link)
        assert body["schema"] == "/v2/schemas/images"
        assert "marker" not in body["first"]
        seen += [image["name"] for image in body["images"]]
        pages += 1
        link = body.get("next", "").removeprefix("/v2")
    assert (seen, pages) == (made, 2)


async def test_every_order_pages_without_gaps_or_repeats(member: Glance, three: list[Any]) -> None:
    for sort in ("size:asc", "size:desc", "status:asc", "name:desc", "updated_at:asc"):
        seen, link = [], f"/images?limit=1&sort={sort}&owner={member.project_id}"
        while link:
            body = await member.get(link)
            seen += [image["id"] for image in body["images"]]
            link = body.get("next", "").removeprefix("/v2")
        assert sorted(seen) == sorted(image["id"] for image in three)


async def test_a_list_asks_for_no_more_than_a_thousand(member: Glance) -> None:
    assert (await member.get("/images?limit=5000"))["images"]


async def test_a_project_sees_its_own_and_public_images_and_others_community_images_when_asked(
    member: Glance, stranger: Glance, admin: Glance
) -> None:
    for visibility in ("private", "shared", "community"):
        await member.image(name=visibility, visibility=visibility)
    await admin.image(name="everybody", visibility="public")
    assert {"private", "shared", "community", "everybody"} <= set(await member.names())
    assert set(await stranger.names()) == {"everybody", "cirros"}
    assert await stranger.names(visibility="community") == ["community"]
    assert set(await stranger.names(visibility="all")) == {"everybody", "cirros", "community"}
    assert {"private", "shared", "everybody"} <= set(await admin.names())
    assert "community" not in await admin.names()


async def test_a_hidden_image_is_listed_only_when_asked_for(member: Glance) -> None:
    image = await member.image(name="old", os_hidden=True)
    assert "old" not in await member.names()
    assert await member.names(os_hidden="true") == ["old"]
    assert (await member.get(f"/images/{image['id']}"))["os_hidden"] is True


async def test_a_shared_image_is_listed_once_it_is_accepted(member: Glance, stranger: Glance) -> None:
    image = await member.image(name="gift")
    await member.request("POST", f"/images/{image['id']}/members", {"member": stranger.project_id})
    assert "gift" not in await stranger.names()
    assert await stranger.names(member_status="pending", visibility="shared") == ["gift"]
    await stranger.request("PUT", f"/images/{image['id']}/members/{stranger.project_id}", {"status": "accepted"})
    assert "gift" in await stranger.names()
    assert await stranger.names(member_status="rejected", visibility="shared") == []
