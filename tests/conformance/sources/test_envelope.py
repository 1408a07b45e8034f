"""Messages of a real cloud become facts in which the judge finds its rows."""

import json
from dataclasses import replace

import pytest

from conformance.sources.envelope import Frame, Reader
from conformance.sources.notifications import recorded
from conformance.sources.shelf import Shelf
from tests.conformance.recording import FIREHOSE, SCENARIOS, Recording, direct

TAPPED = {5, 8, 9, 12, 13, 14, 22, 24, 25, 27, 28}  # what is published: messages and notifications
TRACED = {11, 15, 17, 18}  # who takes a message, and answers


@pytest.fixture(params=SCENARIOS)
def recording(request: pytest.FixtureRequest) -> Recording:
    return Recording(request.param)


def frame(message: object, *, at: float = 1.0, queue: str = "", key: str = "conductor", exchange: str = "nova") -> Frame:
    body = json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(message)}).encode()
    return Frame(at, exchange, key, body, queue, bool(queue))


def test_a_tap_with_the_firehose_is_a_witness_of_all_that_a_client_cannot_see(recording):
    rows = recording.judged(recording.tapped(), FIREHOSE)
    assert direct(rows, "amqp") == TAPPED | TRACED
    assert not [row for row in rows.values() if row.verdict.value == "fail"]


def test_a_tap_without_the_firehose_sees_no_reply_and_blames_nobody_for_it(recording):
    rows = recording.judged(recording.tapped(firehose=False), {"rpc.publish"})
    assert direct(rows, "amqp") == TAPPED
    assert (rows[15].how, rows[17].how) == ("inferred", "inferred")
    assert not [row for row in rows.values() if row.verdict.value == "fail"]


def test_a_delivery_that_is_traced_after_what_it_caused_was_still_in_time(recording):
    """RabbitMQ traces a delivery when it is made: by then the compute has gone on, now and then."""
    frames = recording.frames()
    late = next(frame for frame in frames if frame.delivered and frame.queue == "compute.real1")
    caused = next(frame for frame in frames if frame.at > late.at and frame.routing_key == "conductor" and not frame.delivered)
    frames.remove(late)
    frames.insert(frames.index(caused) + 1, replace(late, at=caused.at + 0.002))
    rows = recording.judged(recording.read(frames), FIREHOSE)
    assert direct(rows, "amqp") == TAPPED | TRACED
    assert not [row for row in rows.values() if row.verdict.value == "fail"]


def test_a_message_that_is_missing_from_a_whole_tap_is_a_failure(recording):
    facts = [fact for fact in recording.tapped() if fact.name != "select_destinations"]
    rows = recording.judged(facts, FIREHOSE)
    assert {n for n, row in rows.items() if row.verdict.value == "fail"} >= {8, 9, 11}


def test_a_call_its_delivery_its_reply_and_its_answer_are_one_chain(recording):
    facts = {fact.id: fact for fact in recording.tapped()}
    answer = next(fact for fact in facts.values() if (fact.kind, fact.name) == ("rpc.answer", "select_destinations"))
    chain = [answer]
    while chain[-1].cause:
        chain.append(facts[chain[-1].cause])
    assert [fact.kind for fact in chain] == ["rpc.answer", "rpc.reply", "rpc.deliver", "rpc.publish"]
    assert {fact.get("msg_id") for fact in chain} == {answer.get("msg_id")}
    assert {fact.name for fact in chain} == {"select_destinations"}
    assert all(recording.request_id in fact.request_ids for fact in chain)


def test_a_notification_in_two_formats_is_one_fact_of_each(recording):
    begun = [fact for fact in recording.tapped() if fact.name in ("compute.instance.create.start", "instance.create.start")]
    assert {(fact.name, fact.get("format"), fact.actor, fact.host) for fact in begun} == {
        ("compute.instance.create.start", "unversioned", "nova-compute", "real1"),
        ("instance.create.start", "versioned", "nova-compute", "real1"),
    }
    assert all(fact.server_ids == {recording.server_id} for fact in begun)


