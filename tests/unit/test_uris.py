"""No code that runs in a task opens a URI as a path: on a service every root is remote.

A task runs what `components` and `models` hold and all of ours that these import. There files are
opened by `tf.io.gfile` or `tfx.dsl.io.fileio`; what opens a path of this machine is named in
`LOCAL`, with the reason why it never gets a URI.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_imports import ROOT, imports, modules

ENTRY_POINTS = ("components", "models")

# By module and function.
LOCAL = {
    "models.source": "reads this package's own source",
    "models.packaged_weights": "reads a file of an installed package",
    "models.remote_files.sealed_beside": "seals the temporary file before it is copied",
    "models.remote_files.unsealed_copy": "opens the seal of the temporary copy",
    "models.remote_files._digest": "is given the path of a temporary file",
    "models.checkpoints._read": "is given the path of a local copy",
    "models.initial_weights._weights_only": "is given the path of a local copy",
    "models.initial_weights._whole_model": "is given the path of a local copy",
    "models.finished_trials.FinishedTrials.keep": "a trial is trained in a temporary folder",
    "models.fitting.Epochs.on_epoch_end": "this save is that of models.checkpoints",
    "models.keras_environment": "reads Keras' settings of this machine",
    "radiographs.local_roots.check_folder": "is called before tasks are",
    "radiographs.local_roots.LocalRoot": "tasks read through TfxRoot",
    "radiographs.local_roots.list_local": "a URI goes to _list_remote",
    "radiographs.local_roots._walk": "is called by list_local only",
    "radiographs.formats.dicom.codec_process": "runs a file of this package",
    "radiographs.pseudonyms": "a key is a file of this machine, and a URI is refused",
}

_ON_THIS_MACHINE = re.compile(
    r"open|(io|os|codecs|gzip|bz2|lzma)\.open"
    r"|(pathlib|shutil|sqlite3|glob|fileinput|zipfile|tarfile|dbm|shelve|linecache)\..+"
    r"|os\.(access|chmod|chown|link|listdir|lstat|makedirs|mkdir|mkfifo|readlink|remove|removedirs"
    r"|rename|renames|replace|rmdir|scandir|stat|symlink|truncate|unlink|utime|walk|fwalk|chdir)"
    r"|os\.path\.(abspath|exists|expanduser|getatime|getctime|getmtime|getsize|isdir|isfile|islink"
    r"|ismount|lexists|normpath|realpath|relpath|samefile)"
    r"|numpy\.(load|save|savez|savez_compressed|loadtxt|savetxt|genfromtxt|fromfile|memmap)"
    r"|numpy\.lib\.format\.open_memmap"
    r"|pandas\.(read_\w+|ExcelFile|ExcelWriter|HDFStore)"
    r"|(PIL\.)?Image\.open|PIL\.Image\.open|cv2\.(imread\w*|imwrite\w*|VideoCapture)"
    r"|h5py\.File|joblib\.(load|dump)|configparser\..+"
    r"|keras\.(saving|models)\.(load_model|save_model|load_weights|save_weights)"
    r"|keras\.(\w+\.)?(CSVLogger|BackupAndRestore|ModelCheckpoint)"
    r"|keras\.utils\.(get_file|image_dataset_from_directory|load_img|save_img)"
)
# Methods of arrays, tables, models and paths that take a path or are called on one.
_METHODS = re.compile(
    r"save|save_weights|load_weights|tofile|savefig|write_html|write_image"
    r"|to_(csv|json|parquet|pickle|excel|hdf|feather|html|markdown|latex|xml|stata|orc|string)"
    r"|(read|write)_(text|bytes)|iterdir|rglob|mkdir|rmdir|touch|unlink|is_file|is_dir"
)
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
_PATH_ARGUMENTS = {"path", "path_or_buf", "buf", "excel_writer", "fname", "filename", "filepath"}
_LOCAL_BY_CONSTRUCTION = {
    "io.BytesIO", "io.StringIO", "tempfile.TemporaryDirectory", "tempfile.NamedTemporaryFile",
    "models.remote_files.local_copy", "models.remote_files.written_beside",
    "models.remote_files.unsealed_copy", "models.remote_files.sealed_beside",
}  # fmt: skip
_URIS_UNDERSTOOD = {"tensorflow", "tensorflow_transform", "tensorflow_data_validation", "tfx"}


def task_modules(root: Path) -> dict[str, Path]:
    """Returns the file of each module of ours that a task can run, by dotted name."""
    known = modules(root)
    found = {name for name in known if name.partition(".")[0] in ENTRY_POINTS}
    todo = list(found)
    while todo:
        module = todo.pop()
        new = {name for name in imports(module, known[module], known) if name in known} - found
        found |= new
        todo += new
    return {name: known[name] for name in sorted(found)}


def openings(module: str, source: str) -> Iterator[tuple[str, str]]:
    """Yields the place and the name of all that opens a path of this machine."""
    tree = ast.parse(source)
    names = _imported(tree)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name | ast.Attribute) or _is_part(node, parents):
            continue
        name = _opened(node, names)
        if name and not _stays_here(node, parents, names):
            yield _place(module, node, parents), name


def _imported(tree: ast.AST) -> dict[str, str]:
    """Returns what each imported name stands for."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _is_part(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    parent = parents.get(node)
    return isinstance(parent, ast.Attribute) and parent.value is node


