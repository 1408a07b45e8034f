"""cinder-scheduler: finds a backend for a new volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update

from mockcloud.cinder.registry import Registration, is_up
from mockcloud.cinder.rpc import BACKEND, HOST, VERSION, VOLUME_TOPIC
from mockcloud.cinder.tables import services, volume_types, volumes
from mockcloud.cinder.user_messages import record_message
from mockcloud.component import Component
from mockcloud.context import RequestContext
from mockcloud.db.engine import Database, Row, Transaction


@dataclass(frozen=True)
class Pool:
    """What a backend offers."""

    host: str  # host@backend
    backend_name: str
    total_gb: int = 100_000

    @property
    def name(self) -> str:
        return f"{self.host}#{self.backend_name}"


DEFAULT_POOLS = (Pool(f"{HOST}@{BACKEND}", BACKEND),)


class Scheduler:
    """The endpoint of the topic cinder-scheduler."""

    def __init__(self, component: Component, db: Database, pools: tuple[Pool, ...] = DEFAULT_POOLS) -> None:
        self._component, self._db, self._pools = component, db, pools
        self._registration = Registration(component, db)
        self.tasks = [self._registration.heartbeat]

    async def init_host(self) -> None:
        self._registration.report()

    async def create_volume(self, ctx: RequestContext, volume_id: str, image_id: str | None = None) -> None:
        """Chooses, and hands on to the chosen backend; without one the volume is in error, and a message says why."""
        now = self._component.clock.now()
        with self._db.transaction() as tx:
            volume = tx.one(select(volumes).where(volumes.c.id == volume_id, volumes.c.status == "creating"))
            if volume is None:
                return
            pool = self._choose(tx, volume)
            if pool is None:
                tx.execute(update(volumes).where(volumes.c.id == volume_id).values(status="error", updated_at=now))
                reason = "Could not find any available weighted backend."
                record_message(tx, ctx, now, "schedule allocate volume", reason, volume_id, volume["project_id"])
                return
            chosen = {"host": pool.name, "service_uuid": self._service_of(tx, pool), "scheduled_at": now, "updated_at": now}
            tx.execute(update(volumes).where(volumes.c.id == volume_id).values(**chosen))
        args = {"volume_id": volume_id, "image_id": image_id}
        await self._component.bus.cast(ctx, VOLUME_TOPIC, "create_volume", server=pool.host, version=VERSION, args=args)

    async def get_pools(self, ctx: RequestContext) -> list[dict[str, Any]]:
        with self._db.transaction() as tx:
            return [{"name": pool.name, "capabilities": self._capabilities(tx, pool)} for pool in self._pools]

    def _choose(self, tx: Transaction, volume: Row) -> Pool | None:
        """The fitting pool with most room."""
        stmt = select(volume_types.c.extra_specs).where(volume_types.c.id == volume["volume_type_id"])
        wanted = (tx.scalar(stmt) or {}).get("volume_backend_name")
        fitting = [pool for pool in self._pools if wanted in (None, pool.backend_name) and self._service_of(tx, pool)]
        roomy = [(self._free(tx, pool), pool) for pool in fitting]
        roomy = [(free, pool) for free, pool in roomy if free >= volume["size"]]
        return max(roomy, key=lambda pair: pair[0])[1] if roomy else None

    def _service_of(self, tx: Transaction, pool: Pool) -> str | None:
        """The uuid of the pool's service, if that is up and enabled."""
        row = tx.one(select(services).where(services.c.host == pool.host, services.c.disabled.is_(False)))
        alive = row is not None and is_up(row, self._component.clock.now(), self._component.settings.service_down_time)
        return str(row["uuid"]) if row is not None and alive else None

    def _free(self, tx: Transaction, pool: Pool) -> int:
        return pool.total_gb - self._allocated(tx, pool)

    def _allocated(self, tx: Transaction, pool: Pool) -> int:
        return int(tx.scalar(select(func.coalesce(func.sum(volumes.c.size), 0)).where(volumes.c.host == pool.name)))

    def _capabilities(self, tx: Transaction, pool: Pool) -> dict[str, Any]:
        allocated = self._allocated(tx, pool)
        return {
            "pool_name": pool.backend_name,
            "volume_backend_name": pool.backend_name,
            "vendor_name": "mockcloud",
            "driver_version": "1.0.0",
            "storage_protocol": "iSCSI",
            "total_capacity_gb": float(pool.total_gb),
            "free_capacity_gb": float(pool.total_gb - allocated),
            "allocated_capacity_gb": allocated,
            "provisioned_capacity_gb": float(allocated),
            "max_over_subscription_ratio": "1.0",
            "reserved_percentage": 0,
            "thin_provisioning_support": False,
            "thick_provisioning_support": True,
            "multiattach": True,
            "online_extend_support": True,
            "backend_state": "up",
            "QoS_support": False,
            "location_info": f"mockcloud:{pool.name}",
            "timestamp": self._component.clock.now().isoformat(),
        }
