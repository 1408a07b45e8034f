"""How the suite speaks HTTP: with the proxies and certificates of its surroundings, but on loopback, where no proxy stands."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def beyond_loopback(url: str) -> bool:
    return urlsplit(url).hostname not in LOOPBACK


def session_for(url: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = beyond_loopback(url)
    return session