def _opened(node: ast.Name | ast.Attribute, names: dict[str, str]) -> str:
    """Returns the name of an opener, a method's with a dot before it; empty for anything else."""
    dotted = _dotted(node, names)
    if dotted and _ON_THIS_MACHINE.fullmatch(dotted):
        return dotted
    top = dotted.partition(".")[0]
    if isinstance(node, ast.Name) or top in _URIS_UNDERSTOOD:
        return ""
    return f".{node.attr}" if _METHODS.fullmatch(node.attr) else ""


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    """Returns the full name of a reference; empty where it begins with a call or a value."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value, names)
        return f"{base}.{node.attr}" if base else ""
    return ""


def _stays_here(node: ast.AST, parents: dict[ast.AST, ast.AST], names: dict[str, str]) -> bool:
    """Tells a table made into text, a buffer and a temporary file from what may be a URI."""
    call = parents.get(node)
    if not isinstance(call, ast.Call) or call.func is not node:
        return False
    if call.args:
        first = call.args[0]
        return _is_local(first, names) or _dotted(first, {}) in _local_names(call, parents, names)
    is_text = isinstance(node, ast.Attribute) and node.attr.startswith("to_")
    return is_text and not any(word.arg in {*_PATH_ARGUMENTS, None} for word in call.keywords)


def _local_names(node: ast.AST, parents: dict[ast.AST, ast.AST], names: dict[str, str]) -> set[str]:
    """Returns the variables of the function round a node that are always local."""
    scope = next(one for one in _around(node, parents) if isinstance(one, _SCOPES))
    given: dict[str, list[bool]] = {}
    for inner in ast.walk(scope):
        pairs: list[tuple[ast.AST, ast.AST]] = []
        if isinstance(inner, ast.Assign):
            pairs = [(target, inner.value) for target in inner.targets]
        elif isinstance(inner, ast.With):
            pairs = [
                (item.optional_vars, item.context_expr)
                for item in inner.items
                if item.optional_vars
            ]
        for target, value in pairs:
            given.setdefault(_dotted(target, {}), []).append(_is_local(value, names))
    return {name for name, are_local in given.items() if name and all(are_local)}


def _is_local(node: ast.AST, names: dict[str, str]) -> bool:
    return isinstance(node, ast.Call) and _dotted(node.func, names) in _LOCAL_BY_CONSTRUCTION


def _around(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    """Yields what a node is part of, the innermost first."""
    while node in parents:
        node = parents[node]
        yield node


def _place(module: str, node: ast.AST, parents: dict[ast.AST, ast.AST]) -> str:
    named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    inside = [one.name for one in _around(node, parents) if isinstance(one, named)]
    return ".".join([module, *reversed(inside)])


def _reason(place: str) -> str:
    return next((why for known, why in LOCAL.items() if f"{place}.".startswith(f"{known}.")), "")


def all_openings() -> set[tuple[str, str]]:
    return {
        opening
        for module, file in task_modules(ROOT).items()
        for opening in openings(module, file.read_text(encoding="utf-8"))
    }


def test_no_task_opens_a_uri_as_a_path() -> None:
    assert sorted(opening for opening in all_openings() if not _reason(opening[0])) == []


def test_what_is_local_is_still_there() -> None:
    places = {place for place, _ in all_openings()}
    stale = {known for known in LOCAL if not any(f"{p}.".startswith(f"{known}.") for p in places)}
    assert stale == set()


def test_the_walk_sees_what_tasks_run() -> None:
    seen = task_modules(ROOT)
    assert {"models.training", "components.auditor.audit", "radiographs.decoding"} <= seen.keys()
    assert not any(name.startswith(("pipeline", "local_runner", "tests")) for name in seen)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("open(uri)", "open"),
        ("import io\nio.open(uri)", "io.open"),
        ("import gzip\nwith gzip.open(uri) as f: pass", "gzip.open"),
        ("readers = map(open, uris)", "open"),
        ("from pathlib import Path\nPath(uri)", "pathlib.Path"),
        ("import pathlib as p\np.PurePath(uri)", "pathlib.PurePath"),
        ("import shutil\nshutil.copytree(uri, other)", "shutil.copytree"),
        ("from shutil import rmtree as remove\nremove(uri)", "shutil.rmtree"),
        ("import sqlite3\nsqlite3.connect(uri)", "sqlite3.connect"),
        ("import os\nos.listdir(uri)", "os.listdir"),
        ("import os\nos.replace(uri, other)", "os.replace"),
        ("from os import path\npath.exists(uri)", "os.path.exists"),
        ("import os.path as osp\nosp.isdir(uri)", "os.path.isdir"),
        ("import os\nos.path.abspath(uri)", "os.path.abspath"),
        ("import glob\nglob.glob(uri)", "glob.glob"),
        ("from glob import iglob\niglob(uri)", "glob.iglob"),
        ("import h5py\nh5py.File(uri)", "h5py.File"),
        ("import pandas as pd\npd.read_csv(uri)", "pandas.read_csv"),
        ("import pandas\npandas.read_csv(f'{uri}/a.csv')", "pandas.read_csv"),
        ("table.to_csv(uri)", ".to_csv"),
        ("table.to_csv(path_or_buf=uri, index=False)", ".to_csv"),
        ("table.to_json(**where)", ".to_json"),
        ("import keras\nkeras.saving.load_model(uri)", "keras.saving.load_model"),
        ("from keras.models import load_model\nload_model(uri)", "keras.models.load_model"),
        ("model.save(uri)", ".save"),
        ("self.model.load_weights(uri)", ".load_weights"),
        ("import keras\nkeras.callbacks.CSVLogger(uri)", "keras.callbacks.CSVLogger"),
        ("from PIL import Image\nImage.open(uri)", "PIL.Image.open"),
        ("from PIL import Image\nImage.open(image).save(uri)", ".save"),
        ("import numpy as np\nnp.load(uri)", "numpy.load"),
        ("import numpy as np\nnp.savez(uri, a=1)", "numpy.savez"),
        ("import io\nfile = io.BytesIO()\nfile = uri\nimage.save(file)", ".save"),
        ("from models.remote_files import local_copy\nwith local_copy(uri): open(uri)", "open"),
        ("array.tofile(uri)", ".tofile"),
        ("import cv2\ncv2.imread(uri)", "cv2.imread"),
        ("import os, tensorflow as tf\nif not tf.io.gfile.exists(uri): os.makedirs(uri)",
         "os.makedirs"),
    ],
)  # fmt: skip
def test_a_planted_path_is_found(source: str, found: str) -> None:
    planted = "def work(uri):\n    " + source.replace("\n", "\n    ")
    assert ("models.planted.work", found) in set(openings("models.planted", planted))


@pytest.mark.parametrize(
    "source",
    [
        "from tfx.dsl.io import fileio\nwith fileio.open(uri) as f: fileio.rename(uri, other)",
        "import tensorflow as tf\ntf.io.gfile.GFile(uri); tf.io.gfile.glob(uri)",
        "import tensorflow as tf\ntf.saved_model.save(model, uri); tf.saved_model.load(uri)",
        "import os, posixpath\nos.path.join(uri, 'a'); os.path.basename(uri); posixpath.dirname(a)",
        "import io, pandas as pd\npd.read_csv(io.StringIO(text))",
        "import io, numpy as np\nnp.load(io.BytesIO(data))",
        "import io\nfrom PIL import Image\nImage.open(io.BytesIO(data))",
        "table.to_csv(columns=['a'], index=False)",
        "import io\nfile = io.BytesIO()\nimage.save(file, 'PNG')",
        "from models.remote_files import local_copy\nwith local_copy(uri) as path: open(path)",
        "import os\nos.cpu_count()",
        "archive.open(name)",
    ],
)
def test_what_opens_no_path_is_let_through(source: str) -> None:
    assert list(openings("models.planted", source)) == []


def test_a_planted_module_of_a_task_is_walked(tmp_path: Path) -> None:
    for name, source in (
        ("components/gate/executor.py", "from radiographs import reading"),
        ("radiographs/reading.py", "from radiographs.deep.files import read"),
        ("radiographs/deep/files.py", "open(uri)"),
        ("radiographs/alone.py", "open(path)"),
        ("pipeline/runs.py", "open(path)"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source, encoding="utf-8")
    assert set(task_modules(tmp_path)) == {
        "components.gate.executor", "radiographs.reading", "radiographs.deep.files",
    }  # fmt: skip
