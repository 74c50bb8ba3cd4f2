"""The firmware folder: whether its images and its manifest can be used."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from housecarl.doctor import files
from housecarl.doctor.finding import Finding, Trouble, skipped, trouble, well
from housecarl.doctor.patient import Patient
from housecarl.plugs import manifest
from housecarl.plugs.image import ImageError
from housecarl.thread import in_thread

#: Seconds to read and hash fifty images of 4 MiB.
READ_SECONDS = 9.0

PART = "firmware"


async def examine(patient: Patient) -> list[Finding]:
    """Read every image as a flash would."""
    settings = patient.settings("firmware")
    if settings is None or settings.folder is None:
        return [skipped(PART, "no folder in the configuration")]
    return await in_thread(partial(_read, settings.folder, patient.uid()), READ_SECONDS)


def _read(folder: Path, uid: int) -> list[Finding]:
    try:
        next(folder.iterdir(), None)  # else who may not look in is told of no image
        found = manifest.read_folder(folder)
    except (FileNotFoundError, NotADirectoryError):
        mend = "Make it, or change modules.firmware.folder."
        raise Trouble(f"{folder} is no folder", mend) from None
    except ImageError as error:
        raise Trouble(str(error), f"Mend {folder / manifest.MANIFEST}.") from None
    shut = files.unread(folder, uid)  # else what lies in it may be
    images = () if shut else (files.unread(folder / one.file, uid) for one in found.candidates)
    findings = [trouble(PART, each.text, each.mend) for each in (shut, *images) if each]
    findings += [
        trouble(PART, why, f"Take {file} out of {folder}, or mend its entry in manifest.yaml.")
        for file, why in found.refused
    ]
    findings += [
        trouble(PART, f"{one.file} tells no version", "Describe it in manifest.yaml.")
        for one in found.candidates
        if one.version is None
    ]
    usable = sum(one.version is not None for one in found.candidates)
    manifested = " and a manifest" if (folder / manifest.MANIFEST).exists() else ""
    text = f"{folder} has {usable} image{'' if usable == 1 else 's'}{manifested}"
    return [well(PART, text), *findings]
