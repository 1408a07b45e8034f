"""Limits of quota classes. Only the class `default` means something: what no project was given otherwise."""

from __future__ import annotations

from sqlalchemy import delete

from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest
from mockcloud.http.reply import Json
from mockcloud.nova import quota
from mockcloud.nova.tables import quota_classes


async def show_quota_class_set(ctx: Context, class_name: str) -> Json:
    with ctx.db.transaction() as tx:
        return {"quota_class_set": {"id": class_name, **quota.class_limits(tx, class_name)}}


async def update_quota_class_set(ctx: Context, class_name: str, body: Json) -> Json:
    if len(class_name) > 255:
        raise BadRequest(f"Invalid input received: quota_class_name has {len(class_name)} characters, more than 255.")
    with ctx.db.transaction() as tx:
        for name, value in body["quota_class_set"].items():
            tx.execute(delete(quota_classes).where(quota_classes.c.class_name == class_name, quota_classes.c.resource == name))
            tx.insert(quota_classes, class_name=class_name, resource=name, hard_limit=int(value))
        return {"quota_class_set": quota.class_limits(tx, class_name)}
