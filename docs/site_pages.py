"""Hook of mkdocs: the README as front page, and the reference, a page for each package made from what is there.

No module is named here, so the site follows when modules move.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("minivlm", "export", "bench")
REFERENCE = "reference"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for name, content in {"index.md": _front_page(), **_reference()}.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the reference behind the written pages."""
    pages = sorted(_reference())
    config["nav"] = [*config["nav"], {"Reference": [{Path(page).name.removesuffix(".md"): page} for page in pages]}]
    return config


def _front_page() -> str:
    """Return the README with links that start in docs/; what lies outside of it is named, not linked."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.sub(r"\]\(docs/", "](", text)


def _reference() -> dict[str, str]:
    """Return by path the page of each package with its public modules, the package itself first."""
    pages = {}
    for folder in FOLDERS:
        for package in [ROOT / folder, *(ROOT / folder).rglob("*/")]:
            modules = [path.stem for path in sorted(package.glob("*.py")) if not path.name.startswith("_")]
            if not (package / "__init__.py").is_file():
                continue
            name = ".".join(package.relative_to(ROOT).parts)
            lines = [f"# {name}", "", f"::: {name}", "    options: {members: false}", ""]
            lines += [line for module in modules for line in (f"::: {name}.{module}", "")]
            pages[f"{REFERENCE}/{name}.md"] = "\n".join(lines)
    return pages
