"""A bundle on disk: whole, verified, or refused."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from churnkit.bundle import RetentionModel
from churnkit.bundle.format.manifest import BUNDLE_FORMAT, read_folder, write_folder
from churnkit.errors import BundleError

FILES = {"contract.json": b"{}", "scorer/values.npy": b"\x93NUMPY", "trees/a.txt": b"tree"}


@pytest.fixture
def saved(tmp_path):
    """A folder of three small files; nothing parses them here."""
    folder = tmp_path / "bundle"
    write_folder(folder, FILES, name="small", lineage={"seed": 1})
    return folder


def reseal(folder, change=None):
    """Vouch for a changed bundle, as somebody could who means harm."""
    manifest = json.loads((folder / "manifest.json").read_text())
    if change is not None:
        manifest = change(manifest)
    text = json.dumps(manifest).encode() if not isinstance(manifest, bytes) else manifest
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.sha256").write_text(hashlib.sha256(text).hexdigest() + "\n")


class TestWriting:
    """Whole or not at all."""

    def test_what_was_written_is_read(self, saved):
        manifest, files = read_folder(saved)
        assert files == FILES
        assert manifest.name == "small"
        assert manifest.lineage == {"seed": 1}
        assert manifest.digest.startswith("sha256:")

    def test_the_same_contents_give_the_same_digest_in_any_order(self, saved, tmp_path):
        turned = dict(reversed(FILES.items()))
        again = write_folder(tmp_path / "again", turned, name="small", lineage={"seed": 1})
        assert again.digest == read_folder(saved)[0].digest

    def test_a_folder_that_is_there_is_left_alone(self, saved):
        with pytest.raises(BundleError, match="already exists"):
            write_folder(saved, {}, name="other", lineage={})
        assert read_folder(saved)[0].name == "small"

    def test_a_dangling_link_is_left_alone(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        with pytest.raises(BundleError, match="already exists"):
            write_folder(tmp_path / "link", FILES, name="small", lineage={})

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
    def test_an_error_midway_leaves_nothing(self, tmp_path, monkeypatch, error):
        calls = []

        def full(handle):
            calls.append(handle)
            if len(calls) == 3:
                raise error

        monkeypatch.setattr(os, "fsync", full)
        expected = BundleError if isinstance(error, OSError) else KeyboardInterrupt
        with pytest.raises(expected):
            write_folder(tmp_path / "bundle", FILES, name="small", lineage={})
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "name",
        ["../evil.json", "/evil.json", "a/../b.json", "a.pkl", "manifest.json", "A.json", ""],
    )
    def test_a_name_that_no_bundles_file_has_is_refused(self, tmp_path, name):
        with pytest.raises(BundleError, match="not a valid file name"):
            write_folder(tmp_path / "bundle", {name: b""}, name="small", lineage={})
        assert list(tmp_path.iterdir()) == []

    def test_a_file_in_the_way_of_the_folder_is_named(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(BundleError, match="cannot save the bundle"):
            write_folder(tmp_path / "file" / "bundle", FILES, name="small", lineage={})


class TestDamage:
    """Whatever is changed is refused, by the file's name."""

    def test_a_flipped_bit_anywhere_is_refused_with_the_files_name(self, bundle, tmp_path):
        names = [path.relative_to(bundle) for path in bundle.rglob("*") if path.is_file()]
        assert len(names) > 8
        target = tmp_path / "damaged"
        shutil.copytree(bundle, target)
        for name in names:
            file = target / name
            content = file.read_bytes()
            size = len(content)
            for place in {0, 1, size // 3, size // 2, size - 2, size - 1}:
                for bit in (0x01, 0x80):
                    file.write_bytes(
                        content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]
                    )
                    with pytest.raises(BundleError) as caught:
                        RetentionModel.load(target)
                    assert name.as_posix() in str(caught.value)
            file.write_bytes(content)
        assert RetentionModel.load(target).digest == RetentionModel.load(bundle).digest

    @pytest.mark.parametrize("keep", [0, 10, -1])
    def test_a_file_that_was_cut_off_is_refused(self, bundle, tmp_path, keep):
        target = tmp_path / "damaged"
        shutil.copytree(bundle, target)
        for file in [path for path in target.rglob("*") if path.is_file()]:
            content = file.read_bytes()
            file.write_bytes(content[:keep])
            with pytest.raises(BundleError) as caught:
                RetentionModel.load(target)
            assert file.name in str(caught.value)
            file.write_bytes(content)

    def test_a_missing_file_is_refused(self, bundle, tmp_path):
        for path in [path for path in bundle.rglob("*") if path.is_file()]:
            target = tmp_path / "damaged"
            shutil.copytree(bundle, target)
            (target / path.relative_to(bundle)).unlink()
            with pytest.raises(BundleError, match=path.name):
                RetentionModel.load(target)
            shutil.rmtree(target)

    @pytest.mark.parametrize("name", ["extra.json", "scorer/extra.npy", "model.pkl", ".hidden"])
    def test_a_file_that_is_not_listed_is_refused(self, saved, name):
        (saved / name).write_bytes(pickle.dumps({}))
        with pytest.raises(BundleError, match=name):
            read_folder(saved)

    def test_a_link_is_refused_even_to_the_same_bytes(self, saved, tmp_path):
        (saved / "contract.json").rename(tmp_path / "elsewhere.json")
        (saved / "contract.json").symlink_to(tmp_path / "elsewhere.json")
        with pytest.raises(BundleError, match=r"contract\.json is a link"):
            read_folder(saved)

    def test_a_linked_folder_is_refused(self, saved, tmp_path):
        (saved / "trees").rename(tmp_path / "elsewhere")
        (saved / "trees").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(BundleError, match="trees is a link"):
            read_folder(saved)

    def test_a_pipe_is_refused_and_not_waited_for(self, saved):
        (saved / "contract.json").unlink()
        os.mkfifo(saved / "contract.json")
        with pytest.raises(BundleError, match=r"contract\.json is not a regular file"):
            read_folder(saved)

    def test_an_error_of_the_disk_is_a_refusal(self, saved, monkeypatch):
        def fail(self):
            raise OSError(5, "Input/output error", str(self))

        monkeypatch.setattr(Path, "read_bytes", fail)
        with pytest.raises(BundleError, match="cannot be read: Input/output error"):
            read_folder(saved)


