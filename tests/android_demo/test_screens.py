"""What can be read from the app's layouts, colours and manifest; aapt2 knows whether the attributes exist."""

import re
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest

MAIN = Path(__file__).parents[2] / "android_demo" / "app" / "src" / "main"
RESOURCES = MAIN / "res"
LAYOUTS = sorted(RESOURCES.glob("layout*/*.xml"))
ANDROID = "{http://schemas.android.com/apk/res/android}"


def views(path: Path) -> list[Element]:
    """The views of a layout, those of what it includes last."""
    found = list(ElementTree.parse(path).getroot().iter())
    included = [view.attrib["layout"].removeprefix("@layout/") for view in found if view.tag == "include"]
    return found + [view for name in included for view in views(RESOURCES / "layout" / f"{name}.xml")]


def ids(path: Path) -> set[str]:
    return {view.attrib[f"{ANDROID}id"] for view in views(path) if f"{ANDROID}id" in view.attrib}


@pytest.fixture
def manifest() -> Element:
    return ElementTree.parse(MAIN / "AndroidManifest.xml").getroot()


def of_name(manifest: Element, tag: str, name: str) -> dict[str, str]:
    (item,) = (item for item in manifest.iter(tag) if item.get(f"{ANDROID}name") == name)
    return {key.removeprefix(ANDROID): value for key, value in item.attrib.items()}


def test_the_app_asks_for_no_permission(manifest: Element) -> None:
    assert not [item.tag for item in manifest.iter() if item.tag.startswith("uses-permission")]


@pytest.mark.parametrize("name", [".CapturedPhotoProvider", ".SharedRecordsProvider"])
def test_files_are_lent_only_with_permission_for_one_address(manifest: Element, name: str) -> None:
    provider = of_name(manifest, "provider", name)
    assert (provider["exported"], provider["grantUriPermissions"]) == ("false", "true")
    source = (MAIN / "kotlin" / "org" / "minivlm" / "demo" / f"{name.removeprefix('.')}.kt").read_text()
    assert f'"content://{provider["authorities"]}/' in source


def test_turning_the_phone_makes_new_views_and_keeps_what_they_show(manifest: Element) -> None:
    assert "configChanges" not in of_name(manifest, "activity", ".MainActivity")
    source = (MAIN / "kotlin" / "org" / "minivlm" / "demo" / "MainActivity.kt").read_text()
    assert "override fun onRetainNonConfigurationInstance(): Any = kept" in source


def test_a_phone_that_lies_has_the_same_views() -> None:
    assert ids(RESOURCES / "layout-land" / "main.xml") == ids(RESOURCES / "layout" / "main.xml")


def test_the_theme_is_dark_when_the_system_is() -> None:
    parents = [
        ElementTree.parse(RESOURCES / folder / "styles.xml").getroot()[0].attrib
        for folder in ("values", "values-night")
    ]
    assert [style["name"] for style in parents] == ["AppTheme", "AppTheme"]
    assert [style["parent"] for style in parents] == [
        "@android:style/Theme.Material.Light",
        "@android:style/Theme.Material",
    ]


@pytest.mark.parametrize("path", LAYOUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
class TestLayout:
    def test_colours_are_the_theme_s(self, path: Path) -> None:
        assert not re.findall(r'="#[0-9A-Fa-f]+"|"@android:color/', path.read_text())

    def test_text_has_the_size_that_the_user_set(self, path: Path) -> None:
        sizes = [value for view in views(path) for key, value in view.attrib.items() if key == f"{ANDROID}textSize"]
        assert all(size.endswith("sp") for size in sizes)

    def test_text_has_the_height_it_needs(self, path: Path) -> None:
        with_text = [view for view in views(path) if view.tag in {"TextView", "Button", "EditText", "Spinner"}]
        assert all(view.attrib[f"{ANDROID}layout_height"] == "wrap_content" for view in with_text)

    def test_what_can_be_used_has_words(self, path: Path) -> None:
        words = {"Button": "text", "EditText": "hint", "Spinner": "contentDescription"}
        for view in views(path):
            if view.tag in words:
                assert view.attrib[f"{ANDROID}{words[view.tag]}"].startswith("@string/")


@pytest.mark.parametrize("name", ["layout/main", "layout-land/main", "layout/results"])
def test_a_screen_scrolls_when_text_is_large(name: str) -> None:
    assert any(view.tag == "ScrollView" for view in views(RESOURCES / f"{name}.xml"))
