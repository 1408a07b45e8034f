"""How each service words what the binding refuses by itself."""

from __future__ import annotations

import re

from mockcloud.http.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, UnsupportedMediaType
from mockcloud.http.validation import Invalid


def invalid_body(service: str, invalid: Invalid) -> ApiError:
    """A body that its schema refuses."""
    where = invalid.path
    if service in ("nova", "cinder"):
        if invalid.rule == "format" and (kind := invalid.message.rsplit("'", 2)[-2]) in NAMES:
            return BadRequest(f"An invalid 'name' value was provided. The name must be: {NAMES[kind]}")
        if not where:
            return BadRequest(invalid.message)
        return BadRequest(f"Invalid input for field/attribute {where[-1]}. Value: {invalid.value}. {invalid.message}")
    if service == "keystone":
        if not where:
            return BadRequest(invalid.message)
        return BadRequest(f"Invalid input for field '{'/'.join(map(str, where))}': {invalid.message}")
    if service == "placement":
        return BadRequest(f"JSON does not validate: {invalid.message}")
    if service == "neutron":
        if invalid.rule == "additionalProperties":
            names = re.findall(r"'([^']+)'", invalid.message)
            return BadRequest(f"Unrecognized attribute(s) '{', '.join(names)}'", type="HTTPBadRequest")
        if invalid.rule == "required":
            missing = invalid.message.split("'")[1]
            return BadRequest(f"Failed to parse request. Required attribute '{missing}' not specified", type="HTTPBadRequest")
        name = next((part for part in reversed(where) if isinstance(part, str)), "body")
        reason = invalid.message.replace("is not a 'uuid'", "is not a valid UUID").replace("is not one of", "is not in")
        return BadRequest(f"Invalid input for {name}. Reason: {reason}.", type="HTTPBadRequest")
    return BadRequest(f"Provided object does not match schema 'image': {invalid.message}")


NAMES = {  # nova's formats of names
    "name": "printable characters. Can not start or end with whitespace.",
    "spaced_name": "printable characters with at least one non space character",
    "az_name": "printable characters except :.Can not start or end with whitespace.",
}


def invalid_query(service: str, invalid: Invalid) -> ApiError:
    if service in ("nova", "cinder"):
        if not invalid.path:
            return BadRequest(invalid.message)
        return BadRequest(f"Invalid input for query parameters {invalid.path[-1]}. Value: {invalid.value}. {invalid.message}")
    if service == "placement":
        return BadRequest(f"Invalid query string parameters: {invalid.message}")
    if service == "neutron":
        if invalid.path[:1] == ["limit"]:
            said = f"Bad limit request: Limit must be an integer 0 or greater and not '{invalid.value}'."
            return BadRequest(said, type="BadRequest")
        if invalid.path[:1] == ["sort_dir"]:
            said = f"{[invalid.value]} is invalid value for sort_dirs, valid value is 'asc' and 'desc'"
            return BadRequest(said, type="HTTPBadRequest")
        return BadRequest(f"Invalid input for {'/'.join(map(str, invalid.path))}. Reason: {invalid.message}.", type="InvalidInput")
    return BadRequest(f"Invalid input for field '{'/'.join(map(str, invalid.path))}': {invalid.message}")


def invalid_path(service: str, invalid: Invalid) -> ApiError:
    """A path parameter that its schema refuses: nothing can be there."""
    return NotFound(f"{invalid.path[0]} {invalid.value} could not be found.")


def malformed(service: str) -> ApiError:
    """A body that is not JSON, or not an object."""
    said = {
        "nova": "Malformed request body",
        "cinder": "Malformed request body",
        "keystone": "Malformed JSON in request body.",
        "neutron": "Request body is not in JSON format.",
        "placement": "Malformed JSON: the body cannot be read",
        "glance": "Malformed JSON in request body.",
    }
    return BadRequest(said[service], type="HTTPBadRequest")


def no_body(service: str) -> ApiError:
    return BadRequest("Body expected in request.") if service == "glance" else malformed(service)


def unsupported_media(service: str, media: str, allowed: tuple[str, ...]) -> ApiError:
    """A body of a kind that the operation does not read."""
    if service == "glance":
        wanted = ", ".join(sorted(allowed))
        explanation = f"The request media type {media} is not supported by this server."
        detail = f"Image PATCH expects Content-Type one of: {wanted}"
        return UnsupportedMediaType(explanation, detail=detail, headers={"Accept-Patch": wanted})
    return UnsupportedMediaType(f"Unsupported Content-Type {media}")


def no_action(service: str, name: str) -> ApiError:
    """An action key that the path does not have at any version."""
    advice = " Verify the request body and Content-Type header and try again." if service == "cinder" else ""
    return BadRequest(f"There is no such action: {name}{'.' if advice else ''}{advice}")


def wrong_method(service: str, method: str, allow: str) -> ApiError:
    which = method if service == "glance" else "specified"
    return MethodNotAllowed(f"The method {which} is not allowed for this resource.", headers={"Allow": allow})


def no_path(service: str) -> ApiError:
    return NotFound("The resource could not be found.")


def wrong_project(path_project: str, own_project: str) -> ApiError:
    return BadRequest(f"Malformed request URL: URL's project_id '{path_project}' doesn't match Context's project_id '{own_project}'")
