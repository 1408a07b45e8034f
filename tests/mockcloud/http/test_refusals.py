"""What the binding refuses by itself, in which order and in whose words."""

from __future__ import annotations

import pytest

from mockcloud.testing.client import client

UNKNOWN = {
    "keystone": "/v3/nothing", "nova": "/v2.1/nothing", "glance": "/v2/nothing", "neutron": "/v2.0/nothing", "cinder": "/v3/nothing",
    "placement": "/nothing",
}  # fmt: skip
CREATE = {  # a path that takes a JSON body, and its form
    "keystone": "/v3/users", "nova": "/v2.1/servers/absent/action", "glance": "/v2/images", "neutron": "/v2.0/networks",
    "cinder": "/v3/volumes", "placement": "/resource_providers",
}  # fmt: skip
MICROVERSIONED = ("nova", "cinder", "placement")


def said(service: str, body: dict) -> str:
    """The sentence of an error body, from where this service puts it."""
    match service:
        case "nova" | "cinder":
            (fault,) = body.values()
            return fault["message"]
        case "keystone":
            return body["error"]["message"]
        case "neutron":
            assert set(body["NeutronError"]) == {"type", "message", "detail"}
            return body["NeutronError"]["message"]
        case "glance":
            return body["message"].removesuffix("<br /><br />\n\n\n")
        case _:
            return body["errors"][0]["detail"]


async def test_without_a_good_token_nothing_else_is_looked_at(cloud, as_):
    """401 before 404, 405, 406, 415 and 400."""
    nobody = as_("nobody")
    for service, path in CREATE.items():
        wrong = {"Content-Type": "text/plain", "OpenStack-API-Version": "compute 9.9, volume 9.9, placement 9.9"}
        for headers in (wrong, wrong | {"X-Auth-Token": "nobody-issued-this"}):
            for method in ("POST", "PATCH"):
                answer = await nobody.request(service, method, path, content=b"{", headers=headers)
                assert (answer.status, "keystone uri=" in answer.headers["www-authenticate"].lower()) == (401, True), (service, method)
    for service in ("nova", "glance", "neutron", "cinder", "placement"):
        assert (await nobody.get(service, UNKNOWN[service])).status == 401


async def test_the_middleware_words_a_missing_token_alike_in_every_service_but_keystone(as_):
    for service in UNKNOWN.keys() - {"keystone"}:
        body = (await as_("nobody").get(service, UNKNOWN[service])).json()
        assert body == {"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}


@pytest.mark.parametrize("service", MICROVERSIONED)
async def test_a_version_outside_the_range_is_refused_before_the_path_is_looked_up(as_, service):
    assert (await as_("member").get(service, UNKNOWN[service], version="99.1")).status == 406


@pytest.mark.parametrize("service", UNKNOWN)
async def test_an_unknown_path_is_not_found_whatever_the_body(as_, service):
    answer = await as_("member").post(service, UNKNOWN[service], content=b"{", headers={"Content-Type": "text/plain"})
    assert answer.status == 404


@pytest.mark.parametrize("service", UNKNOWN)
async def test_an_unknown_method_names_the_known_ones_where_the_real_service_does(as_, service):
    answer = await as_("member").patch(service, CREATE[service], json={})
    if service == "cinder":
        assert answer.status == 404
    else:
        assert answer.status == 405
        assert "POST" in answer.headers["allow"].split(", ")


@pytest.mark.parametrize("service", CREATE)
@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"nonsense", b""], ids=["cut off", "not utf-8", "not JSON", "empty"])
async def test_a_body_that_cannot_be_read_is_400_in_the_services_own_words(as_, service, body):
    answer = await as_("admin").post(service, CREATE[service], content=body)
    assert answer.status == 400
    assert any(word in said(service, answer.json()) for word in ("Malformed", "not in JSON format", "Body expected"))


@pytest.mark.parametrize("service", [service for service in CREATE if service != "glance"])  # which reads JSON whatever it is called
async def test_a_body_of_another_media_type_is_415(as_, service):
    answer = await as_("admin").post(service, CREATE[service], content=b"a", headers={"Content-Type": "text/plain"})
    assert answer.status == 415
    assert "text/plain" in said(service, answer.json())


