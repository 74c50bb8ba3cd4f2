"""The firmware folder: its images, and what `manifest.yaml` or their names say about them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from housecarl.plugs import image, version
from housecarl.plugs.device import Identity
from housecarl.plugs.image import Image, ImageError

MANIFEST = "manifest.yaml"
#: images in one folder; a list of more would not be read by anybody
MOST_IMAGES = 50

#: `hs110v1_us_1.1.4_Build_170417_Rel.145118_2017-05-26_18.06.53.bin`
_FIRST = re.compile(r"^hs(\d{3})v(\d+)_(us|eu|uk|au|jp|in|il)_", re.IGNORECASE)
#: `smartPlug_CE_HS100(AU)_HS110(AU)_1.1.3_Build_170120_Rel.171906.bin`, `..._HS200US_1.5.7_...`
_MODEL = re.compile(r"(HS\d{3}|KP\d{3}|EP\d{2,3})\(?(US|EU|UK|AU|JP|IN|IL)\)?")
_VERSION = re.compile(r"_(\d+\.\d+\.\d+)_Build_(\d{6})_Rel\.(\d*)")

_Text = Annotated[str, BeforeValidator(str)]


class Entry(BaseModel):
    """One image as the manifest describes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]
    #: as the plug says it, with the region: HS110(US)
    model: str
    #: 1.0, or just its first number
    hardware: _Text
    #: 1.2.6, or better the whole text with its build
    version: Annotated[_Text, Field(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+")]


#: made once: folders are read by several threads, and pydantic makes no two at the same time
_MANIFEST = TypeAdapter(list[Entry])


class Candidate(NamedTuple):
    """An image and what is known about it; `source` is manifest, name, image or nothing."""

    image: Image
    models: tuple[str, ...] = ()
    hardware: str | None = None
    version: str | None = None
    source: str = "nothing"

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.image.file


class Folder(NamedTuple):
    """What lies in the folder; `refused` are files that are no images, with the reason."""

    candidates: tuple[Candidate, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()


def read_folder(folder: Path) -> Folder:
    """All images of a folder, by name; blocks. Raises ImageError for a broken manifest."""
    entries = {entry.file: entry for entry in _entries(folder)}
    try:
        files = sorted(path.name for path in folder.glob("*.bin"))[:MOST_IMAGES]
    except OSError:
        files = []
    candidates: list[Candidate] = []
    refused: list[tuple[str, str]] = []
    for file in sorted({*files, *entries}):
        try:
            candidates.append(read_candidate(folder, file, entries.get(file)))
        except ImageError as error:
            refused.append((file, str(error)))
    return Folder(tuple(candidates), tuple(refused))


def read_candidate(folder: Path, file: str, entry: Entry | None) -> Candidate:
    """One image; ImageError when it is none, or not the one its manifest entry means."""
    found, _ = image.read(folder, file)
    if entry is not None:
        if found.sha256 != entry.sha256.lower():
            raise ImageError(f"{file[:40]} is not the file of the manifest: its sha256 differs.")
        if found.version is not None and not version.same(entry.version, found.version):
            says = f"the manifest says {entry.version[:30]}"
            raise ImageError(f"{file[:40]}: {says}, the file {found.version[:30]}.")
        return Candidate(found, (entry.model,), entry.hardware, entry.version, "manifest")
    return _by_name(found)


def _by_name(found: Image) -> Candidate:
    """What name and content tell without a manifest."""
    named = _VERSION.search(found.file)
    text = None
    if named:
        text = f"{named[1]} Build {named[2]} Rel.{named[3]}" if named[3] else named[1]
    source = "image" if found.version else "name" if text else "nothing"
    known = found.version or text
    first = _FIRST.match(found.file)
    if first:
        return Candidate(found, (f"HS{first[1]}({first[3].upper()})",), first[2], known, source)
    models = found.models or tuple(
        f"{model}({region})" for model, region in _MODEL.findall(found.file)
    )
    return Candidate(found, models, None, known, source)


def _entries(folder: Path) -> list[Entry]:
    """The manifest's entries; none without a manifest."""
    import yaml

    try:
        data: Any = yaml.safe_load((folder / MANIFEST).read_text("utf-8"))
        return _MANIFEST.validate_python(data or [])
    except FileNotFoundError:
        return []
    except ValidationError as error:
        first = error.errors()[0]
        where = " ".join(str(part) for part in first["loc"])
        raise ImageError(f"The firmware manifest is wrong at {where}: {first['msg']}.") from None
    except (OSError, ValueError, yaml.YAMLError):
        raise ImageError("The firmware manifest cannot be read.") from None


def unfit(candidate: Candidate, plug: Identity) -> str | None:
    """Why this image may never go onto this plug; None when it may. The hardware id is the gate."""
    file = candidate.file[:40]
    if not plug.hw_id or plug.hw_id not in candidate.image.hw_ids:
        return f"{file} is for other hardware than this {plug.model} {plug.hw_ver}"
    if candidate.version is None:
        return f"{file} tells no version; describe it in the manifest"
    if candidate.models and plug.model not in candidate.models:
        return f"{file} is for {candidate.models[0]}, this is {plug.model}"
    if candidate.hardware and not _same_hardware(candidate.hardware, plug.hw_ver):
        return f"{file} is for hardware {candidate.hardware}, this is {plug.hw_ver}"
    return None


def _same_hardware(wanted: str, reported: str) -> bool:
    """`1` means any 1.x, `1.0` just that."""
    if "." in wanted:
        return wanted == reported
    return wanted == reported.partition(".")[0]


def direction(candidate: Candidate, plug: Identity) -> int:
    """1 when the image is newer than what the plug runs, 0 the same, -1 older or not known."""
    wanted = version.numbers(candidate.version or "")
    running = version.numbers(plug.sw_ver)
    if wanted is None or running is None:
        return -1
    return (wanted > running) - (wanted < running)


def best(folder: Folder, plug: Identity) -> Candidate | None:
    """The newest image that may go onto this plug, newer or not; None when there is none."""
    fit = [one for one in folder.candidates if unfit(one, plug) is None]
    return max(fit, key=lambda one: version.numbers(one.version or "") or (0, 0, 0), default=None)
