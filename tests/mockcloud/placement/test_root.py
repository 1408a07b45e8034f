"""Versions, errors, policies: what all of placement has in common."""

from __future__ import annotations

import pytest

from tests.mockcloud.placement.conftest import Placement, error_of, new_uuid


async def test_the_root_names_the_versions(placement: Placement) -> None:
    answer = await placement.nobody.get("placement", "/")
    assert answer.status == 200
    assert answer.json()["versions"][0] == {
        "id": "v1.0", "max_version": "1.39", "min_version": "1.0", "status": "CURRENT", "links": [{"rel": "self", "href": ""}],
    }  # fmt: skip


async def test_without_a_token_401(placement: Placement) -> None:
    answer = await placement.nobody.get("placement", "/resource_providers")
    assert answer.status == 401
    assert "www-authenticate" in answer.headers


async def test_the_answer_names_its_version(placement: Placement) -> None:
    assert (await placement.get("/resource_providers")).headers["openstack-api-version"] == "placement 1.39"
    unasked = await placement.admin.get("placement", "/resource_providers")
    assert unasked.headers["openstack-api-version"] == "placement 1.0"
    assert "cache-control" not in unasked.headers
    assert "root_provider_uuid" not in unasked.content.decode()


@pytest.mark.parametrize(("version", "status"), [("1.40", 406), ("2.0", 406), ("0.9", 400), ("x", 400)])
async def test_a_version_that_is_not_there(placement: Placement, version: str, status: int) -> None:
    assert (await placement.get("/resource_providers", version=version)).status == status


async def test_errors_have_a_code_from_1_23_on(placement: Placement) -> None:
    path = f"/resource_providers/{new_uuid()}"
    assert error_of(await placement.get(path))[1] == "placement.resource_provider.not_found"
    assert "code" not in (await placement.get(path, version="1.22")).json()["errors"][0]


async def test_answers_are_not_to_be_kept_from_1_15_on(placement: Placement) -> None:
    provider = await placement.provider("one", VCPU=4)
    for path in ("", f"/{provider}", f"/{provider}/inventories", f"/{provider}/inventories/VCPU", f"/{provider}/usages",
                 f"/{provider}/allocations", f"/{provider}/aggregates", f"/{provider}/traits"):  # fmt: skip
        new, old = await placement.get("/resource_providers" + path, "1.15"), await placement.get("/resource_providers" + path, "1.14")
        assert new.headers["cache-control"] == "no-cache"
        assert new.headers["last-modified"].endswith(" GMT")
        assert not {"cache-control", "last-modified"} & set(old.headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/resource_providers"), ("POST", "/resource_providers"), ("GET", "/resource_providers/{id}"),
        ("PUT", "/resource_providers/{id}"), ("DELETE", "/resource_providers/{id}"), ("GET", "/resource_providers/{id}/inventories"),
        ("POST", "/resource_providers/{id}/inventories"), ("PUT", "/resource_providers/{id}/inventories"),
        ("DELETE", "/resource_providers/{id}/inventories"), ("GET", "/resource_providers/{id}/inventories/VCPU"),
        ("PUT", "/resource_providers/{id}/inventories/VCPU"), ("DELETE", "/resource_providers/{id}/inventories/VCPU"),
        ("GET", "/resource_providers/{id}/aggregates"), ("PUT", "/resource_providers/{id}/aggregates"),
        ("GET", "/resource_providers/{id}/traits"), ("PUT", "/resource_providers/{id}/traits"),
        ("DELETE", "/resource_providers/{id}/traits"), ("GET", "/resource_providers/{id}/usages"),
        ("GET", "/resource_providers/{id}/allocations"), ("GET", "/allocations/{id}"), ("PUT", "/allocations/{id}"),
        ("DELETE", "/allocations/{id}"), ("POST", "/allocations"), ("GET", "/allocation_candidates?resources=VCPU:1"),
        ("GET", "/resource_classes"), ("POST", "/resource_classes"), ("GET", "/resource_classes/VCPU"),
        ("PUT", "/resource_classes/CUSTOM_A"), ("DELETE", "/resource_classes/CUSTOM_A"), ("GET", "/traits"),
        ("GET", "/traits/CUSTOM_A"), ("PUT", "/traits/CUSTOM_A"), ("DELETE", "/traits/CUSTOM_A"), ("GET", "/usages?project_id=other"),
    ],
)  # fmt: skip
async def test_members_are_kept_out_whatever_they_send(placement: Placement, method: str, path: str) -> None:
    answer = await placement.member.request("placement", method, path.replace("{id}", new_uuid()), json={}, version="1.39")
    assert error_of(answer)[0] == 403


async def test_a_service_may_what_the_admin_may(placement: Placement) -> None:
    user = placement.cloud.id_for("user", "stranger")
    grant = f"/v3/projects/{placement.stranger.project_id}/users/{user}/roles/{placement.cloud.id_for('role', 'service')}"
    assert (await placement.admin.put("keystone", grant)).status == 204
    assert (await placement.stranger.get("placement", "/resource_providers", version="1.39")).status == 200


async def test_a_reader_may_see_his_project_s_usages(placement: Placement) -> None:
    answer = await placement.member.get("placement", f"/usages?project_id={placement.member.project_id}", version="1.39")
    assert (answer.status, answer.json()) == (200, {"usages": {}})


async def test_what_is_declined_says_so(placement: Placement) -> None:
    assert (await placement.post("/reshaper", {})).status == 501


@pytest.mark.parametrize("content", [b"", b"{", b"[1", b"\xff"])
async def test_a_body_that_is_no_json(placement: Placement, content: bytes) -> None:
    for method, path in (("POST", "/resource_providers"), ("PUT", f"/allocations/{new_uuid()}"), ("POST", "/allocations")):
        assert error_of(await placement.ask(method, path, content=content))[0] == 400


async def test_unknown_paths_methods_and_media(placement: Placement) -> None:
    assert error_of(await placement.get("/nothing"))[0] == 404
    answer = await placement.delete("/resource_providers")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST")
    text = await placement.ask("POST", "/resource_providers", content=b"name", headers={"Content-Type": "text/plain"})
    assert text.status == 415
