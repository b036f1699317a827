"""Films in every format that is read, and files that somebody or something has spoilt.

Each kind of damage is a function of a sound file and a random number generator. The same seed
gives the same bytes. Bombs are small on disk and huge when they are unpacked.
"""

from __future__ import annotations

import gzip
import io
import itertools
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pydicom
from PIL import Image
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames

from models.features import LABELS
from radiographs.phantoms import draw_patient, draw_phantom
from tests.dicom_films import CHEST_PA, CR, compressed, dataset_of, encoded

SIDE_PX = 96
_BOMB_BYTES = 1 << 30
_BOMB_SIDE_PX = 9_999  # just small enough for a film
_STRIPE_PX = 99
_DEEP_BITS = 12
_HUGE = (0x7FFFFFFF, 0xFFFFFFF0, 0xFFFFFFFF)
PNG, JPEG, DICOM = ".png", ".jpg", ".dcm"
_PNG_START, _JPEG_START = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"

# Of pydicom's own test files, those of one grey frame that is large enough; told by pydicom alone.
_SHIPPED = (
    "693_J2KI.dcm", "CT_small.dcm", "JPEG2000.dcm",
    "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm",
    "MR_small_expb.dcm", "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm", "MR_small_padded.dcm", "examples_overlay.dcm",
    "J2K_pixelrep_mismatch.dcm",
)  # fmt: skip


@dataclass(frozen=True)
class FilmFile:
    """A file to be.

    Attributes:
        path: Below the data root, in the folder of a class.
        data: Its content.
        kind: What it is, or what was done to it.
    """

    path: str
    data: bytes
    kind: str


