"""One worker of a portable Beam engine, started as the contract of Beam's containers says.

Source: Apache Beam, `sdks/python/container/boot.go`: the flags, and the id in the environment.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Works until the engine is done."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.beam_worker", description=__doc__)
    parser.add_argument("--id", required=True, help="of the worker, given by the engine")
    parser.add_argument("--control_endpoint", required=True, help="host:port of the engine")
    flags, _ = parser.parse_known_args(arguments)  # a worker of this machine needs no others
    os.environ["WORKER_ID"] = flags.id
    from apache_beam.runners.worker.sdk_worker import SdkHarness  # late: reads it when imported

    SdkHarness(flags.control_endpoint, worker_id=flags.id).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
