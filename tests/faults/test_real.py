"""Faults in what users run: families of the project, ingest, prediction, the report; `tiny` has the shard map's own."""

# ruff: noqa: F811
import errno
import os
import shutil
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faults.tiny import Here, digests
from fuzz.test_fuzz_prediction import clip, model  # noqa: F401  fixtures
from helpers import committed, utterances_of, voice, write_wav

import semiser
import semiser.media.audio
import semiser.publish
from semiser.corpora.ingest import ingest
from semiser.corpora.options import IngestOptions
from semiser.datasets.arrow import ArrowDataset
from semiser.datasets.published import TextDataset
from semiser.features.registry import make_families
from semiser.options.features import FeaturesOptions, ShardOptions
from semiser.shards.extract import extract

pytestmark = pytest.mark.faults
FAMILIES = ("is10", "fbank", "stft", "voice")


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    root = tmp_path_factory.mktemp("speech")
    for number in range(4):
        write_wav(root / "s" / f"{number}.wav", voice(0.4, seed=number))
    return root


@pytest.fixture
def corpus(speech, tmp_path):
    return shutil.copytree(speech, tmp_path / "corpus")


def _extract(corpus, store, utterances, names=FAMILIES, **options):
    families = make_families(names, FeaturesOptions(extract=names)).values()
    options = ShardOptions(**{"utterances": 2, "max_quarantined_share": 0.5, **options})
    receipts = extract(families, str(store), utterances, {"tiny": str(corpus)}, Here(), options)
    return {name: committed(receipt, store) for name, receipt in receipts.items()}


@pytest.fixture(scope="module")
def undisturbed(speech, tmp_path_factory):
    store = tmp_path_factory.mktemp("undisturbed")
    _extract(speech, store, utterances_of(speech))
    return digests(store)


def _vanish(path):
    path.unlink()


def _change(path):
    write_wav(path, voice(0.3))


def _fail_to_read(path):
    raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))


def _exhaust_memory(path):
    raise MemoryError


def _be_interrupted(path):
    raise KeyboardInterrupt


