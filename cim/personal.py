"""Personal data that a mapping profile orders to keep: encrypted cell by cell with SM4-GCM (GB/T 32907-2016, GM/T 0002).

The key is a deployment secret (``CIM_PERSONAL_KEY``, 32 hexadecimal digits) and never stored with the data.
"""

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as _Cipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes

from cim.errors import ConfigError
from cim.settings import Settings

_NONCE = 12
_TAG = 16


class Cipher:
    """Encrypts and decrypts single values.

    Parameters
    ----------
    key
        16 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.key_id = hashlib.sha256(b"cim-personal" + key).hexdigest()[:8]

    def encrypt(self, text: str) -> str:
        """Return ``sm4gcm$<key id>$<nonce>$<ciphertext and tag>``, base64."""
        nonce = os.urandom(_NONCE)
        worker = _Cipher(algorithms.SM4(self._key), modes.GCM(nonce)).encryptor()
        body = worker.update(text.encode()) + worker.finalize() + worker.tag
        return "$".join(("sm4gcm", self.key_id, base64.b64encode(nonce).decode(), base64.b64encode(body).decode()))

    def decrypt(self, stored: str) -> str:
        """Return the value.

        Raises
        ------
        ConfigError
            The value was encrypted with another key, or was changed.
        """
        kind, key_id, nonce, body = stored.split("$")
        if kind != "sm4gcm" or key_id != self.key_id:
            raise ConfigError(
                f"personal data: found key {key_id}, expected {self.key_id}", hint="set CIM_PERSONAL_KEY to the key of that time"
            )
        raw = base64.b64decode(body)
        worker = _Cipher(algorithms.SM4(self._key), modes.GCM(base64.b64decode(nonce), raw[-_TAG:])).decryptor()
        try:
            return (worker.update(raw[:-_TAG]) + worker.finalize()).decode()
        except InvalidTag as error:
            raise ConfigError("personal data: the value was changed after it was encrypted", hint="restore it from a backup") from error


def cipher_from(settings: Settings) -> Cipher:
    """Return the cipher of this deployment.

    Raises
    ------
    ConfigError
        No key is set, or it is no key.
    """
    secret = settings.personal_key.get_secret_value() if settings.personal_key else ""
    if len(secret) != 32 or set(secret.lower()) - set("0123456789abcdef"):
        raise ConfigError(
            "CIM_PERSONAL_KEY: expected 32 hexadecimal digits, since the mapping profile keeps personal data (keep_encrypted)",
            hint="make one with `openssl rand -hex 16` and keep it apart from the backups, or move the fields to drop_personal",
        )
    return Cipher(bytes.fromhex(secret))