def test_a_service_that_keeps_the_global_id_beside_its_own_is_joined_by_it(recording):
    port = next(fact for fact in recording.tapped() if fact.name == "port.create.start")
    assert (port.actor, len(port.request_ids)) == ("neutron", 2)
    assert recording.request_id in port.request_ids


def test_a_token_and_a_password_never_get_beyond_the_reader():
    message = {
        "method": "build", "args": {"admin_password": "hunter2", "instance": {"user_data": "c2VjcmV0", "token": "abcdef"}},
        "_context_auth_token": "a-token", "_unique_id": "1", "_context_request_id": "req-1",
    }  # fmt: skip
    read = Reader("amqp", "amqp").read(frame(message))
    assert read is not None
    shown = json.dumps(read[0].to_dict())
    assert all(secret not in shown for secret in ("hunter2", "c2VjcmV0", "a-token", "abcdef"))
    assert read[0].get("token").startswith("sha256:")


def test_a_sign_of_life_of_a_long_call_is_no_answer():
    reader = Reader("amqp", "amqp")
    reader.read(frame({"method": "select_destinations", "_msg_id": "m", "_unique_id": "u"}))
    reply = {"_msg_id": "m", "result": None, "failure": None}
    assert reader.read(frame(reply | {"ending": False}, key="reply_1", exchange="")) is None
    ended = reader.read(frame(reply | {"ending": True}, key="reply_1", exchange=""))
    assert ended is not None and ended[0].kind == "rpc.reply"


def test_a_failure_is_known_by_its_class():
    reader = Reader("amqp", "amqp")
    failure = json.dumps({"class": "NoValidHost_Remote", "message": "No valid host was found."})
    read = reader.read(frame({"_msg_id": "m", "result": None, "failure": failure, "ending": True}, key="reply_1", exchange=""))
    assert read is not None and read[0].get("failure") == "NoValidHost_Remote"


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"[]", b"null", b"{}", b'{"oslo.message": 5}', b'{"oslo.message": "{"}', b'{"oslo.message": "[1]"}',
     b'{"oslo.message": null}', b'{"method": ["x"], "args": 7}', b'{"_msg_id": {}}', b'{"event_type": 3, "payload": [1]}',
     b'{"event_type": "a", "payload": "x", "publisher_id": 7, "_context_request_id": 9}', b'{"method": "x", "_context_auth_token": 5}'],
)  # fmt: skip
@pytest.mark.parametrize("queue", ["", "conductor", "reply_1"])
def test_garbage_on_the_broker_is_nobodys_trouble(body, queue):
    Reader("amqp", "amqp").read(Frame(1.0, "nova", "conductor", body, queue, bool(queue)))


@pytest.mark.parametrize("line", ["", "}", "[]", "7", '{"body": 5}', '{"routing_keys": 3}', '{"dt": "x", "body": {"method": "m"}}'])
def test_garbage_in_a_recording_is_left_out(line):
    list(recorded(line, 0.0))


def test_fifty_launches_on_one_broker_are_told_apart():
    """The same recording under fifty servers' and requests' ids, its messages in turns."""
    launches = [Recording(SCENARIOS[0], copy) for copy in range(1, 51)]
    shelf, reader = Shelf(), Reader("amqp", "amqp")
    for in_turn in zip(*(launch.lines() for launch in launches), strict=True):
        for line in in_turn:
            for found in recorded(line, 0.0):
                if entry := reader.read(found):
                    shelf.put(*entry)
    alone = len(Recording(SCENARIOS[0]).tapped())
    for launch in launches:
        facts = shelf.facts({launch.request_id}, {launch.server_id})
        assert len(facts) == alone
        assert direct(launch.judged(facts, FIREHOSE), "amqp") == TAPPED | TRACED


def test_a_shelf_forgets_the_oldest_and_keeps_the_newest():
    shelf, reader = Shelf(kept=10), Reader("amqp", "amqp")
    for n in range(100):
        entry = reader.read(frame({"method": "m", "_unique_id": str(n), "_context_request_id": f"req-{n}"}))
        assert entry is not None
        shelf.put(*entry)
    assert shelf.facts({"req-99"}, ()) and shelf.facts({"req-90"}, ())
    assert not shelf.facts({"req-1"}, ())
