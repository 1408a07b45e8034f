"""keystoneauth and the openstack command's identity half against a running cloud."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from keystoneauth1 import discover, exceptions, session
from keystoneauth1.identity import v3

COMMANDS = """\
project create --description d --tag blue lab -f value -c name
project set --description e --tag red lab
project show --parents --children lab -f value -c description
project list --my-projects -f value -c Name
user create --password secret --email eve@example.org --project lab eve -f value -c name
user set --email eva@example.org eve
user show eve -f value -c email
role create auditor -f value -c name
implied role create auditor --implied-role reader -f value -c prior_role
role add --user eve --project lab member
role add --user eve --system all reader
role add --user eve --domain default --inherited reader
role assignment list --names --user eve --project lab -f value -c Role
role assignment list --effective --names --user eve --project lab -f value -c Role
role remove --user eve --domain default --inherited reader
role remove --user eve --system all reader
implied role delete auditor --implied-role reader
role delete auditor
group create crew -f value -c name
group add user crew eve
group contains user crew eve
user list --group crew -f value -c Name
group remove user crew eve
group delete crew
domain create elsewhere -f value -c name
domain set --disable elsewhere
domain delete elsewhere
region create Two -f value -c region
service create --name swift object-store -f value -c type
endpoint create --region Two swift public http://swift/v1 -f value -c url
endpoint list --service swift -f value -c URL
service delete swift
region delete Two
application credential create robot --role reader -f value -c name
application credential list -f value -c Name
application credential delete robot
user delete eve
project delete lab
"""
SAID = {
    "lab", "e", "admin", "eve", "eva@example.org", "auditor", "member", "reader", "crew", "elsewhere", "Two", "object-store",
    "http://swift/v1", "robot", "eve in group crew",
}  # fmt: skip


def test_the_identity_commands_of_openstackclient(login: dict[str, str], tmp_path: Path) -> None:
    admin = login | {"OS_USERNAME": "admin", "OS_PROJECT_NAME": "admin", "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "openstackclient.shell"]
    done = subprocess.run(command, input=COMMANDS, env=admin, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.stderr == ""
    said = [line for line in done.stdout.splitlines() if line and len(line) != 32]  # but for ids
    assert set(said) == SAID | {"demo"}  # a project of the admin's


def test_keystoneauth_finds_its_way_from_the_root(identity_url: str) -> None:
    root = identity_url.removesuffix("/v3")
    found = discover.Discover(session.Session(), root)
    assert found.url_for("3") == f"{root}/v3/"
    auth = v3.Password(root, username="demo", password="secret", user_domain_id="default", unscoped=True)
    access = auth.get_access(session.Session(auth=auth))
    assert not access.scoped
    scoped = v3.Token(identity_url, token=access.auth_token, project_name="demo", project_domain_id="default")
    client = session.Session(auth=scoped)
    assert set(scoped.get_access(client).role_names) == {"member", "reader"}
    for kind in ("compute", "image", "network", "block-storage", "volumev3", "placement"):
        for interface in ("public", "internal", "admin"):
            assert client.get_endpoint(service_type=kind, interface=interface, region_name="RegionOne")


def test_keystoneauth_knows_systems_domains_and_application_credentials(identity_url: str) -> None:
    admin = {"username": "admin", "password": "secret", "user_domain_id": "default"}
    system = v3.Password(identity_url, system_scope="all", **admin)
    assert system.get_access(session.Session(auth=system)).system_scoped
    auth = v3.Password(identity_url, project_name="admin", project_domain_id="default", **admin)
    client = session.Session(auth=auth)
    path = f"{identity_url}/users/{client.get_user_id()}/application_credentials"
    made = client.post(path, json={"application_credential": {"name": "robot"}}).json()["application_credential"]
    robot = v3.ApplicationCredential(identity_url, application_credential_id=made["id"], application_credential_secret=made["secret"])
    assert session.Session(auth=robot).get_project_id() == client.get_project_id()
    client.delete(f"{path}/{made['id']}")
    assert robot.invalidate()  # it keeps its token
    with pytest.raises(exceptions.NotFound):
        robot.get_access(session.Session())
    wrong = v3.Password(identity_url, username="demo", password="wrong", user_domain_id="default")
    with pytest.raises(exceptions.Unauthorized):
        wrong.get_access(session.Session())
