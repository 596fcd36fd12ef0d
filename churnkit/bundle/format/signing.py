"""Ed25519 signatures of bundles: they prove the origin, where digests prove integrity.

The signature covers ``manifest.sha256`` and through it every other byte. Keys are PEM files, as
``openssl genpkey -algorithm ed25519`` creates them.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.bundle.format.manifest import SIGNATURE, Manifest, read_folder
from churnkit.errors import BundleError, ChurnkitError, MissingExtraError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

__all__ = ["SIGNING_KEY", "make_keys", "sign", "verify"]

SIGNING_KEY = "CHURNKIT_SIGNING_KEY"
# Signed too, so that a signature made for another purpose is not valid for a bundle.
_PURPOSE = b"churnkit bundle\n"
_PEM = re.compile(rb"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)


def make_keys(private: str | os.PathLike[str], public: str | os.PathLike[str]) -> None:
    """Create a key pair: the private key signs after training, services verify with the public key.

    Parameters
    ----------
    private, public
        The files to create.

    Raises
    ------
    ChurnkitError
        If one of the files exists.
    """
    _require_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for path in (Path(private), Path(public)):
        if path.exists():
            raise ChurnkitError(f"{path} already exists: keys are never overwritten")
    key = Ed25519PrivateKey.generate()
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    published = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    handle = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(secret)
    Path(public).write_bytes(published)


def sign(bundle: str | os.PathLike[str], key: str | os.PathLike[str]) -> None:
    """Sign a bundle, replacing an earlier signature.

    Parameters
    ----------
    bundle
        Its folder; its digests are verified first.
    key
        File with the private key.

    Raises
    ------
    BundleError
        If the bundle does not verify.
    ChurnkitError
        If the key cannot be read.
    """
    manifest, _ = read_folder(bundle)
    signature = _private(key).sign(_signed_bytes(manifest))
    (Path(bundle) / SIGNATURE).write_bytes(base64.b64encode(signature) + b"\n")


def verify(manifest: Manifest, signer: str | os.PathLike[str]) -> None:
    """Refuse a bundle that a key has not signed.

    Parameters
    ----------
    manifest
        Of the bundle.
    signer
        File with the public key; with several keys one after the other, any of them may have
        signed, so that a key can be replaced.

    Raises
    ------
    BundleError
        If there is no signature, or it is not the signer's.
    ChurnkitError
        If the key cannot be read.
    """
    keys = _public_keys(signer)
    if manifest.signature is None:
        raise BundleError(
            "the bundle is not signed, and a signature is required: churnkit models sign"
        )
    try:
        signature = base64.b64decode(manifest.signature.strip(), validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    if not any(_is_signed(key, signature, manifest) for key in keys):
        raise BundleError(
            f"the bundle's signature does not match {Path(signer).name}: it was signed with another "
            "key, or changed afterwards"
        )


def _is_signed(key: Ed25519PublicKey, signature: bytes, manifest: Manifest) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, _signed_bytes(manifest))
    except InvalidSignature:
        return False
    return True


def _signed_bytes(manifest: Manifest) -> bytes:
    return _PURPOSE + manifest.digest.encode()


def _require_cryptography() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("sign", "cryptography") from error


def _private(path: str | os.PathLike[str]) -> Ed25519PrivateKey:
    key: Ed25519PrivateKey = _parse_key(path, _read_key_file(path), private=True)
    return key


def _public_keys(path: str | os.PathLike[str]) -> list[Ed25519PublicKey]:
    """Read the keys of a file, one after the other."""
    text = _read_key_file(path)
    blocks = _PEM.findall(text) or [text]
    return [_parse_key(path, block, private=False) for block in blocks]


def _read_key_file(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ChurnkitError(f"{path} cannot be read: {error.strerror or error}") from error


def _parse_key(path: str | os.PathLike[str], text: bytes, *, private: bool) -> Any:
    _require_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    kind = "private" if private else "public"
    try:
        key: Any = (
            serialization.load_pem_private_key(text, password=None)
            if private
            else serialization.load_pem_public_key(text)
        )
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise ChurnkitError(f"{path} is not a {kind} PEM key without a password") from error
    expected = ed25519.Ed25519PrivateKey if private else ed25519.Ed25519PublicKey
    if not isinstance(key, expected):
        raise ChurnkitError(
            f"{path} is not a {kind} Ed25519 key: create one with churnkit keys or openssl genpkey"
        )
    return key
