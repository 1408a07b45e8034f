"""Errors as WebOb 1.8 was seen to write them."""

from __future__ import annotations

import json

import pytest

from mockcloud.http.webob import write

UNREAD = "The request media type application/json is not supported by this server."


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ((404, "Not Found", "No 'x' there", ""), "404 Not Found\n\nNo 'x' there\n\n   "),
        (
            (403, "Forbidden", "Access was denied to this resource.", "Attribute 'a' is reserved."),
            "403 Forbidden\n\nAccess was denied to this resource.\n\n Attribute 'a' is reserved.  ",
        ),
        ((415, "Unsupported Media Type", UNREAD, "Image PATCH"), f"415 Unsupported Media Type\n\n{UNREAD} \n\n Image PATCH"),
        (
            (405, "Method Not Allowed", "The method PATCH is not allowed for this resource.", ""),
            "405 Method Not Allowed\n\nThe method PATCH is not allowed for this resource. \n\n ",
        ),
    ],
)
def test_without_a_wish_it_is_text(said: tuple[int, str, str, str], text: str) -> None:
    assert write(*said, accept="") == ("text/plain; charset=UTF-8", text)


def test_html_is_escaped() -> None:
    page = "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n"
    page += "  No &#x27;x&#x27; &lt;here&gt;<br /><br />\n\n\n\n </body>\n</html>"
    assert write(404, "Not Found", "No 'x' <here>", "", "*/*") == ("text/html; charset=UTF-8", page)


def test_json_keeps_the_breaks() -> None:
    media, body = write(416, "Requested Range Not Satisfiable", "The Range requested is not available.", "Invalid.", "application/json")
    assert media == "application/json"
    assert json.loads(body) == {
        "message": "The Range requested is not available.<br /><br />\nInvalid.\n\n",
        "code": "416 Request Range Not Satisfiable",
        "title": "Request Range Not Satisfiable",
    }
