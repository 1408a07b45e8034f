"""Extra specs: merged, set, dropped, and from 2.86 checked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mockcloud.nova.nova_user import Nova, refusal

PATH = "/flavors/1/os-extra_specs"


async def test_extra_specs_are_merged_set_and_dropped(admin: Nova, member: Nova) -> None:
    assert await admin.post(PATH, {"extra_specs": {"hw:numa_nodes": 1}}) == {"extra_specs": {"hw:numa_nodes": 1}}
    answer = await admin.request("PUT", f"{PATH}/my:colour", {"my:colour": "red"})
    assert (answer.status, answer.json()) == (200, {"my:colour": "red"})
    assert await member.get(PATH) == {"extra_specs": {"hw:numa_nodes": "1", "my:colour": "red"}}
    assert (await member.get("/flavors/1"))["flavor"]["extra_specs"] == {"hw:numa_nodes": "1", "my:colour": "red"}
    assert await member.get(f"{PATH}/my:colour") == {"my:colour": "red"}
    answer = await admin.request("DELETE", f"{PATH}/my:colour")
    assert (answer.status, answer.content) == (200, b"")
    missing = (404, "Flavor 1 has no extra specs with key my:colour.")
    assert refusal(await admin.request("DELETE", f"{PATH}/my:colour")) == missing
    assert refusal(await member.request("GET", f"{PATH}/my:colour")) == missing


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ({"hw:numa_nodes": "none"}, "Validation failed; 'none' is not a valid integer value."),
        ({"hw:numa_nodes": "0"}, "Validation failed; '0' is less than the min value of '1'."),
        ({"hw:redirected_usb_ports": 16}, "Validation failed; '16' is greater than the max value of '15'."),
        ({"hw:cpu_policy": "mine"}, "Validation failed; 'mine' is not one of: dedicated, shared, mixed."),
        ({"hw:mem_page_size": "huge"}, "Validation failed; 'huge' is not of the format '(large|small|any|\\d+([kKMGT]i?)?(b|bit|B)?)'."),
        ({"hw:pmu": "maybe"}, "Validation failed; 'maybe' is not a valid boolean-like value."),
        ({"trait:HW_CPU_X86_AVX": "wanted"}, "Validation failed; 'wanted' is not one of: required, forbidden."),
        ({"hw:colour": "red"}, "Validation failed; extra spec 'hw:colour' does not appear to be a valid extra spec."),
        ({"resources:COLOUR": "1"}, "Validation failed; extra spec 'resources:COLOUR' does not appear to be a valid extra spec."),
    ],
)
async def test_known_extra_specs_are_checked_from_2_86(admin: Nova, specs: dict[str, Any], message: str) -> None:
    assert refusal(await admin.request("POST", PATH, {"extra_specs": specs})) == (400, message)
    (key,) = specs
    assert refusal(await admin.request("PUT", f"{PATH}/{key}", specs)) == (400, message)
    assert await admin.get(PATH) == {"extra_specs": {}}
    assert (await admin.request("POST", PATH, {"extra_specs": specs}, "2.85")).status == 200


@pytest.mark.parametrize(
    "specs", [{"own": "x"}, {"my:own": "x"}, {"resources2:VGPU": "1"}, {"trait_a:CUSTOM_X": "forbidden"}, {"quota:vif_inbound_peak": "5"}]
)
async def test_other_and_fitting_extra_specs_pass(admin: Nova, specs: dict[str, str]) -> None:
    assert (await admin.request("POST", PATH, {"extra_specs": specs})).status == 200


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "'extra_specs' is a required property"),
        ({"extra_specs": {"a": None}}, "None is not of type 'string', 'number'"),
        ({"extra_specs": {"a": "x" * 256}}, "is too long"),
        ({"extra_specs": {"a/b": "x"}}, "'a/b' does not match any of the regexes"),
        ({"extra_specs": "x"}, "'x' is not of type 'object'"),
    ],
)
async def test_a_bad_body_is_refused(admin: Nova, body: Any, message: str) -> None:
    status, said = refusal(await admin.request("POST", PATH, body))
    assert status == 400
    assert message in said


async def test_the_key_of_the_path_is_the_bodys_only_one(admin: Nova) -> None:
    assert refusal(await admin.request("PUT", f"{PATH}/a", {"b": "1"})) == (400, "Request body and URI mismatch")
    assert (await admin.request("PUT", f"{PATH}/a", {"a": "1", "b": "1"})).status == 400
    assert (await admin.request("PUT", f"{PATH}/a", {})).status == 400


async def test_users_read_and_administrators_write(member: Nova, admin: Nova) -> None:
    assert (await member.request("POST", PATH, {"extra_specs": {"a": "1"}})).status == 403
    assert (await member.request("PUT", f"{PATH}/a", {"a": "1"})).status == 403
    assert (await member.request("DELETE", f"{PATH}/a")).status == 403
    for method, path, body in (
        ("GET", "", None),
        ("POST", "", {"extra_specs": {"a": "1"}}),
        ("PUT", "/a", {"a": "1"}),
        ("DELETE", "/a", None),
    ):
        answer = await admin.request(method, f"/flavors/none/os-extra_specs{path}", body)
        assert refusal(answer) == (404, "Flavor none could not be found.")
