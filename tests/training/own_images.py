"""A folder of real annotated images, as users have them."""

import shutil
from pathlib import Path

DATA = Path(__file__).parents[1] / "data" / "dsb2018"


def own_images(root: Path, count: int) -> list[str]:
    """Copy images and their label maps into a folder; return the names without suffix."""
    names = sorted(p.stem for p in (DATA / "images").iterdir())[:count]
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True)
        for name in names:
            shutil.copy(DATA / part / f"{name}.png", root / part)
    return names
