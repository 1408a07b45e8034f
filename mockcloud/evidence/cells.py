"""Steps as only the dialect cells_v2 has them."""

from __future__ import annotations

import functools
from typing import Any

from mockcloud.evidence.launch import Found, Launch, begun, queue_of, reply_to
from mockcloud.evidence.launch import rule as any_rule
from mockcloud.objects import NAME, data_of
from mockcloud.trace import Fact

rule = functools.partial(any_rule, dialect="cells_v2")


@rule(7)
def first_entry(launch: Launch, step: int) -> Found:
    """Database seam of nova-api: INSERT into build_requests in the database nova_api."""
    written = launch.first("db", after=launch.behind(step), service="nova", database="nova_api", name="INSERT build_requests")
    return begun(written, "INSERT build_requests")


@rule(8)
def scheduler_called(launch: Launch, step: int) -> Found:
    """Bus: nova-api has cast schedule_and_build_instances to `conductor`, and the conductor publishes select_destinations for `scheduler`,
    with the id of a call."""
    cast = launch.first("rpc.publish", after=launch.after(7), service="nova", name="schedule_and_build_instances", msg_id=None)
    if cast is None:
        return None
    wanted: dict[str, Any] = {"service": "nova-conductor", "name": "select_destinations", "routing_key": "scheduler"}
    call = launch.first("rpc.publish", after=cast.start, **wanted)
    return begun(call, "call select_destinations -> scheduler") if call and call.attributes.get("msg_id") else None


@rule(11)
def hosts_returned(launch: Launch, step: int) -> Found:
    """Bus: the reply to the call of step 8, with a host and its alternates for each server."""
    reply = reply_to(launch, 8, service="nova-scheduler")
    lists = reply.attributes.get("result") if reply else None
    hosts = [[data_of(one)["service_host"] for one in found] for found in lists if found] if isinstance(lists, list) else []
    return begun(reply, "reply: " + "; ".join(f"host {', then '.join(found)}" for found in hosts)) if hosts else None


@rule(12)
def compute_cast(launch: Launch, step: int) -> Found:
    """Bus: the conductor, when it has written the server into its cell, publishes build_and_run_instance for `compute.<host>`, without the
    id of a call."""
    cast = launch.attempt
    if cast is None or cast.service != "nova-conductor" or cast.attributes.get("msg_id") or cast.start < launch.after(11):
        return None
    written = launch.first("db", after=launch.after(11), service="nova-conductor", database="nova", name="INSERT instances")
    return begun(cast, f"cast build_and_run_instance -> {queue_of(cast)}") if written and written.start < cast.start else None


@rule(14)
def conductor_called(launch: Launch, step: int) -> Found:
    """Bus: the compute publishes object_action for `conductor`, with the id of a call: to save the server that is still to be scheduled."""
    wanted = {"service": "nova-compute", "host": launch.host, "name": "object_action", "routing_key": "conductor"}
    for call in launch.those("rpc.publish", **wanted):
        if call.start >= launch.after(12, 13) and call.attributes.get("msg_id") and _begins(call):
            return begun(call, "call object_action Instance.save -> conductor")
    return None


def _begins(call: Fact) -> bool:
    args: dict[str, Any] = call.attributes.get("args") or {}
    expected = (args.get("kwargs") or {}).get("expected_task_state") or []
    return (args.get("objinst") or {}).get(NAME) == "Instance" and args.get("objmethod") == "save" and "scheduling" in expected


@rule(16)
def server_saved(launch: Launch, step: int) -> Found:
    """Database seam of the conductor: UPDATE of instances."""
    written = launch.first("db", after=launch.after(14, 15), service="nova-conductor", name="UPDATE instances")
    return begun(written, "UPDATE instances")


@rule(17)
def object_returned(launch: Launch, step: int) -> Found:
    """Bus: the reply to the call of step 14, what the object has become."""
    reply = reply_to(launch, 14, service="nova-conductor")
    became = reply.attributes.get("result") if reply else None
    if not isinstance(became, list) or not became or reply is None or reply.start < launch.after(15, 16):
        return None
    return begun(reply, f"reply: {became[0].get('uuid', '')[:8]}, {became[0].get('vm_state')}")


@rule(18)
def object_taken(launch: Launch, step: int) -> Found:
    """Bus: the compute takes the answer to its call of step 14."""
    call = launch.facts.get(14)
    same = {"msg_id": call.attributes["msg_id"]} if call else {"name": "object_action"}
    answer = launch.first("rpc.answer", after=launch.after(14, 17), service="nova-compute", **same)
    return begun(answer, f"answer taken on {answer.host}") if answer else None
