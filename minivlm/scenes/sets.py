"""Which sets of drawings the world is drawn with, by whom, and under which licence.

Each is an npm package of one version. Twemoji and OpenMoji are left out: their licences (CC-BY) ask for a credit beside
every picture.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class DrawingSet:
    """Drawings of one style.

    Attributes:
        style: The folder of its drawings.
        artist: Who drew it. Two styles of one artist are not two opinions of what a thing looks like.
        package: On npm.
        version: Of the package.
        licence: Of the drawings, by SPDX.
        source: Where the artist publishes them.
        held_out: Kept from training: the style of the split "unseen-style".
        path: Of a drawing in the package, with {code}; or the one file with all drawings, as SVG.
        own_names: The artist's names are not CLDR's.
    """

    style: str
    artist: str
    package: str
    version: str
    licence: str
    source: str
    held_out: bool = False
    path: str = "package/icons.json"
    own_names: bool = False


SETS = (
    DrawingSet(
        style="fluent-3d",
        artist="Microsoft",
        package="@lobehub/fluent-emoji-3d",
        version="1.1.0",
        licence="MIT",
        source="https://github.com/microsoft/fluentui-emoji",
        path="package/assets/{code}.webp",
    ),
    DrawingSet(
        style="fluent-flat",
        artist="Microsoft",
        package="@iconify-json/fluent-emoji-flat",
        version="1.2.6",
        licence="MIT",
        source="https://github.com/microsoft/fluentui-emoji",
    ),
    DrawingSet(
        style="noto",
        artist="Google",
        package="@iconify-json/noto",
        version="1.2.9",
        licence="Apache-2.0",
        source="https://github.com/googlefonts/noto-emoji",
    ),
    DrawingSet(
        style="noto-v1",
        artist="Google",
        package="@iconify-json/noto-v1",
        version="1.2.5",
        licence="Apache-2.0",
        source="https://github.com/googlefonts/noto-emoji",
    ),
    DrawingSet(
        style="fxemoji",
        artist="Mozilla",
        package="@iconify-json/fxemoji",
        version="1.2.2",
        licence="Apache-2.0",
        source="https://github.com/mozilla/fxemoji",
        held_out=True,
        own_names=True,
    ),
)
