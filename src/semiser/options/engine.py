"""`params:engine`: where and how wide the shard map runs."""

import ipaddress
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from semiser.options.base import Options


class TlsOptions(Options):
    """Files, PEM, by which this program and a Dask scheduler know each other.

    Attributes:
        ca: certificate of the authority that signed both sides' certificates.
        cert: this program's certificate.
        key: its private key.
    """

    ca: str
    cert: str
    key: str


class EngineOptions(Options):
    """Engine of the shard map.

    Attributes:
        kind: `local` runs on this machine: threads or spawned processes, whichever the feature family asks for;
            `dask` runs in the workers of a Dask cluster.
        workers: tasks at once on this machine; None takes the number of processors that this process may use.
        address: of a running Dask scheduler (`tls://host:8786`); None starts a cluster on this machine for the run.
        dashboard: port of Dask's status page, on this machine alone, for a cluster that the run starts; 0 takes a free
            one, and the log says which. None: there is no page, which shows code and names to whoever asks.
        tls: needed for every address beyond this machine: without it whoever reaches the port can run code.
    """

    kind: Literal["local", "dask"] = "local"
    workers: int | None = Field(default=None, ge=1)
    address: str | None = None
    dashboard: int | None = Field(default=None, ge=0, le=65535)
    tls: TlsOptions | None = None

    @model_validator(mode="after")
    def _check_address(self) -> "EngineOptions":
        if self.kind == "local" and (self.address or self.tls):
            raise ValueError("engine.address and engine.tls are for engine.kind: dask")
        if self.dashboard is not None and (self.kind == "local" or self.address):
            raise ValueError("engine.dashboard is for a Dask cluster that the run starts: kind: dask, no address")
        if self.address is None:
            if self.tls:
                raise ValueError("engine.tls is for a scheduler at engine.address, which is not given")
            return self
        if self.workers is not None:
            raise ValueError("engine.workers is for this machine: a cluster at engine.address has the workers it has")
        url = urlsplit(self.address)
        if url.scheme not in ("tcp", "tls") or not url.hostname or not _port(self.address):
            raise ValueError(f"engine.address must be tls://host:port or tcp://host:port, not {self.address!r}")
        if (url.scheme == "tls") != (self.tls is not None):
            raise ValueError(f"engine.address {self.address!r}: tls:// and the files of engine.tls come together")
        if url.scheme == "tcp" and not _is_loopback(url.hostname):
            raise ValueError(
                f"engine.address {self.address!r} is beyond this machine and without TLS: Dask asks nobody who they "
                "are, so whoever reaches the port could run code. Give tls://host:port and engine.tls (docs/scale.md)"
            )
        return self


def _port(address: str) -> int | None:
    try:
        return urlsplit(address).port
    except ValueError:  # no number, or none of a port
        return None


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or number alone; other names are not looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
