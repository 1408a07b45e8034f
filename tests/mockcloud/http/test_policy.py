"""Access rules: the defaults, a user's own file, and files that cannot be used."""

from __future__ import annotations

import random
import re

import pytest

from mockcloud.http.policy import Policy, PolicyError
from mockcloud.testing.client import client
from specs import SERVICES, operations

MEMBER = {"roles": ["member", "reader"], "project_id": "p", "user_id": "u", "system_scope": None, "tenant_id": "p"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_rule_that_a_document_names_has_a_default_that_can_be_read(service):
    policy = Policy(service)
    policy.load()
    missing = [op.policy for op in operations(service) if op.policy and not policy.knows(op.policy)]
    assert missing == []


@pytest.mark.parametrize("service", SERVICES)
def test_an_admin_may_what_a_reader_of_another_project_may_not(service):
    policy = Policy(service)
    rules = list(policy.defaults())
    admin = MEMBER | {"roles": ["admin", "manager", "member", "reader"], "system_scope": "all", "service_roles": ["service"]}
    stranger = MEMBER | {"roles": ["reader"], "project_id": "another", "user_id": "another", "tenant_id": "another"}
    target = {"project_id": "p", "user_id": "u", "tenant_id": "p"}
    allowed = [sum(policy.check(rule, target, who) for rule in rules) for who in (admin, stranger)]
    assert allowed[0] > allowed[1]


def test_a_rule_that_nobody_defined_allows_nothing():
    assert Policy("nova").check("os_compute_api:fly", {}, MEMBER | {"roles": ["admin"]}) is False


async def test_a_users_own_file_overrides_single_rules_and_leaves_the_others(make_cloud, tmp_path):
    (tmp_path / "cinder.yaml").write_text('"volume:get_all": "role:admin"\n')
    cloud = await make_cloud(services=("keystone", "cinder"), policy_dir=str(tmp_path))
    member, admin = client(cloud, "member"), client(cloud, "admin")
    assert (await member.get("cinder", "/v3/volumes")).status == 403
    assert (await admin.get("cinder", "/v3/volumes")).status == 200
    assert (await member.post("cinder", "/v3/volumes", json={"volume": {"size": 1}})).status == 202


async def test_a_refusal_names_the_rule_in_the_services_own_words(make_cloud, tmp_path):
    (tmp_path / "cinder.yaml").write_text('"volume:get_all": "!"\n')
    cloud = await make_cloud(services=("keystone", "cinder"), policy_dir=str(tmp_path))
    answer = await client(cloud, "admin").get("cinder", "/v3/volumes")
    assert answer.json() == {"forbidden": {"code": 403, "message": "Policy doesn't allow volume:get_all to be performed."}}


@pytest.mark.parametrize(("text", "sentence"), [("{", "is not YAML"), ("- a", "is not a mapping"), ("7", "is not a mapping")])
def test_a_file_that_is_no_policy_is_refused_with_its_name(tmp_path, text, sentence):
    (tmp_path / "nova.yaml").write_text(text)
    with pytest.raises(PolicyError, match=rf"nova\.yaml.* {sentence}"):
        Policy("nova", str(tmp_path)).load()


def test_a_rule_that_cannot_be_parsed_allows_nothing(tmp_path):
    (tmp_path / "nova.yaml").write_text('"os_compute_api:servers:index": "role:admin or and"\n')
    assert Policy("nova", str(tmp_path)).check("os_compute_api:servers:index", {}, MEMBER | {"roles": ["admin"]}) is False


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_remembered_of_a_rule_is_what_the_rule_says(service):
    """Only the keys that a rule reads tell one question from another: each is asked of it, and of oslo.policy itself."""
    policy, chance = Policy(service), random.Random(0)
    policy.load()
    checks = " ".join(policy.defaults().values())
    keys = sorted({*re.findall(r"%\(([^)]+)\)", checks), *re.findall(r"field:\w+:(\w+)", checks)})
    values = ["p", "u", "another", "True", "False", None]
    answers = set()
    for rule in policy.defaults():
        for _ in range(20):
            target = {key: chance.choice(values) for key in keys if chance.random() < 0.8} | {"more": chance.random()}
            who = MEMBER | {"roles": chance.choice([["member"], ["reader"], ["admin"], []]), "user_id": chance.choice(["u", "p"])}
            said = bool(policy._enforcer.rules[rule](target, who, policy._enforcer, rule))
            assert policy.check(rule, target, who) is said, (rule, target, who)
            answers.add(said)
    assert answers == {True, False}
