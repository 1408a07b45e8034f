"""From annotated schemas to the plain schema of one microversion."""

from __future__ import annotations

from typing import Any

Version = tuple[int, int]
Node = Any


class _Absent:
    """Stands for a piece of a document that a version does not have."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()
ANNOTATIONS = ("x-openstack", "x-versions")


def parse_version(text: str) -> Version:
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


def text_version(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def known(annotation: dict[str, Any] | None, version: Version | None) -> bool:
    """Whether `{since, until}` (both inclusive) holds `version`; without a version everything holds."""
    if not annotation or version is None:
        return True
    if "since" in annotation and version < parse_version(str(annotation["since"])):
        return False
    return "until" not in annotation or version <= parse_version(str(annotation["until"]))


def project(node: Node, version: Version | None, components: dict[str, Any] | None = None) -> Node:
    """`node` without annotations and without what `version` lacks. With `components`, references are written in place."""
    if isinstance(node, list):
        return [kept for item in node if (kept := project(item, version, components)) is not ABSENT]
    if not isinstance(node, dict):
        return node
    if "x-versions" in node:
        return _chosen(node, version, components)
    annotation = node.get("x-openstack")
    if not known(annotation, version):
        return ABSENT
    if components is not None and "$ref" in node:
        return _referred(node, version, components)
    made = {key: _part(key, value, version, components) for key, value in node.items() if key not in ANNOTATIONS}
    made = {key: value for key, value in made.items() if value is not ABSENT}
    if "properties" in node:
        _require(node, made, version)
    return made


def _part(key: str, value: Node, version: Version | None, components: dict[str, Any] | None) -> Node:
    if key in ("example", "examples", "default", "const", "enum") and not isinstance(value, dict):
        return value
    if key in ("properties", "patternProperties", "headers") and isinstance(value, dict):
        kept = {name: project(item, version, components) for name, item in value.items()}
        return {name: item for name, item in kept.items() if item is not ABSENT}
    return project(value, version, components)


def _chosen(node: dict[str, Any], version: Version | None, components: dict[str, Any] | None) -> Node:
    shared = {key: value for key, value in node.items() if key not in ANNOTATIONS}
    if not known(node.get("x-openstack"), version):
        return ABSENT
    branches = node["x-versions"]
    fitting = branches[-1:] if version is None else [branch for branch in branches if known(branch, version)]
    if not fitting:
        return ABSENT
    branch = {key: value for key, value in fitting[0].items() if key not in ("since", "until")}
    return project({**shared, **branch}, version, components)


def _referred(node: dict[str, Any], version: Version | None, components: dict[str, Any]) -> Node:
    _, kind, name = node["$ref"].rsplit("/", 2)
    target = project(components[kind][name], version, components)
    rest = {key: value for key, value in node.items() if key not in ("$ref", *ANNOTATIONS)}
    return target if target is ABSENT or not rest else {**target, **project(rest, version, components)}


def _require(node: dict[str, Any], made: dict[str, Any], version: Version | None) -> None:
    required = [name for name in node.get("required", ()) if name in made["properties"]]
    for name, item in node["properties"].items():
        annotation = item.get("x-openstack") if isinstance(item, dict) else None
        if not annotation or not {"required_since", "required_until"} & set(annotation) or name not in made["properties"]:
            continue
        bounds = {key.removeprefix("required_"): value for key, value in annotation.items() if key.startswith("required_")}
        if known(bounds, version) and name not in required:
            required.append(name)
    if required:
        made["required"] = required
    else:
        made.pop("required", None)


def pruner(schema: Node, version: Version | None, components: dict[str, Any]) -> dict[str, Any]:
    """What to cut from a full response body: `{property: None}` to drop it, `{property: {...}}` to go on inside.

    Keys of arrays are passed through: a pruner of an array of objects applies to each of them.
    """
    if version is None or not isinstance(schema, dict):
        return {}
    if "x-versions" in schema:
        shared = {key: value for key, value in schema.items() if key not in ANNOTATIONS}
        fitting = [branch for branch in schema["x-versions"] if known(branch, version)]
        return pruner({**shared, **fitting[0]}, version, components) if fitting else {}
    if "$ref" in schema:
        _, kind, name = schema["$ref"].rsplit("/", 2)
        return pruner(components[kind][name], version, components)
    if "items" in schema:
        return pruner(schema["items"], version, components)
    cuts: dict[str, Any] = {}
    for name, item in (schema.get("properties") or {}).items():
        if project(item, version, components) is ABSENT:
            cuts[name] = None
        elif inner := pruner(item, version, components):
            cuts[name] = inner
    for branch in [*schema.get("allOf", ()), *schema.get("oneOf", ()), *schema.get("anyOf", ())]:
        cuts |= pruner(branch, version, components)
    return cuts


def prune(body: Any, cuts: dict[str, Any]) -> Any:
    """Applies a pruner; `body` itself stays as it is."""
    if not cuts:
        return body
    if isinstance(body, list):
        return [prune(item, cuts) for item in body]
    if not isinstance(body, dict):
        return body
    kept = {}
    for name, value in body.items():
        if name in cuts:
            if (inner := cuts[name]) is not None:
                kept[name] = prune(value, inner)
        else:
            kept[name] = value
    return kept
