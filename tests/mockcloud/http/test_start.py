"""A cloud starts only when documents, coroutines and policies agree."""

from __future__ import annotations

import copy
import types

import pytest

from mockcloud.cloud import Cloud
from mockcloud.http.app import create_app
from mockcloud.http.binding import DocumentMismatch, collect
from mockcloud.seed import load_seed
from mockcloud.settings import Settings
from specs import SERVICES, operations


@pytest.fixture
def glance():
    return Cloud(Settings(), services=("keystone", "glance")).services["glance"]


def module(**members):
    """A module of coroutines, as a service has them."""
    made = types.ModuleType("made_for_this_test")
    for name, member in members.items():
        member.__module__ = made.__name__
        setattr(made, name, member)
    return made


async def launch_missiles(ctx):
    """An operation that no document has."""


async def show_image(ctx, image_id, nonsense):
    """Takes something that the path does not have."""


def test_both_differences_are_named(glance):
    gone = glance.modules[0]
    glance.modules = [*glance.modules[1:], module(launch_missiles=launch_missiles)]
    lost = sorted(name for name, coroutine in collect(glance_with(glance, [gone])).items() if coroutine)
    with pytest.raises(DocumentMismatch) as refusal:
        create_app(glance)
    said = str(refusal.value)
    assert all(name in said.split("a coroutine, not in the document")[0] for name in lost)
    assert "launch_missiles" in said.split("a coroutine, not in the document")[1]


def glance_with(glance, modules):
    """The same service with other modules."""
    made = copy.copy(glance)
    made.modules = modules
    return made


def test_a_policy_without_a_default_is_named(glance, monkeypatch):
    defaults = glance.policy.defaults()
    rule = next(operation.policy for operation in operations("glance") if operation.policy)
    monkeypatch.setattr(glance.policy, "defaults", lambda: {name: check for name, check in defaults.items() if name != rule})
    with pytest.raises(DocumentMismatch, match=rule):
        create_app(glance)


def test_a_parameter_that_nobody_fills_in_is_named(glance):
    glance.modules = [*glance.modules, module(show_image=show_image)]
    with pytest.raises(DocumentMismatch, match="show_image takes nonsense"):
        create_app(glance)


@pytest.mark.parametrize("service", SERVICES)
def test_every_documented_operation_is_served_or_declined_with_a_sentence(service):
    cloud = Cloud(Settings())
    served = set(collect(cloud.services[service]))
    assert {op.id for op in operations(service) if not (op.declined or op.gone)} == served
    assert all(op.declined.endswith(".") and " " in op.declined for op in operations(service) if op.declined)


def test_private_functions_and_what_a_module_imports_are_no_operations(glance):
    async def _inner(ctx):
        """Private."""

    made = module(launch_missiles=launch_missiles, _inner=_inner)
    made.imported = load_seed  # of another module
    assert set(collect(glance_with(glance, [made]))) == {"launch_missiles"}
