"""Which sets of drawings the world is drawn with, by whom, and under which licence.

Each is an npm package of one version. Twemoji and OpenMoji are left out: their licences (CC-BY) ask for a credit beside
every picture.

Emoji of three artists are what all splits are drawn with. Icons of many more, of one colour each, are drawn in training
only: what many people agree on is what a thing looks like, and not how one of them draws it.
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
        training_only: Icons, which no scene is judged by. They have the nouns' names, each with one of `endings`.
        endings: Of names, the one that is wanted most first.
        other_things: Nouns by which the artist, or this package, means another thing: a bow is no awareness ribbon.
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
    training_only: bool = False
    endings: tuple[str, ...] = ()
    other_things: tuple[str, ...] = ()


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

OTHER_THINGS = ("bug", "chicken", "mouse", "ribbon", "seal")
"""Nouns that icons have for other things: beetles, roasts, what is beside a keyboard, a cause's sign, and stamps."""


def _icons(
    style: str,
    artist: str,
    package: str,
    version: str,
    licence: str,
    source: str,
    endings: tuple[str, ...] = ("",),
    other_things: tuple[str, ...] = (),
) -> DrawingSet:
    return DrawingSet(
        style=style,
        artist=artist,
        package=f"@iconify-json/{package}",
        version=version,
        licence=licence,
        source=source,
        training_only=True,
        endings=endings,
        other_things=(*OTHER_THINGS, *other_things),
    )


_FLUENT = "https://github.com/microsoft/fluentui-emoji"
_PHOSPHOR = "https://github.com/phosphor-icons/core"
_PARK = "https://github.com/bytedance/IconPark"
_NOT_PARK = (
    "anchor",
    "egg",
    "envelope",
    "mirror",
    "pie",
    "ring",
    "seat",
    "telescope",
    "trumpet",
    "basketball",
    "doughnut",
)
_PLAIN = ("", "-one")

ICONS = (
    _icons("fluent-one-colour", "Microsoft", "fluent-emoji-high-contrast", "1.2.6", "MIT", _FLUENT),
    _icons(
        *("mdi", "Pictogrammers", "mdi", "1.2.3", "Apache-2.0", "https://github.com/Templarian/MaterialDesign"),
        endings=("", "-variant", "-face", "-side"),
        other_things=("hospital", "school"),
    ),
    _icons("phosphor", "Phosphor Icons", "ph", "1.2.2", "MIT", _PHOSPHOR, ("-fill",), ("horse",)),
    _icons("phosphor-duotone", "Phosphor Icons", "ph", "1.2.2", "MIT", _PHOSPHOR, ("-duotone",), ("horse",)),
    _icons(
        *("mingcute", "MingCute Design", "mingcute", "1.2.8", "Apache-2.0", "https://github.com/Richard9394/MingCute"),
        endings=("-fill",),
        other_things=("drum", "rose", "scarf"),
    ),
    _icons("icon-park", "ByteDance", "icon-park", "1.2.4", "Apache-2.0", _PARK, _PLAIN, _NOT_PARK),
    _icons("icon-park-solid", "ByteDance", "icon-park-solid", "1.2.4", "Apache-2.0", _PARK, _PLAIN, _NOT_PARK),
    _icons(
        *("tabler", "Pawel Kuna", "tabler", "1.2.41", "MIT", "https://github.com/tabler/tabler-icons"),
        endings=("-filled",),
        other_things=("school",),
    ),
    _icons(
        *("hugeicons", "Hugeicons", "hugeicons", "1.2.35", "MIT", "https://github.com/hugeicons/hugeicons-react"),
        endings=("", "-01"),
        other_things=("kite", "test tube"),
    ),
    _icons(
        *("iconoir", "Luca Burgio", "iconoir", "1.2.11", "MIT", "https://github.com/iconoir-icons/iconoir"),
        endings=("-solid", ""),
        other_things=("scarf", "scroll"),
    ),
    _icons(
        *("unicons", "Iconscout", "uil", "1.2.3", "Apache-2.0", "https://github.com/Iconscout/unicons"),
        other_things=("scroll",),
    ),
)
