"""What the query strings of placement mean: resources, traits and aggregates, alone or in groups, by microversion."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mockcloud.db.engine import Transaction
from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Query
from mockcloud.http.validation import FORMATS
from mockcloud.placement.candidates import Group, Wish
from mockcloud.placement.classes import known_classes, known_traits

KINDS = ("resources", "required", "member_of", "in_tree")
BAD, MISSING, TWICE = "placement.query.bad_value", "placement.query.missing_value", "placement.query.duplicate_key"
Traits = tuple[tuple[frozenset[str], ...], frozenset[str]]  # one of each; none of


def parse_resources(text: str) -> dict[str, int]:
    """`VCPU:1,MEMORY_MB:512`."""
    form = "Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024. Got: "
    if not text.strip():
        raise BadRequest(form + "empty string.")
    found: dict[str, int] = {}
    for part in text.split(","):
        if part.count(":") != 1:
            raise BadRequest(f"{form}{part}.")
        name, amount = part.split(":")
        if not re.fullmatch(r"\s*[+-]?\d+\s*", amount):
            raise BadRequest(f"Requested resource {name} expected positive integer amount. Got: {amount}.")
        if int(amount) < 1:
            raise BadRequest(f"Requested resource {name} requires amount >= 1. Got: {int(amount)}.")
        found[name] = int(amount)
    return found


def parse_traits(ctx: Context, values: Iterable[str], any_of: bool = True) -> Traits:
    """`A,!B` means A and not B; `in:A,B` one of the two."""
    required: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for value in values:
        if value.startswith("in:"):
            required.append(_any_of(ctx, value, any_of))
            continue
        names = [name.strip() for name in value.split(",")]
        refused = {name.lstrip("!") for name in names if name.startswith("!")}
        if not all(names) or not all(refused) or (refused and not ctx.at_least("1.22")):
            form = "HW_CPU_X86_VMX,!CUSTOM_MAGIC" if ctx.at_least("1.22") else "HW_CPU_X86_VMX,CUSTOM_MAGIC"
            got = f"Got an empty trait in: {value}" if not refused or not all(refused) else f"Got: {value}"
            raise BadRequest(f"Invalid query string parameters: Expected 'required' parameter value of the form: {form}. {got}")
        required += [frozenset({name}) for name in names if not name.startswith("!")]
        forbidden |= refused
    return tuple(required), frozenset(forbidden)


def _any_of(ctx: Context, value: str, allowed: bool) -> frozenset[str]:
    if not allowed or not ctx.at_least("1.39"):
        raise BadRequest(
            "Invalid query string parameters: The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported since microversion 1.39. "
            f"Got: {value}"
        )
    names = frozenset(name.strip() for name in value[3:].split(","))
    if "" in names:
        raise BadRequest(
            "Invalid query string parameters: Expected 'required' parameter value of the form: in:HW_CPU_X86_VMX,CUSTOM_MAGIC. "
            f"Got an empty trait in: {value}"
        )
    if any(name.startswith("!") for name in names):
        raise BadRequest(
            f"Invalid query string parameters: The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' does not support forbidden traits. Got: {value}"
        )
    return names


def parse_aggregates(ctx: Context, values: list[str], suffix: str = "") -> Traits:
    """`uuid`, `in:uuid,uuid`, or either with a leading `!`."""
    if len(values) > 1 and not ctx.at_least("1.24"):
        raise BadRequest(f"Multiple member_of{suffix} parameters are not supported")
    required: list[frozenset[str]] = []
    forbidden: set[str] = set()
    for value in values:
        negated, text = value.startswith("!"), value.removeprefix("!")
        if "," in text and not text.startswith("in:"):
            raise BadRequest(
                "Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the valid microversion. "
                f"Got: {value}"
            )
        uuids = frozenset(text.removeprefix("in:").split(","))
        for uuid in uuids:
            if not FORMATS["uuid"](uuid):
                raise BadRequest(f"Invalid query string parameters: Expected 'member_of' parameter to contain valid UUID(s). Got: {uuid}")
        if negated and not ctx.at_least("1.32"):
            raise BadRequest(f"Forbidden member_of{suffix} parameters are not supported in the specified microversion")
        if negated:
            forbidden |= uuids
        else:
            required.append(uuids)
    return tuple(required), frozenset(forbidden)


def read_group(ctx: Context, given: dict[str, list[str]], suffix: str = "") -> Group:
    """One group of the query, its keys without the suffix."""
    traits = given.get("required", [])
    required, forbidden = parse_traits(ctx, traits if ctx.at_least("1.39") else traits[-1:])
    member_of, not_member_of = parse_aggregates(ctx, given.get("member_of", []), suffix)
    in_tree = given.get("in_tree", [""])[-1]
    if in_tree and not FORMATS["uuid"](in_tree):
        raise BadRequest(f"Invalid query string parameters: Expected 'in_tree' parameter to be a format of uuid. Got: {in_tree}")
    resources = parse_resources(given["resources"][-1]) if "resources" in given else {}
    if conflicting := {trait for any_of in required if len(any_of) == 1 for trait in any_of} & forbidden:
        raise BadRequest(
            "Conflicting required and forbidden traits found in the following traits keys: "
            f"required{suffix}: ({', '.join(sorted(conflicting))})"
        )
    return Group(resources, required, forbidden, member_of, not_member_of, in_tree)


def read_wish(ctx: Context, query: Query) -> Wish:
    """The whole request for candidates; raises BadRequest in placement's words."""
    groups = {suffix: read_group(ctx, given, suffix) for suffix, given in _by_suffix(ctx, query).items()}
    subtrees = tuple(frozenset(part.strip() for part in value.split(",")) for value in query.get("same_subtree", ()))
    _check_groups(ctx, groups, subtrees)
    if ctx.at_least("1.25") and sum(1 for suffix in groups if suffix) > 1 and "group_policy" not in query:
        raise BadRequest('The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.', code=MISSING)
    if len(query.get("root_required", ())) > 1:
        raise BadRequest("Query parameter 'root_required' may be specified only once.", code=TWICE)
    root, no_root = parse_traits(ctx, query.get("root_required", ()), any_of=False)
    wanted = frozenset().union(*root)
    if wanted & no_root:
        raise BadRequest(
            f"Conflicting required and forbidden traits found in root_required: {', '.join(sorted(wanted & no_root))}", code=BAD
        )
    isolate = query.get("group_policy") == "isolate"
    return Wish(groups, isolate, wanted, no_root, subtrees, nested=ctx.at_least("1.29"))


