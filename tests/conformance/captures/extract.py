"""Makes the small recordings of this folder from full ones: `python tests/conformance/captures/extract.py RECORDINGS`.

What goes: values that no parser reads (empty fields, deep objects, results, statement parameters, a message's arguments the second time),
SELECTs of all but nova-api, and debug lines of libraries, and every secret. What stays has the shape it had on the wire.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCENARIOS = ("image-volume", "image-volume-no-token-cache")
DEEPEST = 9  # levels of an RPC message: the host of a Selection lies on the eighth
NOISE = {
    "connector", "connection_info", "device_metadata", "ec2_ids", "keypairs", "migration_context", "nova_object.changes", "numa_topology",
    "pci_devices", "pci_requests", "properties", "result_info", "security_groups", "services", "system_metadata", "tags", "_changed_fields",
    "_context", "_context_service_catalog", "_context_trace_info_hmac", "vcpu_model",
}  # fmt: skip
CONTEXT = {"request_id", "global_request_id", "user_id", "project_id", "roles", "auth_token", "is_admin", "timestamp", "trace_info"}
SECRET = re.compile(r"""((?:admin_pass\w*|adminPass|hmac_key|auth_token)\\*['"]: \\*['"])(?!\*\*\*)[^'"\\]+""")
COLUMNS = re.compile(r"(SELECT \S+ AS \S+),.*?(\nFROM )", re.DOTALL)  # all but a SELECT's first
QUIET_LOGGERS = (
    "redis.connection", "oslo_concurrency", "oslo_policy", "policy_enforcement", "resource_cache", "oslo.messaging", "lockutils",
    "request_filter", "ovsdbapp", "neutron.agent", "neutron_lib.callbacks", "openstack_driver", "quota", "extensions_sorting", "os_vif",
    "virt.hardware", "rpc_tunnel", "nova.objects.instance", "Fetching instance", "Request filter", "stevedore",
)  # fmt: skip


def wanted_context(key: str) -> bool:
    """Whether the key is no field of the request context, or one that joins messages to a request."""
    return not key.startswith("_context_") or key.removeprefix("_context_") in CONTEXT


def pruned(value: Any, depth: int = 0) -> Any:
    """The value without empty fields and noise, cut at DEEPEST."""
    if isinstance(value, dict):
        if depth >= DEEPEST:
            return {}
        kept = {key: pruned(item, depth + 1) for key, item in value.items() if key not in NOISE and wanted_context(key)}
        return {key: item for key, item in kept.items() if item not in (None, {}, []) or key in {"host", "node", "task_state", "failure"}}
    if isinstance(value, list):
        return [pruned(item, depth + 1) for item in value[:3]]
    return value[:400] if isinstance(value, str) else value


def wire(line: str) -> dict[str, Any]:
    """One frame of the firehose; `oslo.message` is text inside the body, as it travels."""
    frame: dict[str, Any] = json.loads(line)
    message = frame["body"].get("oslo.message")
    frame.pop("summary", None)
    if message is not None:
        if frame["event"] == "deliver" and "args" in message:
            message["args"] = {}
        frame["body"]["oslo.message"] = json.dumps(pruned(message))
    return frame


def points(node: dict[str, Any]) -> dict[str, Any] | None:
    """A node of an OSProfiler report with its children; None for a SELECT of anybody but nova-api."""
    info = node["info"]
    name = info.get("name", "")
    start = info.get(f"meta.raw_payload.{name}-start", {}).get("info", {})
    if name.endswith("db"):
        statement = start.get("db", {}).get("statement", "")
        if info.get("service") != "osapi_compute" and statement.startswith(("SELECT", "SHOW")):
            return None
        start["db"] = {"statement": COLUMNS.sub(r"\1 \2", statement)[:160], "params": {}}
    stop = info.get(f"meta.raw_payload.{name}-stop", {}).get("info", {})
    stop.pop("function", None)
    stop.pop("db", None)
    children = [kept for child in node["children"] if (kept := points(child))]
    return {**node, "children": children}


def worth_keeping(line: str) -> bool:
    """Whether a log line says more than what a library does."""
    polled = 'python-requests/2.34.2"' in line or ("requestlog" in line and "GET /v2.1/servers/" in line)
    return len(line) < 1000 and not polled and not (" DEBUG " in line and any(logger in line for logger in QUIET_LOGGERS))


def extract(source: Path, target: Path) -> None:
    (target / "logs").mkdir(parents=True, exist_ok=True)
    for name in ("summary.json", "blackbox.json"):
        (target / name).write_text((source / name).read_text())
    for name in ("amqp.jsonl", "notifications_versioned.jsonl", "notifications_unversioned.jsonl"):
        lines = (source / name).read_text().splitlines()
        write(target / name, [json.dumps(wire(line)) for line in lines])
    write(target / "osprofiler.json", [json.dumps(points(json.loads((source / "osprofiler.json").read_text())))])
    for log in (source / "logs").iterdir():
        write(target / "logs" / log.name, [line for line in log.read_text().splitlines() if worth_keeping(line)])


def write(path: Path, lines: list[str]) -> None:
    """The lines without what must stay secret."""
    path.write_text("".join(SECRET.sub(r"\1***", line) + "\n" for line in lines))


if __name__ == "__main__":
    for scenario in SCENARIOS:
        extract(Path(sys.argv[1]) / scenario, HERE / scenario)
