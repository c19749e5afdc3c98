"""Vault texts from the real `ansible-vault`, and values from the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.inventory import secrets
from provision.inventory.secrets import SecretError, Vault, decrypt, from_environment, read_password

ANSIBLE_VAULT = Path(sys.executable).parent / "ansible-vault"


def encrypt(text: str, password: bytes, vault_id: str | None = None) -> str:
    """A vault text made by Ansible's library."""
    from ansible.parsing.vault import VaultLib, VaultSecret

    vault = VaultLib([(vault_id or "default", VaultSecret(password))])
    return str(vault.encrypt(text, vault_id=vault_id).decode())


def environ(path: Path) -> dict[str, str]:
    return {"ANSIBLE_VAULT_PASSWORD_FILE": str(path)}


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("  correct horse \n")
    return path


def test_a_string_from_ansible_vault_is_decrypted(password_file: Path, tmp_path: Path) -> None:
    command = [
        str(ANSIBLE_VAULT),
        "encrypt_string",
        "--vault-password-file",
        str(password_file),
        "hunter2",
    ]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    printed = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert printed.startswith("!vault |")
    assert Vault(environ(password_file)).decrypt(printed.removeprefix("!vault |")) == "hunter2"


@settings(max_examples=15, deadline=None)
@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.binary(min_size=1, max_size=40)
)
def test_any_text_is_decrypted_with_its_password(text: str, password: bytes) -> None:
    assert decrypt(encrypt(text, password), password) == text


def test_version_1_2_with_an_id_is_decrypted() -> None:
    text = encrypt("s3cret", b"pw", "prod")
    assert text.startswith("$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert decrypt(text, b"pw") == "s3cret"


def test_a_text_is_decrypted_once(password_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(text: str, password: bytes) -> str:
        calls.append(text)
        return decrypt(text, password)

    monkeypatch.setattr(secrets, "decrypt", counted)
    text = encrypt("x", b"correct horse")
    vault = Vault(environ(password_file))
    assert [vault.decrypt(text), vault.decrypt("  " + text)] == ["x", "x"]
    assert len(calls) == 1


def test_a_password_script_is_run_and_its_spaces_are_kept(tmp_path: Path) -> None:
    script = tmp_path / "password.sh"
    script.write_text("#!/bin/sh\nprintf ' correct horse \\n'\n")
    script.chmod(0o700)
    assert read_password(environ(script)) == b" correct horse "


def test_a_client_script_gets_the_vault_id(tmp_path: Path) -> None:
    script = tmp_path / "keyring-client"
    script.write_text('#!/bin/sh\necho "$@"\n')
    script.chmod(0o700)
    assert read_password(environ(script)) == b"--vault-id default"


def test_a_failing_script_is_reported(tmp_path: Path) -> None:
    script = tmp_path / "password.sh"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o700)
    with pytest.raises(SecretError, match="ended with status 3") as caught:
        read_password(environ(script))
    assert caught.value.rule == "vault-password"


def test_an_executable_file_that_is_no_script_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("correct horse\n")
    path.chmod(0o700)
    with pytest.raises(SecretError, match="does not start: Exec format error") as caught:
        read_password(environ(path))
    assert "remove the executable bit" in caught.value.fix


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "this value is encrypted and there is no vault password"),
        (
            "/nonexistent/password",
            "the vault password file '/nonexistent/password' does not exist or is not a file",
        ),
        ("/dev", "the vault password file '/dev' does not exist or is not a file"),
    ],
)
def test_a_missing_password_is_reported(name: str, message: str) -> None:
    with pytest.raises(SecretError) as caught:
        Vault({"ANSIBLE_VAULT_PASSWORD_FILE": name}).decrypt("$ANSIBLE_VAULT;1.1;AES256\n00")
    assert (caught.value.rule, caught.value.message) == ("vault-password", message)


def test_an_empty_password_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("\n")
    with pytest.raises(SecretError, match="gives an empty password"):
        read_password(environ(path))


def test_a_wrong_password_or_a_damaged_text_is_reported() -> None:
    text = encrypt("x", b"right").rstrip()
    last_digit = "31" if text.endswith("30") else "30"  # another last digit of the ciphertext
    damaged = text[:-2] + last_digit
    for given_text, password in ((text, b"wrong"), (damaged, b"right")):
        with pytest.raises(SecretError) as caught:
            decrypt(given_text, password)
        assert caught.value.rule == "vault-decrypt"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it does not start with a line like $ANSIBLE_VAULT;1.1;AES256"),
        ("hello", "it does not start with a line like $ANSIBLE_VAULT;1.1;AES256"),
        (
            "$ANSIBLE_VAULT;1.0;AES\n00",
            "its format is 1.0 AES, hactl reads 1.1 and 1.2 with AES256",
        ),
        (
            "$ANSIBLE_VAULT;1.1;AES256\nxyz",
            "its body is not the hexadecimal text that ansible-vault writes",
        ),
        (
            "$ANSIBLE_VAULT;1.1;AES256\n00",
            "its body is not the hexadecimal text that ansible-vault writes",
        ),
    ],
)
def test_a_malformed_text_is_reported(text: str, why: str) -> None:
    with pytest.raises(SecretError) as caught:
        decrypt(text, b"pw")
    assert (caught.value.rule, caught.value.message) == (
        "vault-format",
        f"this is not a vault text: {why}",
    )


def test_an_environment_variable_must_be_set() -> None:
    assert from_environment("A", {"A": ""}) == ""
    with pytest.raises(SecretError, match="environment variable B is not set"):
        from_environment("B", {"A": "x"})
