"""Read DVC's graph and lock, and run its commands.

DVC keeps digests of files in a database of pickles, by default in `/var/tmp/dvc`, where every user of the machine can
write (CVE-2025-69872). All processes of DVC that start here keep them in the user's own folder.
"""

import os
from pathlib import Path

PRIVATE_SITE_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dvc/site"

CHOSEN_SITE_CACHE = os.environ.get("DVC_SITE_CACHE_DIR")
"""The folder that the user has set in the environment, also for plain `dvc`."""
os.environ.setdefault("DVC_SITE_CACHE_DIR", str(PRIVATE_SITE_CACHE))
