"""Password hashing: real, and cheap enough that a login costs a mock well under a millisecond.

The work factor is far below what protects real users: a mock's passwords are printed in its documentation.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

ROUNDS = 200


def hash_password(password: str) -> str:
    salt = os.urandom(12)
    return f"$pbkdf2${ROUNDS}${_text(salt)}${_text(_derive(password, salt, ROUNDS))}"


def verify_password(password: str, hashed: str | None) -> bool:
    """False, after the same work, where there is no such user."""
    _, _, rounds, salt, wanted = (hashed or DUMMY).split("$")
    derived = _derive(password, base64.b64decode(salt), int(rounds))
    return hmac.compare_digest(derived, base64.b64decode(wanted)) and hashed is not None


def _derive(password: str, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


DUMMY = hash_password("nobody's password")
