"""The archives of public data: where the publisher has them, and what may be done with them.

A digest stands here only where it was published or compared; without one, the digest of what came
is printed and stored beside the data.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Archive:
    """A public data set in one file.

    Attributes:
        title: What it is.
        url: Where its publisher has it.
        kind: `zip` or `tar`, the latter packed by gzip.
        most_bytes: What it may unpack to.
        licence: Its licence, and how it is to be cited.
        sha256: Of the file, in hexadecimal; empty where it is not known.
        then: What is still to be done.
    """

    title: str
    url: str
    kind: str
    most_bytes: int
    licence: str
    sha256: str = ""
    then: str = ""


ARCHIVES = {
    "kermany": Archive(
        title="chest X-rays of children, normal and pneumonia (Kermany et al., version 2)",
        url="https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
        "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded",
        kind="zip",
        most_bytes=4_000_000_000,
        licence="Creative Commons Attribution 4.0 International (CC BY 4.0), "
        "https://creativecommons.org/licenses/by/4.0/\n"
        "D. Kermany, K. Zhang, M. Goldbaum: Labeled Optical Coherence Tomography (OCT) and Chest "
        "X-Ray Images for Classification. Mendeley Data, version 2, 2018, "
        "doi 10.17632/rscbjbr9sj.2\n",
    ),
    "nih-sample": Archive(
        title="the first 4,999 films of NIH ChestX-ray14, adults",
        url="https://nihcc.box.com/shared/static/vfk49d74nhbxq3nqjg0900w5nvkorp5c.gz",
        kind="tar",
        most_bytes=8_000_000_000,
        licence="No restriction on use. Provided by the NIH Clinical Center, "
        "https://nihcc.app.box.com/v/ChestXray-NIHCC\n"
        "X. Wang, Y. Peng, L. Lu, Z. Lu, M. Bagheri, R. Summers: ChestX-ray8: Hospital-scale Chest "
        "X-ray Database and Benchmarks. IEEE CVPR 2017, pp. 3462-3471\n",
        then="the archive has no labels: put Data_Entry_2017_v2020.csv, from "
        "https://nihcc.app.box.com/v/ChestXray-NIHCC, beside the films",
    ),
    "lung-masks": Archive(
        title="138 films of adults with masks of both lungs (Montgomery County)",
        url="https://openi.nlm.nih.gov/imgs/collections/NLM-MontgomeryCXRSet.zip",
        kind="zip",
        most_bytes=4_000_000_000,
        licence="For research and education, with attribution: National Library of Medicine, "
        "National Institutes of Health, Bethesda, MD, USA, and the Department of Health and Human "
        "Services, Montgomery County, Maryland, USA\n"
        "S. Jaeger, S. Candemir, S. Antani, Y. Wang, P. Lu, G. Thoma: Two public chest X-ray "
        "datasets for computer-aided screening of pulmonary diseases. Quantitative Imaging in "
        "Medicine and Surgery 4(6), 2014\n",
    ),
}
