"""The Dask engine: the shard map in the workers of a Dask cluster, started for the run or found at an address."""

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice

try:
    import dask
    from dask.typing import Key
    from distributed import Client, Future, KilledWorker, LocalCluster, Security, as_completed
    from distributed.scheduler import NoValidWorkerError, NoWorkerError
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"engine.kind: dask needs Dask ({error.name} is missing): pip install 'semiser[cluster]'"
    ) from error

from semiser.options.engine import TlsOptions
from semiser.shards.engine_protocol import EngineLost, PoolKind, Result, Task, WorkerLost

logger = logging.getLogger(__name__)

_CONNECT_S = 30
_FIRST_WORKER_S = 120


class DaskEngine:
    """Workers of a Dask cluster: processes of this machine that live as long as a map, or those at an address.

    Embedded workers are spawned, have one thread (of linear algebra too), and end with this process; the nannies that
    stand beside them start a new one where one dies. Each of them has one task at a time, so that a death has one
    task to blame.
    """

    def __init__(
        self, workers: int, address: str | None = None, tls: TlsOptions | None = None, dashboard: int | None = None
    ):
        """Args:
        workers: of an embedded cluster.
        address: of a scheduler; None starts a cluster on this machine.
        tls: for the address.
        dashboard: port of an embedded cluster's status page; None: there is none.
        """
        self.workers, self.address, self._tls = workers, address, tls
        self._dashboard = None if dashboard is None else f"127.0.0.1:{dashboard}"

    def map(
        self, function: Callable[[Task], Result], tasks: Iterable[Task], pool: PoolKind
    ) -> Iterator[tuple[Task, Result | WorkerLost]]:
        """See `Engine.map`; as many tasks are in flight as the cluster has threads. `pool` makes no difference."""
        waiting = iter(tasks)
        with self._client() as client:
            flight: dict[Key, Task] = {}
            completed = as_completed(loop=client.loop)
            while True:
                for task in islice(waiting, max(0, self._threads(client) - len(flight))):
                    future = client.submit(function, task, pure=False)
                    flight[future.key] = task
                    completed.add(future)
                if not flight:
                    return
                future = next(completed)
                yield flight.pop(future.key), self._outcome(future)

    def _outcome(self, future: Future) -> Result | WorkerLost:
        try:
            return future.result()
        except KilledWorker as error:
            return WorkerLost(str(error))
        except (NoWorkerError, NoValidWorkerError) as error:
            raise EngineLost(f"no worker is left to take the rest; what is finished is kept: {error}") from error
        except CancelledError as error:
            raise self._lost() from error

    def _threads(self, client: Client) -> int:
        """Threads of the cluster; at least one, since the nanny of a dead worker is starting another."""
        if client.status != "running":
            raise self._lost()
        return max(1, self.workers if self.address is None else sum(client.nthreads().values()))

    def _lost(self) -> EngineLost:
        place = f"the Dask scheduler at {self.address}" if self.address else "the embedded Dask scheduler"
        return EngineLost(f"{place} is gone. What is finished is kept: start it again and run again")

    @contextmanager
    def _client(self) -> Iterator[Client]:
        with ExitStack() as stack:
            stack.enter_context(dask.config.set(_SETTINGS if self._dashboard else _SETTINGS | _NO_PAGES))
            if self.address is None:
                scratch = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
                cluster = stack.enter_context(_local_cluster(self.workers, scratch, self._dashboard))
                if self._dashboard:
                    logger.info("Dask's status page: %s", cluster.dashboard_link)
                yield stack.enter_context(Client(cluster, set_as_default=False))
                return
            client = self._connect()
            try:
                yield client
            finally:
                with suppress(TimeoutError, OSError):  # a scheduler that is gone cannot be told goodbye
                    client.close(timeout=5)

    def _connect(self) -> Client:
        """A client of the scheduler, once it has a worker."""
        security = self._tls and Security(
            require_encryption=True,
            tls_ca_file=self._tls.ca,
            tls_client_cert=self._tls.cert,
            tls_client_key=self._tls.key,
        )
        try:
            client = Client(self.address, security=security, set_as_default=False, timeout=_CONNECT_S)
        except (TimeoutError, OSError) as error:
            raise EngineLost(f"no Dask scheduler answers at engine.address {self.address}: {error}") from error
        try:
            client.wait_for_workers(1, timeout=_FIRST_WORKER_S)
        except TimeoutError as error:
            client.close()
            raise EngineLost(
                f"the Dask scheduler at {self.address} has had no worker for {_FIRST_WORKER_S} s: start some "
                f"(`dask worker {self.address} --nthreads 1` in the project's folder)"
            ) from error
        return client


_SETTINGS = {
    "distributed.scheduler.allowed-failures": 1,  # two deaths, each its own: a worker has one task at a time
    "distributed.scheduler.no-workers-timeout": f"{_FIRST_WORKER_S} s",
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.comm.timeouts.connect": _CONNECT_S,
}

_NO_PAGES: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}


def _local_cluster(workers: int, scratch: str, dashboard: str | None) -> LocalCluster:
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=dashboard or "127.0.0.1:0",  # None would be a port of its own choice on all interfaces
        scheduler_kwargs={"dashboard": dashboard is not None},
        memory_limit=None,  # a worker that Dask pauses at its limit would wait for ever
        local_directory=scratch,
        silence_logs=logging.ERROR,
    )
