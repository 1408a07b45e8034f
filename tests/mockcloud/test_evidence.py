"""The steps of a launch among facts: a launch written down as a cloud's seams recorded it, and what lacks something."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from mockcloud.evidence import EVIDENCE, RULES, boot_requests, sightings
from mockcloud.objects import primitive
from mockcloud.trace import Fact
from specs import DIALECTS, launch

TOKEN = "sha256:0123456789abcdef"
OTHER = "sha256:fedcba9876543210"
REQUEST = "req-11111111-1111-1111-1111-111111111111"


class Tape:
    """Facts in the order of their starts; each begins a millisecond after the one before and ends with the last beneath it."""

    def __init__(self):
        self.facts: list[Fact] = []

    def add(self, kind, service, name, parent=None, host="controller", ids=(REQUEST, REQUEST), **attributes):
        number = len(self.facts) + 1
        fact = Fact(number, parent and parent.id, kind, service, host, name, number / 1000, *ids, None, attributes)
        self.facts.append(fact)
        fact.end = number / 1000 + 0.0005
        above = fact
        while above.parent:
            above = self.facts[above.parent - 1]
            above.end = max(above.end or 0.0, number / 1000 + 0.0006)
        return fact

    def served(self, parent, service, method, path, status, ids=("req-inner", REQUEST), token=TOKEN, **attributes):
        return self.add(
            "http.server", service, f"{method} {path}", parent, ids=ids, method=method, path=path, status=status, token=token, **attributes
        )

    def validation(self, request, service, token=TOKEN):
        """The middleware of the service that serves `request` asks keystone."""
        asked = self.add(
            "http.client", service, "GET /v3/auth/tokens", request, ids=(request.request_id, request.global_request_id),
            callee="identity", subject_token=token, status=200,
        )  # fmt: skip
        self.served(asked, "keystone", "GET", "/v3/auth/tokens", 200)
        return asked

    def call(self, parent, service, host, topic, method, worker, on):
        """An RPC call: published and delivered."""
        ids = {"unique_id": f"u-{topic}", "msg_id": f"m-{topic}"}
        sent = self.add("rpc.publish", service, method, parent, host, routing_key=topic, **ids)
        return sent, self.add("rpc.deliver", worker, method, sent, on, **ids)

    def rest(self, parent, host, callee, service, method, path, status):
        asked = self.add("http.client", "nova-compute", f"{method} {path}", parent, host, method=method, callee=callee, status=status)
        self.validation(self.served(asked, service, method, path, status), service)


def a_launch() -> list[Fact]:
    tape = Tape()
    foreign = ("req-another", "req-another")
    tape.served(None, "keystone", "POST", "/v3/auth/tokens", 201, foreign, "", issued_token=OTHER)
    tape.served(None, "keystone", "POST", "/v3/auth/tokens", 201, foreign, "", issued_token=TOKEN)
    boot = tape.served(None, "nova", "POST", "/v2.1/servers", 202, (REQUEST, REQUEST), user_id="u" * 32, project_id="p" * 32)
    tape.validation(boot, "nova")
    tape.add("db", "nova", "SELECT flavors", boot, database="nova")
    tape.add("db", "nova", "INSERT instances", boot, database="nova")
    _, taken = tape.call(boot, "nova", "controller", "scheduler", "run_instance", "nova-scheduler", "controller")
    tape.add("db", "nova-scheduler", "SELECT compute_nodes", taken, database="nova")
    tape.add("rpc.reply", "nova-scheduler", "reply", taken, msg_id="m-scheduler", failure=None, result=[{"uuid": "s", "host": "compute2"}])
    ids = {"unique_id": "u-cast", "msg_id": None}
    cast = tape.add("rpc.publish", "nova-scheduler", "run_instance", taken, routing_key="compute.compute2", **ids)
    work = tape.add("rpc.deliver", "nova-compute", "run_instance", cast, "compute2", **ids)
    _, taken = tape.call(work, "nova-compute", "compute2", "conductor", "instance_get_by_uuid", "nova-conductor", "controller")
    tape.add("db", "nova-conductor", "SELECT instances", taken, database="nova")
    tape.add("rpc.reply", "nova-conductor", "reply", taken, msg_id="m-conductor", failure=None, result={"uuid": "s"})
    tape.add("rpc.answer", "nova-compute", "instance_get_by_uuid", work, "compute2", msg_id="m-conductor")
    tape.rest(work, "compute2", "image", "glance", "GET", "/v2/images/i", 200)
    tape.rest(work, "compute2", "network", "neutron", "POST", "/v2.0/ports", 201)
    tape.rest(work, "compute2", "block-storage", "cinder", "POST", "/v3/attachments", 200)
    tape.add("driver", "nova-compute", "spawn", work, "compute2")
    return tape.facts


def a_cell_launch() -> list[Fact]:
    """The same in the dialect cells_v2: the network beside the volume, the image behind both."""
    tape = Tape()
    tape.served(None, "keystone", "POST", "/v3/auth/tokens", 201, ("req-another", "req-another"), "", issued_token=TOKEN)
    boot = tape.served(None, "nova", "POST", "/v2.1/servers", 202, (REQUEST, REQUEST), user_id="u" * 32, project_id="p" * 32)
    tape.validation(boot, "nova")
    tape.add("db", "nova", "SELECT flavors", boot, database="nova")
    tape.add("db", "nova", "INSERT request_specs", boot, database="nova_api")
    tape.add("db", "nova", "INSERT build_requests", boot, database="nova_api")
    ids = {"unique_id": "u-task", "msg_id": None}
    task = tape.add("rpc.publish", "nova", "schedule_and_build_instances", boot, routing_key="conductor", **ids)
    work = tape.add("rpc.deliver", "nova-conductor", "schedule_and_build_instances", task, **ids)
    _, taken = tape.call(work, "nova-conductor", "controller", "scheduler", "select_destinations", "nova-scheduler", "controller")
    tape.add("db", "nova-scheduler", "SELECT compute_nodes", taken, database="nova")
    hosts = [[primitive("Selection", {"service_host": host}) for host in ("compute2", "compute1")]]
    tape.add("rpc.reply", "nova-scheduler", "reply", taken, msg_id="m-scheduler", failure=None, result=hosts)
    tape.add("db", "nova-conductor", "INSERT instances", work, database="nova")
    ids = {"unique_id": "u-cast", "msg_id": None}
    cast = tape.add("rpc.publish", "nova-conductor", "build_and_run_instance", work, routing_key="compute.compute2", **ids)
    build = tape.add("rpc.deliver", "nova-compute", "build_and_run_instance", cast, "compute2", **ids)
    first, taken = tape.call(build, "nova-compute", "compute2", "conductor", "object_action", "nova-conductor", "controller")
    kwargs = {"expected_task_state": ["scheduling", None]}
    first.attributes["args"] = {"objinst": primitive("Instance", {"uuid": "s"}), "objmethod": "save", "kwargs": kwargs}
    tape.add("db", "nova-conductor", "UPDATE instances", taken, database="nova")
    became = [{"uuid": "s", "vm_state": "building"}, None]
    tape.add("rpc.reply", "nova-conductor", "reply", taken, msg_id="m-conductor", failure=None, result=became)
    tape.add("rpc.answer", "nova-compute", "object_action", build, "compute2", msg_id="m-conductor")
    tape.rest(build, "compute2", "block-storage", "cinder", "PUT", "/v3/attachments/a", 200)
    tape.rest(build, "compute2", "network", "neutron", "POST", "/v2.0/ports", 201)
    tape.rest(build, "compute2", "image", "glance", "GET", "/v2/images/i", 200)
    tape.add("driver", "nova-compute", "spawn", build, "compute2")
    return tape.facts


def test_in_cells_every_step_is_seen_whichever_of_network_and_volume_is_first():
    seen = sightings(a_cell_launch())
    assert sorted(seen) == list(range(1, 29))
    assert seen[25].at < seen[22].at < seen[19].at < seen[28].at


CELL_WITNESS = {  # as below, of the dialect cells_v2
    ("db", "INSERT build_requests"): {7},
    ("rpc.publish", "schedule_and_build_instances"): {8},
    ("db", "INSERT instances"): {12},
    ("db", "UPDATE instances"): {16},
    ("rpc.answer", "object_action"): {18},
    ("http.client", "PUT /v3/attachments/a"): {25, 26, 27},
    ("http.client", "GET /v2/images/i"): {19, 20, 21},
}


@pytest.mark.parametrize(("kind", "name"), CELL_WITNESS)
def test_in_cells_a_step_whose_fact_is_missing_is_not_seen_and_hides_no_other(kind, name):
    facts = [fact for fact in a_cell_launch() if (fact.kind, fact.name) != (kind, name)]
    assert set(range(1, 29)) - set(sightings(facts)) == CELL_WITNESS[kind, name]


@pytest.mark.parametrize(
    ("unseen", "change"),
    [
        (7, ("db", "INSERT build_requests", "", {"database": "nova"})),
        (8, ("rpc.publish", "select_destinations", "", {"msg_id": None})),
        (8, ("rpc.publish", "schedule_and_build_instances", "", {"msg_id": "a-call"})),
        (11, ("rpc.reply", "reply", "nova-scheduler", {"result": [[]]})),
        (12, ("rpc.publish", "build_and_run_instance", "", {"msg_id": "a-call"})),
        (12, ("db", "INSERT instances", "", {"start": 1.0})),
        (14, ("rpc.publish", "object_action", "", {"args": {"objinst": {}, "objmethod": "save", "kwargs": {}}})),
        (17, ("rpc.reply", "reply", "nova-conductor", {"failure": "InstanceNotFound"})),
        (19, ("http.client", "GET /v2/images/i", "", {"start": 0.02})),
        (28, ("driver", "spawn", "", {"host": "compute1"})),
    ],
)
def test_in_cells_what_only_looks_like_a_step_is_not_one(unseen, change):
    kind, name, service, changes = change
    assert unseen not in sightings(changed(a_cell_launch(), kind, name, service, **changes))


def test_every_step_of_a_whole_launch_is_seen_and_none_before_the_one_that_it_follows():
    seen = sightings(a_launch())
    assert sorted(seen) == list(range(1, 29))
    times = [seen[n].at for n in range(1, 29)]
    later = [n for n in range(1, 28) if times[n] < times[n - 1]]
    assert later in ([], [2], [3, 5])  # the boot request is one fact: it begins at step 3 and ends behind step 11


@pytest.mark.parametrize("dialect", DIALECTS)
def test_there_is_one_rule_with_one_sentence_for_each_row_of_the_launch(dialect):
    assert sorted(RULES[dialect]) == sorted(EVIDENCE[dialect]) == [row.n for row in launch(dialect)]
    assert all(len(sentence) > 20 for sentence in EVIDENCE[dialect].values())


SOLE_WITNESS = {  # a fact of the launch: the steps that nothing else shows
    ("db", "SELECT flavors"): {6},
    ("db", "INSERT instances"): {7},
    ("db", "SELECT compute_nodes"): {10},
    ("db", "SELECT instances"): {16},
    ("rpc.answer", "instance_get_by_uuid"): {18},
    ("driver", "spawn"): {28},
    ("http.server", "POST /v2.0/ports"): {23},
    ("http.client", "GET /v2/images/i"): {19, 20, 21},
    ("http.client", "POST /v2.0/ports"): {22, 23, 24},
    ("http.client", "POST /v3/attachments"): {25, 26, 27},
}


@pytest.mark.parametrize(("kind", "name"), SOLE_WITNESS)
def test_a_step_whose_fact_is_missing_is_not_seen_and_hides_no_other(kind, name):
    facts = [fact for fact in a_launch() if (fact.kind, fact.name) != (kind, name)]
    assert set(range(1, 29)) - set(sightings(facts)) == SOLE_WITNESS[kind, name]


@pytest.mark.parametrize(
    ("step", "service"), [(4, "nova"), (20, "glance"), (23, "neutron"), (26, "cinder")], ids=["nova", "glance", "neutron", "cinder"]
)
def test_a_service_that_does_not_ask_keystone_is_noticed(step, service):
    facts = [f for f in a_launch() if not (f.service == service and f.name == "GET /v3/auth/tokens")]
    assert set(range(1, 29)) - set(sightings(facts)) == ({4, 5} if step == 4 else {step})


def changed(facts, kind, name, service="", **changes):
    """The same facts with other values in some of them."""
    made = []
    for fact in facts:
        if (fact.kind, fact.name) == (kind, name) and service in ("", fact.service):
            own = {key: value for key, value in changes.items() if hasattr(fact, key)}
            fact = replace(fact, attributes=fact.attributes | {k: v for k, v in changes.items() if k not in own}, **own)
        made.append(fact)
    return made


@pytest.mark.parametrize(
    ("unseen", "change"),
    [
        (1, ("http.server", "POST /v3/auth/tokens", "keystone", {"issued_token": OTHER})),
        (4, ("http.client", "GET /v3/auth/tokens", "nova", {"subject_token": OTHER})),
        (5, ("http.client", "GET /v3/auth/tokens", "nova", {"status": 404})),
        (8, ("rpc.publish", "run_instance", "nova", {"msg_id": None})),
        (9, ("rpc.deliver", "run_instance", "nova-scheduler", {"unique_id": "another"})),
        (11, ("rpc.reply", "reply", "nova-scheduler", {"result": [{"uuid": "s", "host": None}]})),
        (12, ("rpc.publish", "run_instance", "nova-scheduler", {"msg_id": "a-call"})),
        (17, ("rpc.reply", "reply", "nova-conductor", {"failure": "InstanceNotFound"})),
        (21, ("http.client", "GET /v2/images/i", "", {"status": 404})),
        (24, ("http.client", "POST /v2.0/ports", "", {"status": 409})),
        (27, ("http.client", "POST /v3/attachments", "", {"status": 500})),
        (28, ("driver", "spawn", "", {"error": "VirtError"})),
        (28, ("driver", "spawn", "", {"host": "compute1"})),
        (28, ("driver", "spawn", "", {"end": None})),
        (7, ("db", "INSERT instances", "", {"error": "IntegrityError"})),
        (10, ("db", "SELECT compute_nodes", "", {"start": 0.0})),
        (28, ("driver", "spawn", "", {"start": 0.0})),
    ],
)
def test_what_only_looks_like_a_step_is_not_one(unseen, change):
    kind, name, service, changes = change
    assert unseen in sightings(a_launch())
    assert unseen not in sightings(changed(a_launch(), kind, name, service, **changes))


def test_a_launch_is_seen_as_far_as_it_has_come():
    facts = a_launch()
    seen = [set(sightings(facts[:count])) for count in range(len(facts) + 1)]
    assert seen[0] == set()
    assert all(earlier <= later for earlier, later in pairwise(seen[2:]))
    assert len(seen[-1]) == 28


def test_of_two_launches_each_has_its_own_steps():
    first, second = a_launch(), a_launch()
    shift = len(first)
    later = [
        replace(
            fact, id=fact.id + shift, parent=fact.parent and fact.parent + shift, start=fact.start + 1, end=fact.end + 1,
            request_id=fact.request_id.replace("1111", "2222"), global_request_id=fact.global_request_id.replace("1111", "2222"),
        )
        for fact in second
    ]  # fmt: skip
    facts = [*first, *later]
    boots = boot_requests(facts)
    assert [len(sightings(facts, boot)) for boot in boots] == [28, 28]
    assert sightings(facts, boots[0])[28].fact <= shift < sightings(facts, boots[1])[28].fact


def test_after_a_second_attempt_the_steps_are_those_of_the_host_that_runs_the_server():
    facts = a_launch()
    cast = next(fact for fact in facts if fact.attributes.get("routing_key") == "compute.compute2")
    failed = changed(facts, "driver", "spawn", error="VirtError")
    again = [
        replace(
            fact, id=fact.id + 100, parent=fact.parent and fact.parent + 100, start=fact.start + 1, end=fact.end + 1,
            host=fact.host.replace("compute2", "compute3"),
            attributes={k: v.replace("compute2", "compute3") if isinstance(v, str) else v for k, v in fact.attributes.items()},
        )
        for fact in facts if fact.id >= cast.id
    ]  # fmt: skip
    seen = sightings([*failed, *again])
    assert len(seen) == 28
    assert "compute3" in seen[12].seen
    assert "compute3" in seen[28].seen
