"""Exit 0 if a GET of the address is answered with 200 within three seconds; for images without curl."""

import sys
import urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=3) as response:
    sys.exit(response.status != 200)
