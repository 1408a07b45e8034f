"""Tags of a resource: a list, and each tag a place of its own."""

from __future__ import annotations

from dataclasses import dataclass

from mockcloud.http.context import Context
from mockcloud.http.errors import BadRequest, NotFound
from mockcloud.http.reply import Json
from mockcloud.neutron.collection import Collection, Coroutine

MAX_TAGS = 50


@dataclass(frozen=True)
class Tags:
    """The tag operations of a collection, for the module that declares it."""

    of: Collection

    def operations(self) -> dict[str, Coroutine]:
        noun = self.of.noun
        return {
            f"list_{noun}_tags": self._list,
            f"create_{noun}_tags": self._create,
            f"update_{noun}_tags": self._update,
            f"delete_{noun}_tags": self._clear,
            f"check_{noun}_tag": self._check,
            f"add_{noun}_tag": self._add,
            f"delete_{noun}_tag": self._delete,
        }

    async def _list(self, ctx: Context, **path: str) -> Json:
        return {"tags": self._of(ctx, path)}

    async def _create(self, ctx: Context, body: Json, **path: str) -> Json:
        self._change(ctx, path, add=body["tags"])
        return body

    async def _update(self, ctx: Context, body: Json, **path: str) -> Json:
        self.of.change_tags(ctx, self._id(path), lambda tags: self._counted(body["tags"]))
        return body

    async def _clear(self, ctx: Context, **path: str) -> None:
        self.of.change_tags(ctx, self._id(path), lambda tags: [])

    async def _check(self, ctx: Context, **path: str) -> None:
        _without(self._of(ctx, path), path["tag"])

    async def _add(self, ctx: Context, **path: str) -> None:
        self._change(ctx, path, add=[path["tag"]])

    async def _delete(self, ctx: Context, **path: str) -> None:
        self.of.change_tags(ctx, self._id(path), lambda tags: _without(tags, path["tag"]))

    def _change(self, ctx: Context, path: dict[str, str], add: list[str]) -> None:
        self.of.change_tags(ctx, self._id(path), lambda tags: self._counted([*tags, *(tag for tag in add if tag not in tags)]))

    def _of(self, ctx: Context, path: dict[str, str]) -> list[str]:
        with ctx.db.transaction() as tx:
            return list(self.of.find(ctx, tx, self._id(path))["tags"])

    def _id(self, path: dict[str, str]) -> str:
        return path[f"{self.of.noun}_id"]

    def _counted(self, tags: list[str]) -> list[str]:
        if len(tags) > MAX_TAGS:
            raise BadRequest(
                f"Bad {self.of.many} request: The number of tags exceed the per-resource limit of {MAX_TAGS}.", type="BadRequest"
            )
        return list(tags)


def _without(tags: list[str], tag: str) -> list[str]:
    if tag not in tags:
        raise NotFound(f"Tag {tag} could not be found.", type="TagNotFound")
    return [other for other in tags if other != tag]
