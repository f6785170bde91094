"""What is done about the loss of the home Region, or of any: the value that a plan carries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recovery:
    """A strategy, the Region that stands by, what recovering takes, and US dollars a month. ``detection`` and
    ``failover`` are the arithmetic of what stands below in seconds.

    ``standby``, ``country``: None where each client's backup stands in. ``replication_usd``: without a home
    it depends on who serves, and is zero until the plan is drawn (:mod:`planner.standby_regions`). ``asked``:
    the RTO and RPO as the study says them.

    ``among``: Regions that may each be the ``standby``, of which one must serve, for nothing runs there for
    the standby's sake; empty where none need be open, and in a plan, which names the one.
    """

    strategy: str
    standby: str | None
    country: str | None
    detection: str
    failover: str
    detection_s: float
    failover_s: float
    provision_s: float
    restore_s: float
    rpo_s: float
    instances: int
    compute_usd: float
    storage_usd: float
    replication_usd: float
    asked: str = ""
    among: tuple[str, ...] = ()

    @property
    def rto_s(self) -> float:
        """Seconds from the loss until the standby serves."""
        return self.detection_s + self.failover_s + self.provision_s + self.restore_s

    @property
    def usd(self) -> float:
        """US dollars a month."""
        return self.compute_usd + self.storage_usd + self.replication_usd

    @property
    def where(self) -> str:
        """The standby, in words."""
        return self.standby or "each client's backup"

    @property
    def words(self) -> str:
        """The arithmetic of the expected RTO and RPO, in seconds."""
        restore = f" + {self.restore_s:g} s restoring" if self.restore_s else ""
        asked = f" (asked: {self.asked})" if self.asked else ""
        return (
            f"RTO {self.rto_s:g} s = {self.detection} + {self.failover} + {self.provision_s:g} s"
            f" provisioning{restore}; RPO {self.rpo_s:g} s{asked}"
        )


@dataclass(frozen=True, slots=True)
class Way:
    """A strategy as it would be beside the plan's sites, at its cheapest standby; None where none is."""

    strategy: str
    standby: str | None
    usd_month: float | None
    rto_s: float | None
    rpo_s: float | None
    why: str


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What is decided beside the sites: the home Region of the stateful tier, "" for none, and the recovery,
    if any."""

    home: str
    recovery: Recovery | None = None


def merit(arrangement: Arrangement | None) -> tuple[float, float]:
    """The less the better: what recovering costs a month, to the cent, and how long it takes."""
    recovery = None if arrangement is None else arrangement.recovery
    return round(usd_of(arrangement), 2), 0.0 if recovery is None else recovery.rto_s


def usd_of(arrangement: Arrangement | None) -> float:
    """What recovering costs a month."""
    return 0.0 if arrangement is None or arrangement.recovery is None else arrangement.recovery.usd
