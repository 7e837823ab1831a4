"""Read DVC's graph and lock, and run its commands.

DVC keeps digests of files in a database of pickles, by default in `/var/tmp/dvc`, where every user of the machine can
write (CVE-2025-69872). All processes of DVC that start here keep them in the user's own folder.
"""

import os
from pathlib import Path

SITE_CACHE_VARIABLE = "DVC_SITE_CACHE_DIR"
OWN_SITE_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dvc/site"

IS_SITE_CACHE_GIVEN = SITE_CACHE_VARIABLE in os.environ
"""Whether the user has set the folder in the environment, also for plain `dvc`."""
os.environ.setdefault(SITE_CACHE_VARIABLE, str(OWN_SITE_CACHE))