@pytest.mark.parametrize("media", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"])
async def test_the_media_type_of_json_may_have_parameters_and_capitals(as_, media):
    answer = await as_("admin").post("cinder", "/v3/volumes", content=b'{"volume": {"size": 1}}', headers={"Content-Type": media})
    assert answer.status == 202


@pytest.mark.parametrize(
    ("service", "body", "sentence"),
    [
        ("keystone", {"user": {"name": 7}}, "Invalid input for field 'user/name': 7 is not of type 'string'"),
        ("keystone", {}, "'user' is a required property"),
        ("nova", {"reboot": {"type": "WARM"}}, "Invalid input for field/attribute type. Value: WARM. 'WARM' is not one of ["),
        ("cinder", {"volume": {"size": {}}}, "Invalid input for field/attribute size. Value: {}. "),
        ("neutron", {"network": {"no_such": 1}}, "Unrecognized attribute(s) 'no_such'"),
        ("glance", {"visibility": "hidden"}, "Provided object does not match schema 'image': 'hidden' is not one of"),
        ("placement", {"name": 7}, "JSON does not validate: 7 is not of type 'string'"),
    ],
)
async def test_a_body_that_its_schema_refuses_is_400_in_the_services_own_words(as_, service, body, sentence):
    answer = await as_("admin").post(service, CREATE[service], json=body)
    assert answer.status == 400
    assert sentence in said(service, answer.json())


@pytest.mark.parametrize(
    ("service", "path", "good", "bad", "first"),
    [
        ("cinder", "/v3/types", {"volume_type": {"name": "gold"}}, {"volume_type": {}}, 400),
        ("keystone", "/v3/users", {"user": {"name": "someone"}}, {"user": {}}, 400),
        ("placement", "/resource_providers", {"name": "someone"}, {}, 403),
    ],
)
async def test_the_schema_comes_before_the_policy_except_where_the_real_service_asks_the_policy_first(as_, service, path, good, bad, first):
    member = as_("member")
    assert (await member.post(service, path, json=good)).status == 403
    assert (await member.post(service, path, json=bad)).status == first


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"reinvent": None}, 400, "There is no such action: reinvent"),
        ({"os-start": None, "os-stop": None}, 400, "Malformed request body"),
        ({}, 400, "Malformed request body"),
        ([], 400, "Malformed request body"),
        ({"trigger_crash_dump": None}, 404, "The resource could not be found."),  # from 2.17
        ({"os-start": None}, 404, "Instance absent could not be found."),
    ],
)
async def test_an_action_is_found_by_the_one_key_of_its_body(as_, body, status, sentence):
    answer = await as_("member").post("nova", "/v2.1/servers/absent/action", json=body)
    assert (answer.status, said("nova", answer.json())) == (status, sentence)


async def test_what_is_knowingly_left_out_answers_501_with_its_sentence(as_):
    answer = await as_("member").post("nova", "/v2.1/servers/absent/action", json={"shelve": None})
    assert answer.status == 501
    assert answer.json()["notImplemented"]["message"].endswith(".")


async def test_the_project_in_a_path_is_the_callers_own_or_the_request_is_refused(as_):
    member = as_("member")
    assert (await member.get("cinder", f"/v3/{member.project_id}/volumes")).status == 200
    answer = await member.get("cinder", f"/v3/{as_('stranger').project_id}/volumes")
    assert answer.status == 400
    assert "doesn't match Context's project_id" in said("cinder", answer.json())


async def test_keystone_away_is_503_for_the_others(cloud, as_):
    member = as_("member")
    await member.login()
    cloud.down.add("keystone")
    for service in UNKNOWN.keys() - {"keystone"}:
        assert (await member.get(service, UNKNOWN[service])).status == 503


async def test_every_answer_carries_its_own_request_id(as_):
    member = as_("member")
    answers = [await member.get(service, path) for service, path in UNKNOWN.items()]
    ids = [answer.headers["x-openstack-request-id"] for answer in answers]
    assert all(text.startswith("req-") for text in ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(("sent", "kept"), [("req-12345678-1234-1234-1234-123456789abc", True), ("req-not-an-id", False)])
async def test_a_well_formed_request_id_of_the_caller_is_sent_on_and_another_is_not(cloud, as_, sent, kept):
    await as_("member").get("cinder", "/v3/volumes", headers={"X-OpenStack-Request-ID": sent})
    served = next(fact for fact in cloud.recorder.facts() if fact.name == "GET /v3/volumes")
    assert (served.global_request_id == sent) is kept
    assert served.request_id != sent


@pytest.mark.parametrize(
    ("accept", "media", "part"),
    [
        ("application/json", "application/json", b'"code": "404 Not Found"'),
        ("*/*", "text/html; charset=UTF-8", b"<h1>404 Not Found</h1>"),
        ("text/plain", "text/plain; charset=UTF-8", b"404 Not Found\n\n"),
    ],
)
async def test_glance_words_an_error_as_the_caller_accepts_it(as_, accept, media, part):
    answer = await as_("member").get("glance", "/v2/nothing", headers={"Accept": accept})
    assert (answer.headers["content-type"], part in answer.content) == (media, True)


async def test_an_error_text_never_becomes_markup(as_):
    answer = await as_("member").get("glance", "/v2/images/<script>", headers={"Accept": "*/*"})
    assert b"<script>" not in answer.content


async def test_what_nobody_expected_is_a_500_in_the_services_own_form_and_never_a_trace(make_cloud, monkeypatch, caplog):
    cloud = await make_cloud()

    async def broken(ctx, query):
        raise ZeroDivisionError("secret detail")

    binding = cloud.apps["nova"].router.routes[-1]
    monkeypatch.setitem(binding._handlers, "list_versions", type(binding._handlers["list_versions"])(broken, frozenset()))
    answer = await client(cloud, "nobody").get("nova", "/")
    assert answer.status == 500
    assert "Unexpected API Error" in answer.json()["computeFault"]["message"]
    assert b"secret detail" not in answer.content
    assert "TypeError" in caplog.text or "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("service", "path"), [("nova", "/v2.1/os-keypairs"), ("cinder", "/v3/volumes"), ("keystone", "/v3/auth/tokens")], ids=str
)
async def test_a_body_larger_than_the_middleware_lets_through_is_refused(make_cloud, service, path):
    cloud = await make_cloud()
    member = client(cloud, "member")
    await member.login()
    for size, status in ((114_688, 400), (114_689, 413)):
        answer = await member.post(service, path, content=b'{"x":"' + b"x" * (size - 8) + b'"}')
        assert answer.status == status
    assert answer.json() == {
        "message": "Request is too large.<br /><br />\n\n\n", "code": "413 Request Entity Too Large", "title": "Request Entity Too Large",
    }  # fmt: skip
