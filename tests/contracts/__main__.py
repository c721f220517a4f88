"""`make contracts`: write the files that are made from the code."""

from __future__ import annotations

from tests.contracts.derived import CONTRACTS, derived


def main() -> None:
    """Write all, and remove the schemas of types that are no more."""
    files = dict(derived())
    for path in set(CONTRACTS.glob("*.json")) - set(files):
        path.unlink()
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