def sound_files(count: int, seed: int) -> list[FilmFile]:
    """Draws films, and takes a few from pydicom; no two show the same.

    Args:
        count: How many.
        seed: Of what is drawn.
    """
    shipped = [*_shipped_films()][: count // 8]
    kinds = list(_FORMATS.items())
    files = []
    for number in range(count):
        label = LABELS[number % len(LABELS)]
        name = f"{label}/sound{number:05d}"
        if number < len(shipped):
            kind, data = shipped[number]
            files.append(FilmFile(f"{name}{DICOM}", data, kind))
            continue
        kind, (suffix, write) = kinds[number % len(kinds)]
        patient = draw_patient((seed, number), label, patient_id=f"sound{number:05d}")
        pixels = draw_phantom((seed, number, 1), SIDE_PX, patient).pixels
        files.append(FilmFile(f"{name}{suffix}", write(pixels), kind))
    return files


def spoilt_files(sound: Sequence[FilmFile], count: int, seed: int) -> list[FilmFile]:
    """Spoils files, each kind of damage in turn; of `GIANTS`, which take long, two each.

    Args:
        sound: Of every format.
        count: Of the spoilt ones.
        seed: Of the damage.
    """
    by_suffix = {suffix: [f for f in sound if f.path.endswith(suffix)] for suffix in _SUFFIXES}
    kinds, others = list(DAMAGES), [kind for kind in DAMAGES if kind not in GIANTS]
    in_turn = itertools.chain(kinds, kinds, itertools.cycle(others))
    files = []
    for number, kind in enumerate(itertools.islice(in_turn, count)):
        suffixes, spoil = DAMAGES[kind]
        random = np.random.default_rng((seed, number))
        suffix = suffixes[number // len(kinds) % len(suffixes)]
        usable = by_suffix[suffix]
        base = usable[random.integers(len(usable))]
        label = base.path.partition("/")[0]
        path = f"{label}/spoilt{number:05d}{suffix}"
        files.append(FilmFile(path, spoil(base.data, random), kind))
    return files


def write_files(root: Path, files: Sequence[FilmFile]) -> None:
    """Writes files below a folder."""
    for file in files:
        target = root / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)


# ---------------------------------------------------------------- sound films


def _shipped_films() -> Iterator[tuple[str, bytes]]:
    """Yields pydicom's files with the tags of a chest film; their pixels stay as they are."""
    for number, name in enumerate(_SHIPPED):
        film = pydicom.dcmread(str(get_testdata_file(name)))
        for keyword, value in CHEST_PA.items():
            setattr(film, keyword, value)
        film.SOPClassUID = film.file_meta.MediaStorageSOPClassUID = uid.UID(CR)
        film.PatientID = f"shipped{number}"
        for keyword in ("NumberOfFrames", "PatientOrientation", "SeriesDescription"):
            if keyword in film:
                delattr(film, keyword)
        yield f"pydicom's {name}", encoded(film)


def _saved(picture: Image.Image, file_format: str, **save: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **save)
    return file.getvalue()


def _coloured(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.stack([pixels, pixels, np.roll(pixels, 1)], axis=-1))


def _turned(pixels: np.ndarray) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _saved(_coloured(pixels), "JPEG", exif=exif.tobytes(), quality=90)


def _deep(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(pixels.astype(np.uint16) << (_DEEP_BITS - 8), np.uint16)


def _dicom(pixels: np.ndarray, syntax: str, deep: bool = True) -> bytes:
    values, stored = (_deep(pixels), _DEEP_BITS) if deep else (pixels, 8)
    native = syntax in _NATIVE
    plain = syntax if native else uid.ExplicitVRLittleEndian
    number = zlib.crc32(pixels.tobytes())
    data = encoded(dataset_of(values, stored, plain, PatientID=f"p{number}", StudyDate="20200102"))
    return data if native else compressed(data, syntax)


_NATIVE = (
    uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)  # fmt: skip
_PACKED = (
    uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless,
    uid.JPEG2000Lossless, uid.RLELossless,
)  # fmt: skip
_Writer = Callable[[np.ndarray], bytes]


def _writer_of(syntax: str) -> _Writer:
    return lambda pixels: _dicom(pixels, syntax)


_FORMATS: Mapping[str, tuple[str, _Writer]] = {
    "grey JPEG": (JPEG, lambda p: _saved(Image.fromarray(p), "JPEG", quality=95)),
    "progressive JPEG": (
        JPEG, lambda p: _saved(Image.fromarray(p), "JPEG", progressive=True, comment=b"a comment")
    ),
    "JPEG in colours": (JPEG, lambda p: _saved(_coloured(p), "JPEG", quality=90)),
    "turned JPEG": (JPEG, _turned),
    "grey PNG": (PNG, lambda p: _saved(Image.fromarray(p), "PNG")),
    "PNG of 16 bits": (PNG, lambda p: cv2.imencode(".png", _deep(p))[1].tobytes()),
    "PNG in colours": (PNG, lambda p: _saved(_coloured(p), "PNG")),
    "PNG with a palette": (PNG, lambda p: _saved(Image.fromarray(p).convert("P"), "PNG")),
    "opaque PNG with alpha": (PNG, lambda p: _saved(_coloured(p).convert("RGBA"), "PNG")),
    **{f"DICOM, {uid.UID(one).name}": (DICOM, _writer_of(one)) for one in (*_NATIVE, *_PACKED)},
    "DICOM, JPEG of 8 bits": (DICOM, lambda p: _dicom(p, uid.JPEGBaseline8Bit, deep=False)),
    "DICOM without a preamble": (DICOM, lambda p: _dicom(p, uid.ExplicitVRLittleEndian)[132:]),
}  # fmt: skip


# ---------------------------------------------------------------- any file

GIANTS = ("PNG: 100 megapixels, 8 bits", "PNG: 100 megapixels, colours of 16 bits")

Random = np.random.Generator
_Spoil = Callable[[bytes, Random], bytes]
_SUFFIXES = (PNG, JPEG, DICOM)


def _truncated(data: bytes, random: Random) -> bytes:
    return data[: int(random.integers(1, len(data)))]


def _flipped(data: bytes, random: Random) -> bytes:
    spoilt = bytearray(data)
    for place in random.integers(0, len(data), random.integers(1, 9)):
        spoilt[place] ^= 1 << int(random.integers(8))
    return bytes(spoilt)


def _hole(data: bytes, random: Random) -> bytes:
    first = int(random.integers(len(data) // 2))
    size = len(data) // 4
    return data[:first] + bytes(size) + data[first + size :]


def _lost_block(data: bytes, random: Random) -> bytes:
    first = int(random.integers(len(data) // 2))
    return data[:first] + data[first + int(random.integers(1, 512)) :]


def _numbers(data: bytes, random: Random) -> bytes:
    """Writes the largest numbers over four bytes near the start, where lengths and sizes are."""
    spoilt = bytearray(data)
    place = int(random.integers(2, min(len(data) - 4, 900)))
    spoilt[place : place + 4] = struct.pack(">I", _HUGE[random.integers(len(_HUGE))])
    return bytes(spoilt)


def _noise(data: bytes, random: Random) -> bytes:
    return random.bytes(int(random.integers(1, 4000)))


def _noise_behind_start(data: bytes, random: Random) -> bytes:
    return data[: 140 if data[128:132] == b"DICM" else 12] + random.bytes(2000)


def _stray_start(data: bytes, random: Random) -> bytes:
    return random.bytes(int(random.integers(1, 40))) + data


def _packed(block: bytes, times: int) -> bytes:
    """Returns the zlib stream of a block that is repeated, for the price of one."""
    packer = zlib.compressobj(9)
    start, packed = b"\x78\xda", (packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH))[2:]
    checksum = 1
    for _ in range(times):
        checksum = zlib.adler32(block, checksum)
    last = b"\x03\0"  # an empty block
    return start + packed * times + last + struct.pack(">I", checksum)


@cache
def _packed_zeros() -> bytes:
    return _packed(bytes(1 << 24), _BOMB_BYTES >> 24)


@cache
def _deflated_zeros() -> bytes:
    return _packed_zeros()[2:-4]  # without the header and the checksum of zlib


def _zip_bomb(data: bytes, random: Random) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for number in range(4):
            archive.writestr(f"{number}.zip", _packed_zeros())
    return file.getvalue()


def _gzip_bomb(data: bytes, random: Random) -> bytes:
    return gzip.compress(_packed_zeros())


# ---------------------------------------------------------------- PNG


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _header(width: int, height: int, bits: int = 8, colour: int = 0) -> bytes:
    return _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))


def _with_header(header: bytes) -> _Spoil:
    """Puts another header, with its true checksum, before the pixels of a PNG."""
    return lambda data, random: _PNG_START + header + data[8 + 25 :]


def _png_bomb(width: int, height: int, bits: int = 8, colour: int = 0) -> _Spoil:
    """A PNG whose pixels unpack to a gigabyte, whatever its header says."""
    head = _PNG_START + _header(width, height, bits, colour)
    return lambda data, random: head + _chunk(b"IDAT", _packed_zeros()) + _chunk(b"IEND", b"")


def _giant_png(bits: int, colour: int) -> _Spoil:
    """A true PNG as large as a film may be, of which a megabyte is on disk."""

    @cache
    def giant() -> bytes:
        channels = {0: 1, 2: 3}[colour]
        row_bytes = _BOMB_SIDE_PX * channels * bits // 8
        levels = np.linspace(0, 255, _STRIPE_PX).astype(int)
        stripe = b"".join(b"\0" + bytes((level,)) * row_bytes for level in levels.tolist())
        pixels = _packed(stripe, _BOMB_SIDE_PX // _STRIPE_PX)
        header = _header(_BOMB_SIDE_PX, _BOMB_SIDE_PX, bits, colour)
        return _PNG_START + header + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")

    # Another text in each, or all would be one film.
    return lambda data, random: giant()[:33] + _chunk(b"tEXt", random.bytes(8)) + giant()[33:]


def _with_chunk(name: bytes, body: Callable[[], bytes]) -> _Spoil:
    """Puts a chunk behind the header of a PNG."""
    return lambda data, random: data[:33] + _chunk(name, body()) + data[33:]


def _many_chunks(data: bytes, random: Random) -> bytes:
    return data[:33] + _chunk(b"IDAT", b"") * 200_000 + data[33:]


def _lying_chunk(data: bytes, random: Random) -> bytes:
    place = data.find(b"IDAT") - 4
    length = _HUGE[random.integers(len(_HUGE))]
    return data[:place] + struct.pack(">I", length) + data[place + 4 :]


# ---------------------------------------------------------------- JPEG


def _frame_place(data: bytes) -> int:
    """Returns where the sides are in the frame header of a JPEG: height, then width."""
    place = 2
    while data[place + 1] not in (0xC0, 0xC1, 0xC2, 0xC3, 0xF7):
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return place + 5


def _with_sides(height: int, width: int) -> _Spoil:
    """Writes other sides into the frame header of a JPEG."""

    def spoil(data: bytes, random: Random) -> bytes:
        place = _frame_place(data)
        return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]

    return spoil


def _other_precision(data: bytes, random: Random) -> bytes:
    place = _frame_place(data) - 1
    return data[:place] + bytes((int(random.integers(9, 20)),)) + data[place + 1 :]


def _many_segments(data: bytes, random: Random) -> bytes:
    return data[:2] + b"\xff\xfe\0\x02" * 500_000 + data[2:]


def _padded_markers(data: bytes, random: Random) -> bytes:
    return data[:2] + b"\xff" * 3_000_000 + data[2:]


def _short_segment(data: bytes, random: Random) -> bytes:
    return data[:2] + b"\xff\xe5\0\0" + data[2:]


def _scan_bomb(data: bytes, random: Random) -> bytes:
    """A progressive JPEG of 100 megapixels in thousands of scans, each of a few bytes."""
    small = _saved(Image.fromarray(np.full((16, 16), 99, np.uint8)), "JPEG", progressive=True)
    place = _frame_place(small)
    side = struct.pack(">HH", _BOMB_SIDE_PX, _BOMB_SIDE_PX)
    small = small[:place] + side + small[place + 4 :]
    last = small.rfind(b"\xff\xda")
    return small[:last] + small[last:-2] * 20_000 + small[-2:]


# ---------------------------------------------------------------- DICOM


def _parsed(data: bytes) -> Dataset:
    bare = data[128:132] != b"DICM"
    if bare:
        data = bytes(128) + b"DICM" + data
    return pydicom.dcmread(io.BytesIO(data), force=True)


def _is_packed(film: Dataset) -> bool:
    return film.file_meta.TransferSyntaxUID.is_encapsulated


def _setting(**values: object) -> _Spoil:
    """Writes elements, whatever is true."""

    def spoil(data: bytes, random: Random) -> bytes:
        film = _parsed(data)
        for keyword, value in values.items():
            setattr(film, keyword, value)
        return encoded(film)

    return spoil


def _native_film(data: bytes, random: Random) -> Dataset:
    """Returns a film of uncompressed pixels, another one if need be."""
    film = _parsed(data)
    return _parsed(_explicit(random)) if _is_packed(film) else film


def _half_the_pixels(data: bytes, random: Random) -> bytes:
    film = _native_film(data, random)
    film.PixelData = film.PixelData[: len(film.PixelData) // 4 * 2]
    return encoded(film)


def _with_pixels(film: Dataset, syntax: str, element: bytes) -> bytes:
    """Returns a file with any bytes for the element of its pixels, which pydicom would not write.

    Args:
        film: What describes the pixels.
        syntax: That the file says it has; of explicit VR and little endian.
        element: From tag to last byte.
    """
    empty = Dataset()
    empty.file_meta = film.file_meta
    film.pop("PixelData")
    film.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    described = encoded(film)
    (length,) = struct.unpack_from("<I", described, 140)
    film.file_meta.TransferSyntaxUID = uid.UID(syntax)
    return encoded(empty) + described[144 + length :] + element


def _pixel_element(vr: bytes, value: bytes, length: int = -1) -> bytes:
    return _element(0x7FE0, 0x0010, vr, value, length)


_FRAGMENTS_END = b"\xfe\xff\xdd\xe0" + bytes(4)
_UNDEFINED = 0xFFFFFFFF


def _wrong_syntax(data: bytes, random: Random) -> bytes:
    """Says of pixels that they are of another codec, or of none, or of one where they are not."""
    film = _little_endian(data, random)
    own, value = film.file_meta.TransferSyntaxUID, film.PixelData
    others = [one for one in (*_PACKED, uid.ExplicitVRLittleEndian) if one != own]
    length = _UNDEFINED if _is_packed(film) else -1
    element = _pixel_element(b"OB", value + (_FRAGMENTS_END if _is_packed(film) else b""), length)
    return _with_pixels(film, others[random.integers(len(others))], element)


def _little_endian(data: bytes, random: Random) -> Dataset:
    film = _parsed(data)
    return film if _is_packed(film) else _parsed(_explicit(random))


def _fragments_of(film: Dataset) -> tuple[str, bytes]:
    """Returns a transfer syntax and pixels in fragments, whatever they were."""
    if _is_packed(film):
        return str(film.file_meta.TransferSyntaxUID), bytes(film.PixelData)
    return str(uid.RLELossless), encapsulate([film.PixelData])


def _lying_fragments(data: bytes, random: Random) -> bytes:
    film = _little_endian(data, random)
    syntax, whole = _fragments_of(film)
    fragments = bytearray(whole)
    place = fragments.find(b"\xfe\xff\x00\xe0", 8)
    fragments[place + 4 : place + 8] = struct.pack("<I", _HUGE[random.integers(len(_HUGE))])
    return _with_pixels(
        film, syntax, _pixel_element(b"OB", bytes(fragments) + _FRAGMENTS_END, _UNDEFINED)
    )


def _lying_offsets(data: bytes, random: Random) -> bytes:
    film = _little_endian(data, random)
    syntax, fragments = _fragments_of(film)
    (size,) = struct.unpack_from("<I", fragments, 4)
    offsets = random.bytes(8)
    table = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(offsets)) + offsets
    value = table + fragments[8 + size :] + _FRAGMENTS_END
    return _with_pixels(film, syntax, _pixel_element(b"OB", value, _UNDEFINED))


def _in_frame(change: Callable[[bytes, Random], bytes], syntax: str) -> _Spoil:
    """Spoils the compressed picture inside a DICOM file of one transfer syntax."""

    def spoil(data: bytes, random: Random) -> bytes:
        pixels = draw_phantom(int(random.integers(1 << 30)), SIDE_PX).pixels
        film = _parsed(_dicom(pixels, syntax, deep=syntax != uid.JPEGBaseline8Bit))
        (frame,) = generate_frames(film.PixelData, number_of_frames=1)
        film.PixelData = encapsulate([change(frame, random)])
        return encoded(film)

    return spoil


def _jpeg_2000_sides(frame: bytes, random: Random) -> bytes:
    """Writes a huge picture into the header of a JPEG 2000, or one of many tiny tiles."""
    place = frame.find(b"\xff\x51")
    if random.integers(2):
        return frame[: place + 6] + struct.pack(">II", *_HUGE[:2]) + frame[place + 14 :]
    return frame[: place + 22] + struct.pack(">II", 1, 1) + frame[place + 30 :]


def _rle_segments(frame: bytes, random: Random) -> bytes:
    """Lets an RLE frame tell of other segments, or unpack to much more than its pixels."""
    if random.integers(2):
        numbers = random.integers(0, 1 << 32, 16, dtype=np.uint32).tolist()
        return struct.pack("<16I", *numbers) + frame[64:]
    return frame[:64] + b"\x81\0" * 500_000


def _flipped_frame(frame: bytes, random: Random) -> bytes:
    return _flipped(frame, random)


def _deflated(build: Callable[[], bytes]) -> _Spoil:
    """Puts a deflated data set behind the header of a DICOM file."""

    def spoil(data: bytes, random: Random) -> bytes:
        pixels = draw_phantom(0, SIDE_PX).pixels
        whole = _dicom(pixels, uid.DeflatedExplicitVRLittleEndian)
        (length,) = struct.unpack_from("<I", whole, 140)
        return whole[: 144 + length] + build()

    return spoil


def _element(group: int, number: int, vr: bytes, value: bytes, length: int = -1) -> bytes:
    size = len(value) if length < 0 else length
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
        return struct.pack("<HH2sHI", group, number, vr, 0, size) + value
    return struct.pack("<HH2sH", group, number, vr, size & 0xFFFF) + value


def _explicit(random: Random) -> bytes:
    """A small film, explicit VR; another one each time, as the same one has one label."""
    pixels = draw_phantom(int(random.integers(1 << 30)), SIDE_PX).pixels
    return _dicom(pixels, uid.ExplicitVRLittleEndian)


def _put_first(elements: bytes) -> _Spoil:
    """Puts elements before all others of the data set of an explicit film."""

    def spoil(data: bytes, random: Random) -> bytes:
        whole = _explicit(random)
        (length,) = struct.unpack_from("<I", whole, 140)
        return whole[: 144 + length] + elements + whole[144 + length :]

    return spoil


def _nested(depth: int) -> bytes:
    """Sequences within sequences, of undefined length."""
    undefined = struct.pack("<I", 0xFFFFFFFF)
    opening = b"\x40\x00\x75\x02SQ\0\0" + undefined + b"\xfe\xff\x00\xe0" + undefined
    closing = b"\xfe\xff\x0d\xe0" + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4)
    return opening * depth + closing * depth


def _items(count: int) -> bytes:
    """A sequence of empty items."""
    undefined = struct.pack("<I", _UNDEFINED)
    item = b"\xfe\xff\x00\xe0" + bytes(4)
    return b"\x40\x00\x75\x02SQ\0\0" + undefined + item * count + _FRAGMENTS_END


def _replaced(keyword: str, vr: bytes, value: bytes) -> _Spoil:
    """Writes an element with another VR and any value into an explicit film."""

    def spoil(data: bytes, random: Random) -> bytes:
        film = _parsed(_explicit(random))
        tag = pydicom.datadict.tag_for_keyword(keyword)
        assert tag is not None
        if keyword in film:
            delattr(film, keyword)
        whole = encoded(film)
        (length,) = struct.unpack_from("<I", whole, 140)
        new = _element(tag >> 16, tag & 0xFFFF, vr, value)
        place = 144 + length  # the order of elements is the least of its faults
        return whole[:place] + new + whole[place:]

    return spoil


def _lying_length(data: bytes, random: Random) -> bytes:
    """Lets an element near the pixels tell of a length that no file has."""
    place = data.find(b"\xe0\x7f\x10\x00")
    if place < 0:
        return _numbers(data, random)
    at = place + 8 if data[place + 4 : place + 6] in (b"OW", b"OB") else place + 4
    return data[:at] + struct.pack("<I", _HUGE[random.integers(2)]) + data[at + 4 :]


_NOT_A_NUMBER, _INFINITE = (struct.pack("<d", value) for value in (np.nan, np.inf))

DAMAGES: Mapping[str, tuple[Sequence[str], _Spoil]] = {
    "truncated": (_SUFFIXES, _truncated),
    "bits flipped": (_SUFFIXES, _flipped),
    "a hole of zeros": (_SUFFIXES, _hole),
    "a block lost": (_SUFFIXES, _lost_block),
    "huge numbers near the start": (_SUFFIXES, _numbers),
    "empty": (_SUFFIXES, lambda data, random: b""),
    "random bytes": (_SUFFIXES, _noise),
    "random bytes behind the signature": (_SUFFIXES, _noise_behind_start),
    "stray bytes before the start": (_SUFFIXES, _stray_start),
    "zip bomb": (_SUFFIXES, _zip_bomb),
    "gzip bomb": (_SUFFIXES, _gzip_bomb),
    "PNG: a gigabyte behind a small header": ((PNG,), _png_bomb(SIDE_PX, SIDE_PX)),
    "PNG: a gigabyte behind a huge header": ((PNG,), _png_bomb(0x7FFFFFFF, 0x7FFFFFFF)),
    "PNG: 100 megapixels, 8 bits": ((PNG,), _giant_png(8, 0)),
    "PNG: 100 megapixels, colours of 16 bits": ((PNG,), _giant_png(16, 2)),
    "PNG: 100 megapixels of nothing": ((PNG,), _png_bomb(_BOMB_SIDE_PX, _BOMB_SIDE_PX, 8, 0)),
    "PNG: header of a larger film": ((PNG,), _with_header(_header(SIDE_PX * 2, SIDE_PX * 2))),
    "PNG: header of other bits": ((PNG,), _with_header(_header(SIDE_PX, SIDE_PX, 16, 6))),
    "PNG: header that makes no sense": ((PNG,), _with_header(_header(SIDE_PX, SIDE_PX, 7, 9))),
    "PNG: no sides": ((PNG,), _with_header(_header(0, SIDE_PX))),
    "PNG: bomb in the colour profile": (
        (PNG,), _with_chunk(b"iCCP", lambda: b"x\0\0" + _packed_zeros())
    ),
    "PNG: bomb in a text": ((PNG,), _with_chunk(b"zTXt", lambda: b"x\0\0" + _packed_zeros())),
    "PNG: 200,000 chunks": ((PNG,), _many_chunks),
    "PNG: a chunk of four gigabytes": ((PNG,), _lying_chunk),
    "JPEG: 65,535 pixels a side": ((JPEG,), _with_sides(65_535, 65_535)),
    "JPEG: 100 megapixels that are not there": (
        (JPEG,), _with_sides(_BOMB_SIDE_PX, _BOMB_SIDE_PX)
    ),
    "JPEG: sides of another film": ((JPEG,), _with_sides(SIDE_PX * 3, SIDE_PX)),
    "JPEG: no height": ((JPEG,), _with_sides(0, SIDE_PX)),
    "JPEG: other bits": ((JPEG,), _other_precision),
    "JPEG: 500,000 segments": ((JPEG,), _many_segments),
    "JPEG: megabytes of padding": ((JPEG,), _padded_markers),
    "JPEG: a segment of no length": ((JPEG,), _short_segment),
    "JPEG: 20,000 scans of 100 megapixels": ((JPEG,), _scan_bomb),
    "DICOM: half of the pixels": ((DICOM,), _half_the_pixels),
    "DICOM: rows of another film": ((DICOM,), _setting(Rows=SIDE_PX * 2)),
    "DICOM: 65,535 rows and columns": ((DICOM,), _setting(Rows=65_535, Columns=65_535)),
    "DICOM: 100 megapixels that are not there": (
        (DICOM,), _setting(Rows=_BOMB_SIDE_PX, Columns=_BOMB_SIDE_PX)
    ),
    "DICOM: no rows": ((DICOM,), _setting(Rows=0)),
    "DICOM: bits that do not fit": ((DICOM,), _setting(BitsStored=40, HighBit=39)),
    "DICOM: 32 bits allocated": ((DICOM,), _setting(BitsAllocated=32)),
    "DICOM: a million frames": ((DICOM,), _setting(NumberOfFrames=1_000_000)),
    "DICOM: a window of no width": ((DICOM,), _setting(WindowCenter=0, WindowWidth=0)),
    "DICOM: a slope of 1e300": ((DICOM,), _setting(RescaleSlope="1e300", RescaleIntercept="1e300")),
    "DICOM: another transfer syntax": ((DICOM,), _wrong_syntax),
    "DICOM: fragments of lying length": ((DICOM,), _lying_fragments),
    "DICOM: offsets that lead nowhere": ((DICOM,), _lying_offsets),
    "DICOM: pixels of lying length": ((DICOM,), _lying_length),
    "DICOM: JPEG with other sides": (
        (DICOM,), _in_frame(_with_sides(60_000, 60_000), uid.JPEGBaseline8Bit)
    ),
    "DICOM: lossless JPEG with other sides": (
        (DICOM,), _in_frame(_with_sides(60_000, 60_000), uid.JPEGLosslessSV1)
    ),
    "DICOM: JPEG-LS with other sides": (
        (DICOM,), _in_frame(_with_sides(60_000, 60_000), uid.JPEGLSLossless)
    ),
    "DICOM: JPEG 2000 of other sides or tiles": (
        (DICOM,), _in_frame(_jpeg_2000_sides, uid.JPEG2000Lossless)
    ),
    "DICOM: RLE of lying segments": ((DICOM,), _in_frame(_rle_segments, uid.RLELossless)),
    **{
        f"DICOM: bits flipped in {uid.UID(one).name}": ((DICOM,), _in_frame(_flipped_frame, one))
        for one in _PACKED
    },
    "DICOM: a gigabyte deflated": ((DICOM,), _deflated(_deflated_zeros)),
    "DICOM: deflated noise": ((DICOM,), _deflated(lambda: bytes(range(7, 250)))),
    "DICOM: 2,000 sequences in each other": ((DICOM,), _put_first(_nested(2_000))),
    "DICOM: 500,000 elements": (
        (DICOM,), _put_first(_element(0x0008, 0x0001, b"UL", bytes(4)) * 500_000)
    ),
    "DICOM: 500,000 items of a sequence": ((DICOM,), _put_first(_items(500_000))),
    "DICOM: an element of four gigabytes": (
        (DICOM,), _put_first(_element(0x0009, 0x1001, b"UN", b"", 0xFFFFFFF0))
    ),
    "DICOM: an infinite number of rows": ((DICOM,), _replaced("Rows", b"FD", _INFINITE)),
    "DICOM: padding that is no number": (
        (DICOM,), _replaced("PixelPaddingValue", b"FD", _NOT_A_NUMBER)
    ),
    "DICOM: a spacing that is no number": ((DICOM,), _replaced("PixelSpacing", b"DS", b"nan\\x ")),
    "DICOM: pixels that are a text": ((DICOM,), _replaced("PixelData", b"LT", b"not pixels")),
}  # fmt: skip
