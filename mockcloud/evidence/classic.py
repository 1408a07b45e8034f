"""Steps as only the classic dialect has them."""

from __future__ import annotations

from mockcloud.evidence.launch import Found, Launch, begun, queue_of, reply_to, rule


@rule(7, dialect="classic")
def first_entry(launch: Launch, step: int) -> Found:
    """Database seam of nova-api: INSERT into instances in the database of nova."""
    written = launch.first("db", after=launch.after(5, 6), service="nova", database="nova", name="INSERT instances")
    return begun(written, "INSERT instances")


@rule(8, dialect="classic")
def scheduler_called(launch: Launch, step: int) -> Found:
    """Bus: nova-api publishes run_instance for `scheduler`, with the id of a call."""
    call = launch.first("rpc.publish", after=launch.after(7), service="nova", name="run_instance", routing_key="scheduler")
    return begun(call, "call run_instance -> scheduler") if call and call.attributes.get("msg_id") else None


@rule(11, dialect="classic")
def host_returned(launch: Launch, step: int) -> Found:
    """Bus: the reply to the call of step 8, a server with its host."""
    reply = reply_to(launch, 8, service="nova-scheduler")
    servers = reply.attributes.get("result") if reply else None
    hosts = [server.get("host") for server in servers if server.get("host")] if isinstance(servers, list) else []
    return begun(reply, f"reply: host {', '.join(hosts)}") if hosts else None


@rule(12, dialect="classic")
def compute_cast(launch: Launch, step: int) -> Found:
    """Bus: the scheduler publishes run_instance for `compute.<host>`, without the id of a call."""
    cast = launch.attempt
    if cast is None or cast.service != "nova-scheduler" or cast.attributes.get("msg_id") or cast.start < launch.after(11):
        return None
    return begun(cast, f"cast run_instance -> {queue_of(cast)}")


@rule(14, dialect="classic")
def conductor_called(launch: Launch, step: int) -> Found:
    """Bus: the compute publishes instance_get_by_uuid for `conductor`, with the id of a call."""
    call = launch.first(
        "rpc.publish", after=launch.after(12, 13), service="nova-compute", host=launch.host, name="instance_get_by_uuid",
        routing_key="conductor",
    )  # fmt: skip
    return begun(call, "call instance_get_by_uuid -> conductor") if call and call.attributes.get("msg_id") else None


@rule(16, dialect="classic")
def server_read(launch: Launch, step: int) -> Found:
    """Database seam of the conductor: SELECT from instances."""
    read = launch.first("db", after=launch.after(14, 15), service="nova-conductor", name="SELECT instances")
    return begun(read, "SELECT instances")


@rule(17, dialect="classic")
def data_returned(launch: Launch, step: int) -> Found:
    """Bus: the reply to the call of step 14, the server's data."""
    reply = reply_to(launch, 14, service="nova-conductor")
    data = reply.attributes.get("result") if reply else None
    if not isinstance(data, dict) or reply is None or reply.start < launch.after(15, 16):
        return None
    flavor = data.get("flavor") or {}
    return begun(reply, f"reply: {data.get('uuid', '')[:8]}, flavor {flavor.get('name', '?')}")


@rule(18, dialect="classic")
def data_taken(launch: Launch, step: int) -> Found:
    """Bus: the compute takes the answer to its call of step 14."""
    call = launch.facts.get(14)
    same = {"msg_id": call.attributes["msg_id"]} if call else {"name": "instance_get_by_uuid"}
    answer = launch.first("rpc.answer", after=launch.after(14, 17), service="nova-compute", **same)
    return begun(answer, f"answer taken on {answer.host}") if answer else None
