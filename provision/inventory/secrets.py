"""Secrets in an inventory: Ansible Vault's ciphertexts, and environment variables.

A vault text is a header line ``$ANSIBLE_VAULT;VERSION;AES256[;ID]`` and lines of hexadecimal
digits. They decode to three more lines of hexadecimal digits: salt, HMAC, ciphertext.
PBKDF2-HMAC-SHA256 makes 80 bytes from password and salt in 10 000 rounds: 32 for AES-256 in counter
mode, 32 for HMAC-SHA256 over the ciphertext, 16 for the first counter block. The plaintext is
padded as in PKCS#7. Source: "Ansible Vault payload format" in Ansible's user guide (Protecting
sensitive data with Ansible vault). Versions 1.1 and 1.2 differ only by the vault id, which is a
label: hactl uses the password of `ANSIBLE_VAULT_PASSWORD_FILE` for all of them.

The environment variable `ANSIBLE_VAULT_PASSWORD_FILE` names the password file. If that file is
executable, it is run and its output is the password, as with Ansible. The password never reaches
argv or a log.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
from binascii import Error as HexError
from binascii import unhexlify
from collections.abc import Mapping
from pathlib import Path

HEADER = "$ANSIBLE_VAULT"
PASSWORD_VARIABLE = "ANSIBLE_VAULT_PASSWORD_FILE"  # noqa: S105 (the name of a variable)
ROUNDS = 10_000
SCRIPT_TIMEOUT = 120.0
"""Time-out of a password script in seconds."""


class SecretError(Exception):
    """A secret is not available. Carries the parts of a `Problem` without its place."""

    def __init__(self, rule: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.fix = fix


def is_vaulted(text: str) -> bool:
    """Whether `text` begins with the header of a vault text."""
    return text.startswith(HEADER)


class Vault:
    """Decrypts vault texts with a password that is read on first use and kept in memory only.

    An object serves a single reading of an inventory. It decrypts a repeated text once (10 ms).
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._password: bytes | SecretError | None = None
        self._plain: dict[str, str | SecretError] = {}

    def decrypt(self, text: str) -> str:
        """The plaintext of a vault text.

        Raises SecretError `vault-password`, `vault-format` or `vault-decrypt`.
        """
        key = "".join(text.split())
        if key not in self._plain:
            try:
                self._plain[key] = decrypt(text, self.password())
            except SecretError as error:
                self._plain[key] = error
        result = self._plain[key]
        if isinstance(result, SecretError):
            raise result
        return result

    def password(self) -> bytes:
        """The vault password. Raises SecretError `vault-password`."""
        if self._password is None:
            try:
                self._password = read_password(self._environ)
            except SecretError as error:
                self._password = error
        if isinstance(self._password, SecretError):
            raise self._password
        return self._password


def read_password(environ: Mapping[str, str]) -> bytes:
    """The vault password from the file or script that `ANSIBLE_VAULT_PASSWORD_FILE` names."""
    name = environ.get(PASSWORD_VARIABLE, "")
    if not name:
        raise SecretError(
            "vault-password",
            "this value is encrypted and there is no vault password",
            f"set {PASSWORD_VARIABLE} to a file with the password, or to a script that prints it",
        )
    path = Path(os.path.expandvars(name)).expanduser()
    if not path.is_file():
        message = f"the vault password file {str(path)!r} does not exist or is not a file"
        raise SecretError("vault-password", message, f"correct {PASSWORD_VARIABLE}")
    password = _run(path) if os.access(path, os.X_OK) else _read(path)
    if not password:
        message = f"the vault password file {str(path)!r} gives an empty password"
        raise SecretError("vault-password", message, "put the password on its first line")
    return password


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes().strip()
    except OSError as error:
        message = f"the vault password file {str(path)!r} cannot be read: {error.strerror}"
        raise SecretError(
            "vault-password", message, "make it readable to you, and to nobody else"
        ) from error


def _run(path: Path) -> bytes:
    """The output of a password script.

    A script whose name ends in `-client` gets the vault id, as Ansible's protocol demands.
    """
    command = [
        str(path.absolute()),
        *(["--vault-id", "default"] if path.stem.endswith("-client") else []),
    ]
    try:
        process = subprocess.run(
            command, stdout=subprocess.PIPE, timeout=SCRIPT_TIMEOUT, check=True
        )
    except OSError as error:
        message = f"the vault password script {str(path)!r} does not start: {error.strerror}"
        fix = "add a #! line, or remove the executable bit if the file holds the password itself"
        raise SecretError("vault-password", message, fix) from error
    except subprocess.SubprocessError as error:
        code = getattr(error, "returncode", None)
        outcome = (
            f"ended with status {code}"
            if code is not None
            else f"took longer than {SCRIPT_TIMEOUT:.0f} s"
        )
        message = f"the vault password script {str(path)!r} {outcome}"
        raise SecretError("vault-password", message, "run it by hand to see the reason") from error
    return process.stdout.strip(b"\r\n")


def decrypt(text: str, password: bytes) -> str:
    """The plaintext of a vault text. Raises SecretError `vault-format` or `vault-decrypt`."""
    salt, digest, ciphertext = _envelope(text)
    keys = hashlib.pbkdf2_hmac("sha256", password, salt, ROUNDS, 80)
    cipher_key, hmac_key, counter = keys[:32], keys[32:64], keys[64:]
    if not hmac.compare_digest(hmac.digest(hmac_key, ciphertext, "sha256"), digest):
        raise SecretError(
            "vault-decrypt",
            "the vault password does not fit this value, or the value is damaged",
            f"check the password that {PASSWORD_VARIABLE} gives, or encrypt the value again",
        )
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    decryptor = Cipher(algorithms.AES(cipher_key), modes.CTR(counter)).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    try:
        return padded[: -padded[-1]].decode("utf-8")
    except (IndexError, UnicodeDecodeError) as error:
        raise _format_error("its plaintext is not UTF-8 text") from error


def _envelope(text: str) -> tuple[bytes, bytes, bytes]:
    """Salt, HMAC and ciphertext of a vault text."""
    lines = text.split()
    header = lines[0].split(";") if lines else []
    if len(header) not in (3, 4) or header[0] != HEADER:
        raise _format_error(f"it does not start with a line like {HEADER};1.1;AES256")
    if header[1] not in ("1.1", "1.2") or header[2] != "AES256":
        raise _format_error(
            f"its format is {header[1]} {header[2]}, hactl reads 1.1 and 1.2 with AES256"
        )
    try:
        salt, digest, ciphertext = unhexlify("".join(lines[1:])).split(b"\n", 2)
        return unhexlify(salt), unhexlify(digest), unhexlify(ciphertext)
    except (HexError, ValueError) as error:
        raise _format_error(
            "its body is not the hexadecimal text that ansible-vault writes"
        ) from error


def _format_error(why: str) -> SecretError:
    return SecretError(
        "vault-format",
        f"this is not a vault text: {why}",
        "paste the output of `ansible-vault encrypt_string` again; indent all its lines alike",
    )


def from_environment(name: str, environ: Mapping[str, str]) -> str:
    """The value of the environment variable `name`. Raises SecretError `env-missing`."""
    if not name:
        raise SecretError("env-missing", "!env names no variable", "write it as `!env NAME`")
    if name not in environ:
        message = f"the environment variable {name} is not set"
        raise SecretError("env-missing", message, f"set it before the run, e.g. `export {name}=…`")
    return environ[name]
