"""Write the reference of XML-RPC from the code it describes.

Run without arguments to write it anew, with ``--check`` only to learn whether it is out of date (exit status 1).
"""

import sys
from pathlib import Path
from typing import Final

from haizea.api.xmlrpc.reference import page

ROOT: Final = Path(__file__).resolve().parent.parent
REFERENCE: Final = ROOT / "docs" / "guide" / "xmlrpc-reference.md"


def main(arguments: list[str]) -> int:
    """Write or check the reference; return the exit status."""
    if arguments not in ([], ["--check"]):
        raise SystemExit("usage: xmlrpc_reference.py [--check]")
    text = page()
    if REFERENCE.exists() and REFERENCE.read_text(encoding="utf-8") == text:
        return 0
    name = REFERENCE.relative_to(ROOT)
    if arguments:
        print(f"{name}: out of date; docs/xmlrpc_reference.py writes it anew")
        return 1
    REFERENCE.write_text(text, encoding="utf-8")
    print(f"{name}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