@pytest.mark.parametrize("fault", [_vanish, _change, _exhaust_memory, _fail_to_read, _be_interrupted])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_happens_while_a_real_family_reads_is_made_good_by_the_next_run(
    speech, corpus, tmp_path, monkeypatch, inject, undisturbed, fault, family
):
    inject(f"{fault.__name__} while {family} reads")
    rows, decode = utterances_of(corpus), semiser.media.audio.decode_audio

    def disturbed(path, *arguments):
        if path.name == "1.wav":
            fault(path)
        return decode(path, *arguments)

    monkeypatch.setattr(semiser.media.audio, "decode_audio", disturbed)
    if fault in (_fail_to_read, _be_interrupted):
        with pytest.raises((OSError, KeyboardInterrupt)):
            _extract(corpus, tmp_path / "store", rows, (family,))
        assert not (tmp_path / "store" / f"{family}.json").exists()
    else:
        table = _extract(corpus, tmp_path / "store", rows, (family,))[family]
        (lost,) = [entry for shard in table.manifest()["shards"] for entry in shard["unusable"]]
        assert lost["path"] == "s/1.wav" and table.dataset().count_rows() == 3
    monkeypatch.undo()
    shutil.copy2(speech / "s/1.wav", corpus / "s/1.wav")
    _extract(corpus, tmp_path / "store", rows, (family,))
    found = digests(tmp_path / "store")
    expected = {name: digest for name, digest in undisturbed.items() if name.startswith(family)}
    assert expected.items() <= found.items() and len(expected) == 3  # beside them the shard of the run before


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "of another family"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_damaged_shard_of_a_real_family_is_computed_again(speech, tmp_path, inject, undisturbed, damage, family):
    inject(f"shard of {family} {damage}")
    rows, store = utterances_of(speech), tmp_path / "store"
    _extract(speech, store, rows)
    first, _ = sorted(store.glob(f"{family}/*/tiny/*.parquet"))
    data = bytearray(first.read_bytes())
    if damage == "of another family":
        other = sorted(store.glob(f"{'stft' if family == 'fbank' else 'fbank'}/*/tiny/*.parquet"))[0]
        data = other.read_bytes()
    elif damage == "flipped":
        data[len(data) // 8] ^= 1  # among the values: Parquet has no checksum of its footer
    else:
        del data[0 if damage == "empty" else len(data) // 2 :]
    first.write_bytes(data)
    _extract(speech, store, rows, verify=True)
    assert digests(store) == undisturbed


def _full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_under_real_families_says_how_much_room_there_is(
    speech, tmp_path, monkeypatch, inject, undisturbed
):
    inject("disk full under is10, fbank, stft, voice")
    rows = utterances_of(speech)
    monkeypatch.setattr(semiser.publish.os, "fsync", _full)
    with pytest.raises(OSError, match=r"No space left on device: it takes more than the [\d,]+ bytes .* make room"):
        _extract(speech, tmp_path, rows)
    monkeypatch.undo()
    assert digests(tmp_path) == {}, "nothing half-written is left"
    _extract(speech, tmp_path, rows)
    assert digests(tmp_path) == undisturbed


@contextmanager
def _killed_at(monkeypatch, step):
    """The block ends as a kill -9 would end it: at the sync of a file, or at its renaming, nothing is tidied up."""
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if step == "sync":
            patch.setattr(semiser.publish.os, "fsync", _be_interrupted)
        else:
            patch.setattr(semiser.publish.Path, "replace", lambda *_: _be_interrupted(None))
        patch.setattr(semiser.publish.Path, "unlink", lambda *_, **__: None)
        yield


@pytest.mark.parametrize("step", ["sync", "rename"])
@pytest.mark.parametrize("what", ["utterances", "report"])
def test_a_kill_under_the_table_of_ingest_or_the_report_leaves_the_one_before(
    speech, tmp_path, monkeypatch, inject, what, step
):
    inject(f"kill at the {step} of {what}")
    place = tmp_path / what
    if what == "report":
        dataset, old, new = TextDataset(filepath=str(place)), "<html>old</html>", "<html>new</html>"
    else:
        dataset, old = ArrowDataset(filepath=str(place)), utterances_of(speech)
        (speech / "s/utterances.csv").write_text("audio_path\n0.wav\n")
        new = ingest(IngestOptions(corpora={"c": {"reader": "manifest", "root": str(speech / "s")}})).utterances
    dataset.save(old)
    before = place.read_bytes()
    with _killed_at(monkeypatch, step):
        dataset.save(new)
    assert place.read_bytes() == before and len(list(tmp_path.iterdir())) == 2
    assert semiser.publish.sweep(tmp_path) and list(tmp_path.iterdir()) == [place]
    dataset.save(new)
    loaded = dataset.load()
    assert loaded.equals(new) if isinstance(new, pa.Table) else loaded == new


@pytest.mark.parametrize("fault", [_vanish, _change, _exhaust_memory])
def test_a_file_that_does_not_hold_still_has_a_reason_and_the_next_has_its_prediction(
    model,
    clip,
    tmp_path,
    monkeypatch,
    inject,
    fault,
):
    inject(f"{fault.__name__} while predict reads")
    for name in "ab":
        shutil.copy2(clip, tmp_path / f"{name}.wav")
    decode = semiser.media.audio.decode_audio

    def disturbed(path, *arguments):
        if path.name == "a.wav":
            fault(path)
        return decode(path, *arguments)

    loaded = semiser.load(model)
    monkeypatch.setattr(semiser.media.audio, "decode_audio", disturbed)
    first, second = loaded.predict(tmp_path).to_pylist()
    assert first["prediction"] is None and first["reason"]
    assert second["prediction"] and second["reason"] is None
    monkeypatch.undo()
    shutil.copy2(clip, tmp_path / "a.wav")
    again = loaded.predict(tmp_path).to_pylist()
    assert [row["prediction"] for row in again] == [second["prediction"]] * 2


@pytest.mark.parametrize("damage", ["cut", "empty", "interrupted"])
def test_a_damaged_store_of_predict_is_made_anew(model, clip, tmp_path, monkeypatch, inject, damage):
    inject(f"store of predict {damage}")
    loaded, store = semiser.load(model), tmp_path / "store"
    expected = loaded.predict(clip, store=store)
    (shard,) = store.rglob("*.parquet")
    if damage == "interrupted":
        shard.unlink()
        with _killed_at(monkeypatch, "rename"):
            loaded.predict(clip, store=store)
    else:
        shard.write_bytes(shard.read_bytes()[: 0 if damage == "empty" else 100])
    assert loaded.predict(clip, store=store).equals(expected)
    (shard,) = store.rglob("*.parquet")
    assert pq.read_table(shard).num_rows == 1
