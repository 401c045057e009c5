"""Damage to a store: found, named, repaired by computing again what was hit; and results that know whose they are."""

import json
import os
import pickle
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from jaxreg.__main__ import main
from jaxreg.engine import sealing
from jaxreg.engine.arrays import StoredArray
from jaxreg.engine.catalog import open_catalog
from jaxreg.engine.folder import Folder
from jaxreg.engine.integrity import examine
from jaxreg.engine.lock import leave_note
from jaxreg.engine.manifest import COPY
from jaxreg.errors import StoreError, StoreWarning
from tests.engine.faults import BASE, DIMS, LARGER, contents, grow, try_damage, walk
from tests.marks import slow

SCRIPT = Path(__file__).with_name("faults.py")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store of the base sweep and its extension, not to be changed."""
    store = tmp_path_factory.mktemp("whole") / "s.zarr"
    grow(store)
    return store


@pytest.fixture
def store(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "s.zarr")
    return tmp_path / "s.zarr"


def flip(file, place=None):
    data = bytearray(file.read_bytes())
    data[len(data) // 2 if place is None else place] ^= 1
    file.write_bytes(data)


def test_an_undamaged_store_is_found_to_be_so(store, capsys):
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    assert main(["verify", str(store)]) == 0
    assert main(["verify", str(store), "--repair"]) == 0
    assert "84 of 84 cells hold a run\nEvery file is what was written there." in capsys.readouterr().out
    assert before == {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("count", "seed"), [(5, 0), slow(15, 0), slow(15, 1)])
def test_any_damage_is_named_and_only_what_was_hit_is_computed_again(tmp_path, count, seed):
    outcome = try_damage(count, tmp_path, random.Random(seed))
    assert outcome.survived == outcome.tried == count, str(outcome)


@pytest.mark.campaign
def test_damage_of_a_hundred_kinds(tmp_path):
    outcome = try_damage(100, tmp_path, random.Random(7))
    assert outcome.survived == outcome.tried == 100, str(outcome)
    assert len(outcome.counts) == 9


@pytest.mark.campaign
def test_kills_at_random_file_operations_leave_the_bytes_of_a_whole_sweep():
    """In a process of its own, which forks before JAX runs."""
    ended = subprocess.run([sys.executable, str(SCRIPT), "kills", "8", "1"], capture_output=True, text=True)
    assert ended.stdout.startswith("8 of 8 survived"), ended.stdout + ended.stderr[-2000:]


def test_verify_names_repairs_and_leaves_the_rest_to_the_sweep(store, capsys):
    as_read = contents(store)
    flip(store / "curve" / "0.0.0.0")
    (store / "seed" / "0").unlink()
    (store / "count" / ".zarray").write_text("[]")
    assert main(["verify", str(store)]) == 1
    said = capsys.readouterr().out
    for text in ("curve/0.0.0.0 is not what was written there", "seed/0 is missing", "count/.zarray is not", "28 runs"):
        assert text in said
    assert main(["verify", str(store), "--repair"]) == 3
    with xr.open_zarr(store, chunks=None) as dataset:  # what is not there is no longer called done
        assert dataset.done.sum() == 56
        np.testing.assert_array_equal(dataset.seed, range(7))
    capsys.readouterr()
    assert main(["verify", str(store)]) == 3
    said = capsys.readouterr().out
    assert "Every file is what was written there.\n28 runs that were asked for are not there" in said
    grow(store, LARGER)
    assert main(["verify", str(store)]) == 0
    assert contents(store) == as_read


@pytest.mark.parametrize("mend", ["sweep", "verify"])
def test_what_is_no_plain_file_is_named_and_repaired_and_nothing_of_others_goes(store, mend):
    as_read = contents(store)
    places = ["curve/0.0.0.0", ".zattrs", "count/.zarray", "seed/0", "done/0.0.0", COPY, "done/.copy-rate-0"]
    for number, name in enumerate(places):
        (store / name).unlink()
        if number % 3 == 0:
            (store / name).mkdir()
            (store / name / "thesis.txt").write_text("years of work")
        elif number % 3 == 1:
            os.mkfifo(store / name)
        else:
            (store / name).mkdir()
    shutil.rmtree(store / "diverged")
    (store / "diverged").write_text("years of work")
    named = {str(damage) for damage in examine(open_catalog(Folder(store))).damage}
    kinds = ["is a folder", "is no plain file", "is a folder"]
    expected = {f"{name} {kinds[number % 3]}" for number, name in enumerate(places)} | {"diverged is no folder"}
    assert named == expected
    if mend == "verify":
        assert main(["verify", str(store), "--repair"]) == 3
    grow(store, LARGER)
    assert contents(store) == as_read
    assert main(["verify", str(store)]) == 0
    kept = {str(file.relative_to(store)) for file in store.rglob("*") if file.is_file() and "aside" in str(file)}
    asides = {f"{name}.aside-1/thesis.txt" for name in places[::3]} | {"diverged.aside-1"}
    assert kept == asides
    assert {(store / name).read_text() for name in kept} == {"years of work"}


def test_verify_of_what_is_not_there_makes_nothing(tmp_path, capsys):
    assert main(["verify", str(tmp_path / "a" / "b" / "s.zarr")]) == 2
    assert "holds nothing" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_lost_mark_of_done_loses_nothing(store):
    as_read = contents(store)
    shutil.rmtree(store / "done")
    assert str(examine(open_catalog(Folder(store))).damage[0]) == "done is missing"
    assert main(["verify", str(store), "--repair"]) == 0
    assert contents(store) == as_read


def test_a_kill_before_the_first_mark_of_done_is_no_damage(store):
    """Results are written first: whoever was killed in between left its note."""
    as_read = contents(store)
    for path in (store / "done").glob("[0-9]*"):
        path.unlink()
    leave_note(store)
    jr.sweep(walk, LARGER, dims=DIMS, store=store, chunk_size=4, progress=False)  # a warning would be an error
    assert contents(store) == as_read


@pytest.mark.parametrize("name", ["curve", "seed", "unit_valid", "diverged"])
def test_a_lost_folder_is_noticed_before_anything_is_written(store, name, capsys):
    as_read = contents(store)
    shutil.rmtree(store / name)
    assert examine(open_catalog(Folder(store))).damage[0].file == name
    grow(store, LARGER)
    assert contents(store) == as_read
    assert main(["verify", str(store)]) == 0


def test_a_folder_that_is_a_link_is_not_written_through(store, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (store / "curve").rename(elsewhere)
    (store / "curve").symlink_to(elsewhere)
    before = {file.name: file.read_bytes() for file in elsewhere.iterdir()}
    as_read = contents(store)
    grow(store, LARGER)
    assert contents(store) == as_read
    assert not (store / "curve").is_symlink()
    assert before == {file.name: file.read_bytes() for file in elsewhere.iterdir()}


def test_the_repair_is_in_the_provenance_and_in_a_warning(store):
    flip(store / "weight" / "0.0.0.0")
    with pytest.warns(StoreWarning, match=r"damaged: weight/0.0.0.0 is not what was written there; 28 runs"):
        result = jr.sweep(walk, LARGER, dims=DIMS, store=store, chunk_size=4, progress=False)
    repaired = json.loads(result.attrs["provenance"])["history"][-1]["repaired"]
    assert repaired == ["weight/0.0.0.0 is not what was written there"]


def test_a_manifest_lives_as_long_as_one_copy_does(store):
    as_read, copies = contents(store), (".zattrs", ".zmetadata", COPY)
    for kept in copies:
        for file in copies:
            if file != kept:
                (store / file).write_bytes(b"\0" * 100)
        grow(store, LARGER)
        assert contents(store) == as_read
    for file in copies:
        flip(store / file)
    with pytest.raises(StoreError, match=r"has lost its manifest: .*Bring one of these three files back"):
        grow(store, LARGER)
    assert main(["verify", str(store)]) == 2


@pytest.mark.parametrize("pattern", [".*", "**/.*"])
def test_a_copy_without_names_with_a_dot_is_repaired_whole(store, pattern):
    """As `cp -r store/* elsewhere` makes it, or a tool that leaves out such names everywhere."""
    before = {file.relative_to(store): file.read_bytes() for file in store.rglob("*") if file.is_file()}
    for file in list(store.glob(pattern)):
        file.unlink()
    assert main(["verify", str(store), "--repair"]) == 0
    assert before == {file.relative_to(store): file.read_bytes() for file in store.rglob("*") if file.is_file()}


@pytest.mark.parametrize("others", [1, slow(8)])
def test_any_two_damaged_files_are_repaired_or_the_store_is_refused_in_words(whole, tmp_path, others):
    expected, chance = grow(None, LARGER), random.Random(3)
    masks = ("unit_valid/0.0", "done/.copy-unit_valid-0.0")  # what nobody knows without one of them
    pairs = [
        masks,
        (".zattrs", "seed/0"),
        (".zmetadata", COPY),
        ("seed/0", "done/.copy-seed-0"),
        ("done/0.0.0", "count/0.0.0"),
    ]
    names = sorted(str(file.relative_to(whole)) for file in whole.rglob("*") if file.is_file())
    assert {name for pair in pairs for name in pair} <= set(names)
    for pair in [*pairs, *(chance.sample(names, 2) for _ in range(others))]:
        store = tmp_path / "s.zarr"
        shutil.copytree(whole, store)
        for name in pair:
            flip(store / name) if chance.random() < 0.5 else (store / name).unlink()
        if pair == masks:
            with pytest.raises(StoreError, match=r"has lost 'unit_valid': unit_valid/0.0 and its copy.* bring one of"):
                grow(store, LARGER)
        else:
            assert grow(store, LARGER).load().equals(expected), pair
            assert main(["verify", str(store)]) == 0
        shutil.rmtree(store)


def test_the_manifest_of_another_store_is_told_by_the_files(store, tmp_path):
    other = tmp_path / "other.zarr"
    grow(other, LARGER, BASE, LARGER)  # of a higher revision
    as_read = contents(store)
    shutil.copy(other / ".zattrs", store / ".zattrs")
    assert [damage.file for damage in examine(open_catalog(Folder(store))).damage] == [".zattrs"]
    grow(store, LARGER)
    assert contents(store) == as_read


def test_labels_that_are_lost_twice_stop_a_sweep_that_does_not_know_them(store):
    (store / "seed" / "0").unlink()
    flip(store / "done" / ".copy-seed-0")
    assert main(["verify", str(store), "--repair"]) == 2
    before = {file: file.read_bytes() for file in store.rglob("*") if file.is_file()}
    with pytest.raises(StoreError, match="has lost 'seed': seed/0 and its copy"):
        grow(store, BASE)
    assert before == {file: file.read_bytes() for file in store.rglob("*") if file.is_file()}
    assert grow(store, LARGER).load().equals(grow(None, LARGER))  # which knows them: the manifest can tell


def test_cells_of_labels_that_the_manifest_forgot_are_not_taken_for_others(tmp_path):
    """Manifest and labels of before an extension, files of after it: the place of 0.7 is given to 0.9."""
    store = tmp_path / "s.zarr"
    grow(store, BASE)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file() and "0" not in path.name}
    grow(store, BASE | {"rate": [0.1, 0.3, 0.7]})
    for path, data in before.items():
        path.write_bytes(data)
    result = grow(store, BASE | {"rate": [0.1, 0.3, 0.9]})
    xr.testing.assert_equal(result.load(), grow(None, BASE | {"rate": [0.1, 0.3, 0.9]}).drop_attrs())


def test_stores_of_the_first_format_are_refused_with_what_to_do(tmp_path):
    (tmp_path / "s.zarr").mkdir()
    (tmp_path / "s.zarr" / ".zattrs").write_text(json.dumps({"provenance": json.dumps({"format": 1})}))
    with pytest.raises(StoreError, match=r"format 1, this one writes 2\).*Keep it and read it with xarray.open_zarr"):
        grow(tmp_path / "s.zarr")


def test_seals_of_the_first_kind_are_read_and_go_on_as_the_second(tmp_path, monkeypatch):
    store, bind = tmp_path / "s.zarr", StoredArray._bind
    with monkeypatch.context() as earlier:
        earlier.setattr(sealing, "_SECOND", sealing._FIRST)
        earlier.setattr(sealing, "_digest_whole", sealing.digest)
        earlier.setattr(StoredArray, "_bind", lambda self, *given: bind(self, *given[:4], True))
        grow(store, BASE)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    assert main(["verify", str(store), "--repair"]) == 0
    assert before == {path: path.read_bytes() for path in before}
    grow(store, LARGER)
    assert main(["verify", str(store)]) == 0
    flip(next(path for path in before if path.parent.name == "count"))
    assert main(["verify", str(store)]) == 1


def test_a_plain_reader_gets_an_error_for_a_flipped_bit_and_not_another_number(store):
    file = store / "curve" / "0.0.0.0"
    data, expected = file.read_bytes(), xr.open_zarr(store).curve.load()
    frame = data.index(struct.pack("<I", sealing._SECOND))  # what follows is the seal, which readers pass over
    refused = 0
    for place in range(frame):
        flip(file, place)
        try:
            with xr.open_zarr(store) as dataset:
                assert dataset.curve.equals(expected)  # a bit of the frame's header that means nothing
        except (RuntimeError, ValueError):
            refused += 1
        file.write_bytes(data)
    assert refused >= frame - 2


def test_a_result_is_never_another_number(store):
    """Whatever bit is flipped after the sweep looked at every file: what is read is right, or refused."""
    file, result = store / "curve" / "0.0.0.0", grow(store, LARGER)
    data, expected = file.read_bytes(), result.curve.copy().load()
    refused = 0
    for place in range(len(data)):
        flip(file, place)
        try:
            assert result.curve.copy().equals(expected)
        except StoreError:
            refused += 1
        file.write_bytes(data)
    means_nothing = 2 + 8 + sealing._DIGEST  # bits of the frame's header; the seal's own, and the digest of the whole
    assert len(data) > refused >= len(data) - means_nothing


def test_a_result_knows_whose_it_is(store, tmp_path):
    result, copied = grow(store, LARGER), pickle.loads(pickle.dumps(grow(store, LARGER)))
    expected = grow(store, LARGER).load()
    store.rename(tmp_path / "away.zarr")
    for held in (result, copied):
        with pytest.raises(StoreError, match="was deleted or moved since this result was made"):
            held["weight"].load()
    grow(store)  # another store, of the same sweep
    with pytest.raises(StoreError, match="is another one than this result was made from"):
        result["weight"].load()
    shutil.rmtree(store)
    (tmp_path / "away.zarr").rename(store)
    xr.testing.assert_equal(result.load(), expected)


def test_a_result_is_checked_when_it_is_read(store):
    result = grow(store, LARGER)
    (store / "curve" / "0.0.0.0").unlink()
    with pytest.raises(StoreError, match=r"curve/0.0.0.0 is missing\. Run the sweep again"):
        result["curve"].isel(seed=0).load()
    flip(store / "weight" / "0.0.0.0")
    with pytest.raises(StoreError, match=r"weight/0.0.0.0 is not what was written there"):
        result["weight"].load()
    assert grow(store, LARGER).equals(grow(None, LARGER))


def test_a_result_outlives_an_extension_and_indexes_as_an_array_does(tmp_path):
    store = tmp_path / "s.zarr"
    small = grow(store, BASE)
    grow(store, LARGER)
    expected = grow(None, BASE)
    xr.testing.assert_equal(small.load(), expected)
    lazy, expected = grow(store, LARGER), grow(None, LARGER)
    for index in ({"seed": [3, 0, 0]}, {"rate": -1, "seed": slice(None, None, -2)}, {"time": [2, 0], "seed": 4}):
        xr.testing.assert_equal(lazy.isel(index).load(), expected.isel(index))
    points = {"seed": xr.DataArray([0, 5, 2], dims="point"), "rate": xr.DataArray([1, 0, 1], dims="point")}
    xr.testing.assert_equal(lazy.isel(points).load(), expected.isel(points))


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="another user's files need root to be made")
def test_a_finished_store_of_somebody_else_is_read(store):
    """In a process without rights on the store: read where all is there, refused in words where it is not."""
    for folder in store.parents:  # those of pytest, however many, let nobody else in
        if folder.stat().st_uid == os.getuid() and folder.name.startswith(("pytest-", "popen-", "test_")):
            folder.chmod(0o755)
    code = READ_ONLY.format(folder=str(SCRIPT.parent), store=str(store))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["84", "refused"], done.stdout + done.stderr[-3000:]


READ_ONLY = """
import os, sys
sys.path.insert(0, {folder!r})
import jaxreg as jr, faults
from jaxreg.errors import StoreError, StoreWarning
jr.sweep(faults.walk, faults.BASE, dims=faults.DIMS, progress=False)  # imports everything while files may be read
os.setegid(65534); os.seteuid(65534)
print(faults.grow({store!r}, faults.LARGER).load()["count"].size)
try:
    faults.grow({store!r}, faults.LARGER | {{"seed": jr.seeds(9)}})
except StoreError as error:
    print("refused" if "is not writable, and lacks runs" in str(error) else error)
"""