def _by_suffix(ctx: Context, query: Query) -> dict[str, dict[str, list[str]]]:
    suffix = r"[a-zA-Z0-9_-]{1,64}" if ctx.at_least("1.33") else r"[1-9][0-9]*"
    kinds = KINDS if ctx.at_least("1.31") else KINDS[:3]
    pattern = re.compile(f"({'|'.join(kinds)})({suffix})")
    found: dict[str, dict[str, list[str]]] = {}
    for kind in KINDS:
        if kind in query:
            found.setdefault("", {})[kind] = query[kind]
    for name, values in query.extra.items():
        match = pattern.fullmatch(name) if ctx.at_least("1.25") else None
        if match is None:
            raise BadRequest(f"Invalid query string parameters: Additional properties are not allowed ('{name}' was unexpected)")
        found.setdefault(match[2], {})[match[1]] = values
    return found


def _check_groups(ctx: Context, groups: dict[str, Group], subtrees: tuple[frozenset[str], ...]) -> None:
    named = frozenset().union(*subtrees)
    empty = sorted(suffix for suffix, group in groups.items() if not group.resources)
    if "" in named:
        raise BadRequest("Empty string (unsuffixed group) can not be specified in `same_subtree` ", code=BAD)
    if len(empty) == len(groups):
        if ctx.at_least("1.36"):
            raise BadRequest("There must be at least one resources or resources[$S] parameter.", code=MISSING)
        raise BadRequest("At least one request group (`resources` or `resources{$S}`) is required.")
    if not ctx.at_least("1.36") and empty:
        raise BadRequest(
            f"All traits parameters must be associated with resources.  Found the following orphaned traits keys: required{empty[0]}"
        )
    if loose := set(empty) - named:
        raise BadRequest(
            f"Resourceless suffixed group request should be specified in `same_subtree` query param: bad group(s) - {loose}.", code=BAD
        )
    if unknown := named - set(groups):
        raise BadRequest(f"Real suffixes should be specified in `same_subtree`: {set(unknown)} not found in {list(groups)}.", code=BAD)


def check_names(tx: Transaction, groups: Iterable[Group], roots: frozenset[str] = frozenset(), where: str = "") -> None:
    """Classes and traits that nobody knows are a bad request; `where` stands before the sentence about traits."""
    classes, traits = known_classes(tx), known_traits(tx)
    for group in groups:
        for name in group.resources:
            if name not in classes:
                raise BadRequest(f"Invalid resource class in resources parameter: No such resource class {name}.")
        asked = group.forbidden.union(*group.required) | roots
        if unknown := sorted(asked - traits):
            raise BadRequest(f"{where}No such trait(s): {', '.join(unknown)}.")
