"""An experiment's feature table: a manifest that names its shards and is written last.

The shards belong to nobody and never change (`store`); which of them make the table is the manifest's matter alone. So
two experiments share what they have in common, and neither can take anything from the other.
"""

import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.fs
from fsspec import url_to_fs
from pydantic import TypeAdapter

from semiser.corpora.files import leaves_root
from semiser.publish import publishing
from semiser.shards.store import METADATA_KEY, ShardReport

if TYPE_CHECKING:  # its import loads pandas, which takes a second
    from pyarrow.dataset import Dataset, ParquetFileFragment

_ELSEWHERE = "elsewhere-"  # files beside shards that say where a manifest on another store lies
_MAKE = "`kedro run --pipelines=features`"
_REPORTS = TypeAdapter(list[ShardReport])


@dataclass(frozen=True)
class Receipt:
    """What extraction hands to the table's dataset, which commits it.

    Attributes:
        folder: of the shards; None where the family is switched off.
        facts: family, version, options.
        shards: in order.
    """

    folder: str | None
    facts: Mapping[str, Any]
    shards: list[ShardReport]

    @property
    def rows(self) -> int:
        """Rows of the whole table."""
        return sum(shard.rows for shard in self.shards)


class ShardedTable:
    """The table of a manifest at an fsspec path (`data/03_primary/demo/is10.json`, `s3://bucket/demo/is10.json`)."""

    def __init__(self, path: str):
        self.path = str(path)
        self._filesystem, self._manifest = url_to_fs(self.path, use_listings_cache=False)

    def withdraw(self) -> None:
        """Remove the manifest: from here until `commit` there is no table."""
        if self._filesystem.exists(self._manifest):
            self._filesystem.rm_file(self._manifest)

    def commit(self, receipt: Receipt) -> None:
        """Publish the manifest. A folder of the same disk or store is named relative to it, so that both can move.

        In a folder of another store it leaves word where it lies, for who looks for shards that nobody needs.
        """
        manifest = {
            **receipt.facts,
            "folder": receipt.folder and self._name_of(receipt.folder),
            "rows": receipt.rows,
            "shards": [asdict(shard) for shard in receipt.shards],
        }
        if receipt.folder:
            self._leave_word(receipt.folder)
        with publishing(self._filesystem, self._manifest) as file:
            file.write(json.dumps(manifest, ensure_ascii=False, indent=1).encode())

    def manifest(self) -> dict[str, Any] | None:
        """The manifest of the committed table, None where there is none or it cannot be read.

        One whose shards lie outside its folder is damaged or made by somebody else: it cannot be read either.
        """
        try:
            manifest = json.loads(self._filesystem.cat_file(self._manifest))
            folder: str | None = manifest["folder"]
            if "family" not in manifest or not isinstance(folder, str | None):
                return None
            shards = _REPORTS.validate_python(manifest["shards"])
            if shards and folder is None:
                return None
            if folder is not None and shards:
                url_to_fs(self._place_of(folder))
        except (OSError, ImportError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return None if any(leaves_root(shard.path) for shard in shards) else manifest

    def dataset(self) -> "Dataset":
        """The committed table as a pyarrow dataset: nothing is read yet.

        Raises:
            FileNotFoundError: there is no complete table here, it has no shard, or a shard that it names is gone.
            ValueError: the shards are damaged.
        """
        from pyarrow.dataset import ParquetFileFormat, ParquetFragmentScanOptions, dataset

        manifest = self.manifest()
        if manifest is None:
            raise FileNotFoundError(
                f"no complete table at {self.path} (no manifest, or a damaged one): {_MAKE} makes it"
            )
        if not manifest["shards"]:
            raise FileNotFoundError(
                f"the table at {self.path} has no shard: switch its family on (features.{manifest['family']}) for "
                f"at least one corpus and run {_MAKE}"
            )
        filesystem, folder = url_to_fs(self._place_of(manifest["folder"]), use_listings_cache=False)
        paths = [f"{folder}/{shard['path']}" for shard in manifest["shards"]]
        there = {path for parent in {path.rpartition("/")[0] for path in paths} for path in _files(filesystem, parent)}
        if gone := [path for path in paths if path not in there]:
            raise FileNotFoundError(
                f"the table at {self.path} is stale: {len(gone)} of its {len(paths)} shards are gone, the first is "
                f"{gone[0]}. {_MAKE} makes it anew"
            )
        checked = ParquetFragmentScanOptions(page_checksum_verification=True)
        try:
            return dataset(
                paths,
                format=ParquetFileFormat(default_fragment_scan_options=checked),
                filesystem=pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(filesystem)),
            )
        except pyarrow.ArrowInvalid as error:
            raise ValueError(f"the table at {self.path} is damaged: {error}. {_MAKE} makes it anew") from error

    def _name_of(self, folder: str) -> str:
        """What the manifest calls a folder."""
        filesystem, place = url_to_fs(folder)
        if type(filesystem) is type(self._filesystem):
            return posixpath.relpath(place, posixpath.dirname(self._manifest))
        return filesystem.unstrip_protocol(place)

    def _leave_word(self, folder: str) -> None:
        filesystem, place = url_to_fs(folder)
        if type(filesystem) is not type(self._filesystem):
            address = self._filesystem.unstrip_protocol(self._manifest)
            name = f"{_ELSEWHERE}{hashlib.sha256(address.encode()).hexdigest()[:12]}.json"
            with publishing(filesystem, f"{place}/{name}") as file:
                file.write(json.dumps({"manifest": address}).encode())

    def _place_of(self, name: str) -> str:
        """The folder that the manifest calls so."""
        if "://" in name:
            return name
        place = posixpath.normpath(posixpath.join(posixpath.dirname(self._manifest), name))
        return self._filesystem.unstrip_protocol(place)


def named_from_elsewhere(folder: Path) -> Iterator[Path]:
    """The shards in a folder on this disk that tables on other stores are made of.

    Raises:
        ValueError: one of the tables cannot be looked at, or is none; the message names it.
    """
    for word in sorted(folder.glob(f"{_ELSEWHERE}*.json")):
        address = json.loads(word.read_bytes())["manifest"]
        try:
            filesystem, place = url_to_fs(address, use_listings_cache=False)
            if not filesystem.exists(place):
                continue  # withdrawn, or removed
            shards = _REPORTS.validate_python(json.loads(filesystem.cat_file(place))["shards"])
        except Exception as error:  # stores fail in ways of their own
            raise ValueError(f"the table {address}, made of shards there, cannot be read: {error}") from error
        yield from (folder / shard.path for shard in shards)


def _files(filesystem: Any, folder: str) -> list[str]:
    try:
        return filesystem.ls(folder, detail=False)
    except (OSError, ValueError):
        return []


def footer_facts(shard: "ParquetFileFragment") -> dict[str, Any]:
    """What the footer of a shard says: family, version, options, key, libraries and what was unusable."""
    return json.loads((shard.metadata.metadata or {}).get(METADATA_KEY.encode(), b"{}"))
