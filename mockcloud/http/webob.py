"""How WebOb writes an error: the library that glance raises its refusals with. Pure."""

from __future__ import annotations

import html
import json
import re

REASONS = {413: "Request Entity Too Large", 416: "Request Range Not Satisfiable"}  # where it differs from Python's own
EXPLANATIONS = {
    400: "The server could not comply with the request since it is either malformed or otherwise incorrect.",
    401: "This server could not verify that you are authorized to access the document you requested.",
    403: "Access was denied to this resource.",
    404: "The resource could not be found.",
    405: "The method specified is not allowed for this resource.",
    409: "There was a conflict when trying to complete your request.",
    410: "This resource is no longer available.  No forwarding address is given.",
    413: "The body of your request was too large for this server.",
    415: "The request media type is not supported by this server.",
    416: "The Range requested is not available.",
    500: "The server has either erred or is incapable of performing the requested operation.",
    503: "The server is currently unavailable. Please try again at a later time.",
}
TEMPLATES = {405: "{0} <br /><br />\n{1}", 415: "{0}\n<br /><br />\n{1}"}
TEMPLATE = "{0}<br /><br />\n{1}\n\n"


def write(status: int, reason: str, explanation: str, detail: str, accept: str) -> tuple[str, str]:
    """(media type, body): HTML, JSON or text, as `accept` has it."""
    title = REASONS.get(status, reason)
    template, first = TEMPLATES.get(status, TEMPLATE), f"{status} {title}"
    if "text/html" in accept or "*/*" in accept:
        body = template.format(html.escape(explanation), html.escape(detail))
        head = f"<html>\n <head>\n  <title>{first}</title>\n </head>\n <body>\n  <h1>{first}</h1>\n"
        return "text/html; charset=UTF-8", f"{head}  {body}\n </body>\n</html>"
    body = template.format(explanation, detail)
    if "application/json" in accept:
        return "application/json", json.dumps({"message": body, "code": first, "title": title})
    return "text/plain; charset=UTF-8", f"{first}\n\n{_plain(body)}"


def _plain(body: str) -> str:
    """Breaks become lines, other tags go."""
    return re.sub(r"<.*?>", "", re.sub(r"<br.*?>", "\n", body.replace("\n", " ")))