class TestForeign:
    """What is no bundle, or one that this version does not know."""

    def test_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(BundleError, match="is not a bundle"):
            read_folder(tmp_path / "none")

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(BundleError, match=r"is not a bundle: it has no manifest\.json"):
            read_folder(tmp_path)

    def test_a_file(self, tmp_path):
        (tmp_path / "model.pkl").write_bytes(b"")
        with pytest.raises(BundleError, match="it is a file"):
            read_folder(tmp_path / "model.pkl")

    @pytest.mark.parametrize("version", [BUNDLE_FORMAT + 1, 0, True, "1", "9" * 5_000, None])
    def test_another_format(self, saved, version):
        reseal(saved, lambda manifest: {**manifest, "format": version})
        with pytest.raises(BundleError, match="upgrade churnkit") as refusal:
            read_folder(saved)
        assert len(str(refusal.value)) < 500

    @pytest.mark.parametrize(
        "listed",
        [
            {"../../../etc/passwd": {"size": 1, "sha256": "0" * 64}},
            {"/etc/passwd.txt": {"size": 1, "sha256": "0" * 64}},
            {"a/../../b.json": {"size": 1, "sha256": "0" * 64}},
            {"manifest.json": {"size": 1, "sha256": "0" * 64}},
            {"contract.json": {"size": 2}},
            {"contract.json": {"size": True, "sha256": "0" * 64}},
            {"contract.json": {"size": 2, "sha256": "x" * 64}},
            {"contract.json": None},
            {"contract.json": []},
            ["contract.json"],
            None,
        ],
    )
    def test_a_manifest_that_lists_nonsense(self, saved, listed):
        reseal(saved, lambda manifest: {**manifest, "files": listed})
        with pytest.raises(BundleError):
            read_folder(saved)

    @pytest.mark.parametrize(
        "text", [b"[]", b"null", b"{", b"\xff", b'"x"', b"[" * 100_000, b"{}", b'{"format": 1}']
    )
    def test_a_manifest_that_is_none(self, saved, text):
        reseal(saved, lambda _: text)
        with pytest.raises(BundleError):
            read_folder(saved)

    def test_a_giant_manifest_is_not_read(self, saved):
        with (saved / "manifest.json").open("r+b") as stream:
            stream.truncate(5_000_000)
        with pytest.raises(BundleError, match="more than 4,000,000 bytes"):
            read_folder(saved)

    def test_nothing_reads_a_file_that_the_digests_do_not_vouch_for(self, bundle, tmp_path):
        target = tmp_path / "damaged"
        shutil.copytree(bundle, target)
        (target / "scorer.json").write_text("{")

        def parse(*_, **__):
            pytest.fail("a parser saw a changed file")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(np, "load", parse)
            with pytest.raises(BundleError, match=r"scorer\.json was changed"):
                RetentionModel.load(target)
