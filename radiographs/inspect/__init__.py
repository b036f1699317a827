"""What an ingest would do with a folder of films, told before anything runs.

    python -m radiographs.inspect PATH [--set data.SETTING=VALUE] [--json FILE] [--html FILE]

The ingest's own functions plan, read and judge; nothing is written below the folder.
`inspection` does the work, `findings` puts it into plain values, `text` and `page` show these.
"""

from radiographs.inspect.inspection import Inspection, inspect_films

__all__ = ["Inspection", "inspect_films"]
