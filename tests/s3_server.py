"""An S3 server of this machine, for tests: moto's, on a free port of 127.0.0.1."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def s3_bucket(name: str) -> Iterator[str]:
    """The URL of a new, empty bucket; the server and what tells s3fs of it are there inside the block."""
    server = pytest.importorskip("moto.server", reason="needs the extra dev")
    s3fs = pytest.importorskip("s3fs", reason="needs the extra dev")
    thread = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as environment:
            host, port = thread.get_host_and_port()
            environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
            for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                environment.setenv(variable, "test")
            environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
            s3fs.S3FileSystem.clear_instance_cache()
            s3fs.S3FileSystem().mkdir(name)
            yield f"s3://{name}"
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        thread.stop()
