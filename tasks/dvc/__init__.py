"""Read DVC's graph and lock, and run its commands.

DVC keeps digests of files in a database of pickles, by default in `/var/tmp/dvc`, where every user of the machine can
write (CVE-2025-69872). All processes of DVC that start here keep them in the user's own folder.
"""

import os
from pathlib import Path

_OWN = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dvc/site"
os.environ.setdefault("DVC_SITE_CACHE_DIR", str(_OWN))
