"""What must never be in a fact."""

from conformance.evidence import fingerprint, redact


def test_a_password_is_hidden_without_a_fingerprint_to_try_guesses_on():
    assert redact({"user": {"name": "demo", "password": "secret"}}) == {"user": {"name": "demo", "password": "***"}}
    assert redact({"server": {"adminPass": "x", "user_data": "IyEvYmluL3No"}}) == {"server": {"adminPass": "***", "user_data": "***"}}


def test_a_token_is_known_by_its_fingerprint_wherever_it_stands():
    token = "gAAAAA" + "b" * 40
    told = fingerprint(token)
    assert redact({"_context_auth_token": token, "X-Auth-Token": token, "log": f"with {token}!"}) == {
        "_context_auth_token": told,
        "X-Auth-Token": told,
        "log": f"with {told}!",
    }


def test_hiding_twice_changes_nothing():
    once = redact({"auth_token": "abc", "password": "p"})
    assert redact(once) == once
