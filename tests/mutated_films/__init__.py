"""Films in every format that is read, and files that somebody or something has spoilt.

Each kind of damage is a function of a sound file and a random number generator. The same seed
gives the same bytes. `films` makes the files, `formats` and `shipped` the sound ones; `damages`
lists what `any_file`, `png`, `jpeg` and the modules `dicom_*` do to them.
"""

from tests.mutated_films.damages import DAMAGES, GIANTS
from tests.mutated_films.films import FilmFile, sound_files, spoilt_files, write_files
from tests.mutated_films.formats import DICOM

__all__ = [
    "DAMAGES",
    "DICOM",
    "GIANTS",
    "FilmFile",
    "sound_files",
    "spoilt_files",
    "write_files",
]
