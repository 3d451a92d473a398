from pathlib import Path

import pytest
from pydantic import ValidationError

from semiser.configuration import load_parameters
from semiser.options.engine import EngineOptions

TLS = {"ca": "ca.pem", "cert": "c.pem", "key": "c.key"}


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:8786", "tcp://127.8.0.1:1", "tcp://[::1]:8786", "tcp://localhost:8786"]
)
def test_an_address_without_tls_may_be_this_machine(address):
    assert EngineOptions(kind="dask", address=address).address == address


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tcp://scheduler:8786", "tcp://0.0.0.0:1", "tcp://[::]:1"])
def test_an_address_without_tls_beyond_this_machine_is_refused_with_the_reason(address):
    with pytest.raises(ValidationError, match=r"beyond this machine and without TLS: Dask asks nobody who they are"):
        EngineOptions(kind="dask", address=address)


def test_an_address_with_tls_may_be_anywhere():
    assert EngineOptions(kind="dask", address="tls://scheduler:8786", tls=TLS).tls.ca == "ca.pem"


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"kind": "dask", "address": "tls://scheduler:8786"}, "come together"),
        ({"kind": "dask", "address": "tcp://127.0.0.1:8786", "tls": TLS}, "come together"),
        ({"kind": "dask", "tls": TLS}, "engine.tls is for a scheduler at engine.address"),
        ({"kind": "local", "address": "tcp://127.0.0.1:8786"}, "are for engine.kind: dask"),
        ({"kind": "dask", "address": "127.0.0.1:8786"}, "must be tls://host:port"),
        ({"kind": "dask", "address": "tcp://127.0.0.1"}, "must be tls://host:port"),
        ({"kind": "dask", "address": "tcp://127.0.0.1:port"}, "must be tls://host:port"),
        ({"kind": "dask", "address": "tcp://127.0.0.1:8786", "workers": 2}, "engine.workers is for this machine"),
        ({"kind": "dask", "address": "tls://scheduler:8786", "tls": {"ca": "a"}}, "cert"),
    ],
)
def test_what_does_not_fit_together_is_named(options, reason):
    with pytest.raises(ValidationError, match=reason):
        EngineOptions(**options)


def test_the_kind_alone_makes_a_cluster_of_this_machine():
    base = load_parameters(Path(__file__).parents[2] / "conf", None, {"engine": {"kind": "dask"}})["engine"]
    assert EngineOptions(**base) == EngineOptions(kind="dask")
