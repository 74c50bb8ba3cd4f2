"""What can be known of a firmware file, and what is refused."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from housecarl.plugs import image, manifest, version
from housecarl.plugs.image import ImageError
from housecarl.testing.plug_image import TEST_KEY, make_image

HW_ID = "60FF6B258734EA6880E186F8C96DDC61"
NEW = "1.2.6 Build 200727 Rel.121701"
GOOD = make_image([HW_ID, "B" * 32], NEW, 120_000)


def test_the_header_tells_the_hardware_ids() -> None:
    read = image.parse("a.bin", GOOD)
    assert read.hw_ids == (HW_ID, "B" * 32)
    assert read.version == NEW and read.size == 120_000


def test_a_version_that_is_hidden_is_not_guessed() -> None:
    assert image.parse("a.bin", make_image([HW_ID], NEW, 120_000, readable=False)).version is None


def test_the_signature_is_checked_as_the_plug_does() -> None:
    assert image.signed(GOOD, TEST_KEY.modulus)
    assert not image.signed(GOOD, TEST_KEY.modulus + 2)
    assert not image.signed(GOOD[:-1], TEST_KEY.modulus)
    assert not image.signed(GOOD[:-1] + b"\0", TEST_KEY.modulus)


def test_the_key_is_read_from_pem_or_hex(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    public = RSAPublicNumbers(TEST_KEY.exponent, TEST_KEY.modulus).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem, plain, other = tmp_path / "key.pem", tmp_path / "key.hex", tmp_path / "key.txt"
    pem.write_bytes(public.public_bytes(serialization.Encoding.PEM, form))
    plain.write_text(f"{TEST_KEY.modulus:0256x}\n")
    other.write_text("hello")
    assert image.load_key(pem) == image.load_key(plain) == TEST_KEY.modulus
    for path in (other, tmp_path / "none"):
        with pytest.raises(ImageError, match="vendor key"):
            image.load_key(path)


def test_a_pem_that_is_no_rsa_key_is_said(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = generate_private_key(SECP256R1()).public_key()
    path = tmp_path / "key.pem"
    path.write_bytes(public.public_bytes(serialization.Encoding.PEM, form))
    with pytest.raises(ImageError, match=r"^The vendor key is no RSA key\.$"):
        image.load_key(path)
    path.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(ImageError, match=r"^The vendor key is no PEM public key\.$"):
        image.load_key(path)


def test_damaged_headers_are_refused_and_never_break() -> None:
    """Any bytes where the header is: an ImageError, or an image that can be described."""
    dice = random.Random(7)
    for _ in range(300):
        damaged = bytearray(GOOD)
        for _ in range(dice.randrange(1, 6)):
            damaged[dice.randrange(0, 208)] = dice.randrange(256)
        try:
            read = image.parse("a.bin", bytes(damaged))
        except ImageError:
            continue
        assert all(len(hw_id) == 32 for hw_id in read.hw_ids)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(GOOD)
    folder = tmp_path / "firmware"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "secret")
    with pytest.raises(ImageError, match=r"^There is no firmware file link\.bin\.$"):
        image.read(folder, "link.bin")


@pytest.mark.parametrize("file", ["../secret.bin", "/a.bin", "sub/a.bin", "a\\b.bin", ".a.bin"])
def test_a_manifest_names_no_file_of_another_folder(tmp_path: Path, file: str) -> None:
    (tmp_path / "secret.bin").write_bytes(GOOD)
    folder = tmp_path / "sub"
    folder.mkdir()
    (folder / "manifest.yaml").write_text(
        f"[{{file: '{file}', sha256: '{'0' * 64}', model: m, hardware: '1.0', version: 1.2.6}}]"
    )
    (refused,) = manifest.read_folder(folder).refused
    assert refused[1] == "A firmware file is named without a folder."


@pytest.mark.parametrize("size", [0, 102_399, 4_194_305])
def test_bytes_of_a_size_no_image_has_are_refused(size: int) -> None:
    with pytest.raises(ImageError, match=f"^a.bin has {size} bytes: no firmware image"):
        image.parse("a.bin", GOOD[:size].ljust(size))


@pytest.mark.parametrize(
    ("file", "models", "hardware", "told"),
    [
        (
            "hs110v1_eu_1.1.4_Build_170417_Rel.145118_2017-05-26_18.06.53.bin",
            ("HS110(EU)",),
            "1",
            "1.1.4 Build 170417 Rel.145118",
        ),
        (
            "smartPlug_CE_HS100(AU)_HS110(AU)_1.1.3_Build_170120_Rel.171906.bin",
            ("HS100(AU)", "HS110(AU)"),
            None,
            "1.1.3 Build 170120 Rel.171906",
        ),
        ("smartPlug_FCC_HS200US_1.5.7_Build_191118_Rel._.bin", ("HS200(US)",), None, "1.5.7"),
        ("firmware.bin", (), None, None),
    ],
)
def test_what_the_name_of_a_file_tells(
    tmp_path: Path, file: str, models: tuple[str, ...], hardware: str | None, told: str | None
) -> None:
    (tmp_path / file).write_bytes(make_image([HW_ID], NEW, 120_000, readable=False))
    (candidate,) = manifest.read_folder(tmp_path).candidates
    assert (candidate.models, candidate.hardware, candidate.version) == (models, hardware, told)


@pytest.mark.parametrize("text", ["- file: a", "just text", "{", "- {file: a, sha256: zz}", "[1]"])
def test_a_broken_manifest_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.yaml").write_text(text)
    with pytest.raises(ImageError, match=r"^The firmware manifest (is wrong|cannot be read)"):
        manifest.read_folder(tmp_path)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("1.2.6", None),
        (NEW, None),
        ("1.2.7", f"a.bin: the manifest says 1.2.7, the file {NEW}."),
        ("1.2.6 Build 1 Rel.2", f"a.bin: the manifest says 1.2.6 Build 1 Rel.2, the file {NEW}."),
    ],
)
def test_a_manifest_that_gainsays_the_image_is_not_believed(
    tmp_path: Path, told: str, why: str | None
) -> None:
    data = make_image([HW_ID], NEW, 120_000)
    (tmp_path / "a.bin").write_bytes(data)
    (tmp_path / "manifest.yaml").write_text(
        f"- {{file: a.bin, sha256: {hashlib.sha256(data).hexdigest()}, model: HS110(US),"
        f' hardware: "2.0", version: {told}}}'
    )
    found = manifest.read_folder(tmp_path)
    assert [reason for _, reason in found.refused] == ([] if why is None else [why])


def test_versions_are_compared_by_their_numbers() -> None:
    assert version.numbers("1.2.0 Build 170508 Rel.1") > version.numbers("1.1.3 Build 170608 Rel.2")  # type: ignore[operator]
    assert version.numbers("unknown") is None
    assert version.same("1.2.6", NEW) and version.same(NEW, NEW)
    assert not version.same("1.2.6 Build 1 Rel.2", NEW) and not version.same("", "")
