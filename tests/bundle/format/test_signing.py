import shutil

import pytest

from churnkit.bundle import RetentionModel, load
from churnkit.bundle.format.signing import make_keys, sign
from churnkit.errors import BundleError, ChurnkitError


@pytest.fixture
def keys(tmp_path):
    make_keys(tmp_path / "own.key", tmp_path / "own.pub")
    return tmp_path / "own.key", tmp_path / "own.pub"


@pytest.fixture
def folder(bundle, tmp_path):
    return shutil.copytree(bundle, tmp_path / "signed")


def test_a_signed_bundle_is_the_same_bundle_and_known_as_the_signer_s(folder, keys, bundle):
    private, public = keys
    sign(folder, private)
    signed = load(folder, signer=public)
    assert signed.digest == RetentionModel.load(bundle).digest


def test_a_signature_travels_with_a_copy_of_the_same_bundle(folder, keys, tmp_path):
    private, public = keys
    sign(folder, private)
    RetentionModel.load(folder).save(tmp_path / "copy")
    load(tmp_path / "copy", signer=public)
    RetentionModel.load(folder).save(tmp_path / "renamed", name="another")
    assert not (tmp_path / "renamed" / "manifest.sig").exists()


def test_an_unsigned_bundle_loads_only_where_no_signer_is_named(folder, keys):
    load(folder)
    with pytest.raises(BundleError, match="not signed"):
        load(folder, signer=keys[1])


@pytest.mark.parametrize("content", [b"", b"AAAA\n", b"\xff\x00", b"!" * 5_000])
def test_what_is_no_signature_is_refused(folder, keys, content):
    (folder / "manifest.sig").write_bytes(content)
    with pytest.raises(BundleError, match="signature"):
        load(folder, signer=keys[1])


def test_another_key_or_another_bundle_is_refused(folder, bundle, keys, tmp_path):
    private, public = keys
    make_keys(tmp_path / "other.key", tmp_path / "other.pub")
    sign(folder, tmp_path / "other.key")
    with pytest.raises(BundleError, match=r"own\.pub"):
        load(folder, signer=public)
    RetentionModel.load(bundle).save(tmp_path / "other", name="other")
    sign(folder, private)
    shutil.copy(folder / "manifest.sig", tmp_path / "other" / "manifest.sig")
    with pytest.raises(BundleError, match=r"own\.pub"):
        load(tmp_path / "other", signer=public)


def test_a_changed_bundle_is_not_signed(folder, keys):
    (folder / "card.json").write_bytes(b"{ }")
    with pytest.raises(BundleError, match=r"card\.json"):
        sign(folder, keys[0])


def test_keys_are_never_overwritten_and_the_private_one_is_its_owner_s(keys):
    assert keys[0].stat().st_mode & 0o077 == 0
    with pytest.raises(ChurnkitError, match="already exists"):
        make_keys(*keys)


def test_a_file_that_is_no_key_is_told(folder, keys, tmp_path):
    private, public = keys
    (tmp_path / "text").write_text("no key")
    for key in (public, tmp_path / "text", tmp_path / "nowhere"):
        with pytest.raises(ChurnkitError, match=r"key|read"):
            sign(folder, key)
    sign(folder, private)
    for key in (private, tmp_path / "text", tmp_path / "nowhere"):
        with pytest.raises(ChurnkitError, match=r"key|read"):
            load(folder, signer=key)


def test_a_key_is_replaced_while_services_run(folder, bundle, keys, tmp_path):
    old, public = keys
    sign(folder, old)
    make_keys(tmp_path / "new.key", tmp_path / "new.pub")
    # Both keys are accepted until every version in use is signed with the new one.
    public.write_bytes(public.read_bytes() + (tmp_path / "new.pub").read_bytes())
    load(folder, signer=public)
    sign(folder, tmp_path / "new.key")
    load(folder, signer=public)
    public.write_bytes((tmp_path / "new.pub").read_bytes())
    load(folder, signer=public)
    sign(folder, old)
    with pytest.raises(BundleError, match="another key"):
        load(folder, signer=public)


def test_one_bad_key_of_several_is_refused(folder, keys):
    private, public = keys
    sign(folder, private)
    public.write_bytes(public.read_bytes() + public.read_bytes().replace(b"MCow", b"XXXX"))
    with pytest.raises(ChurnkitError, match="not a public PEM key"):
        load(folder, signer=public)
