"""What the build makes itself: the pages of the API, the gallery and the speed; and pictures from outside `docs`."""

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))  # hooks are no package

import gallery
import public
import speed

_KEPT = public.ROOT / "paper_figures" / "gallery"
_OUTSIDE = re.compile(r"\]\(\.\./paper_figures/gallery/")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and the pictures and numbers that they show."""
    pages = {"gallery.md": gallery.render(_KEPT), "speed.md": speed.render(_KEPT)} | _render_api()
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    for path in sorted(_KEPT.iterdir()):
        files.append(File.generated(config, f"kept/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links of the repository lead to where the site has the same file."""
    return _OUTSIDE.sub("](kept/", markdown).replace("](../README.md)", "](index.md)")


def _render_api() -> dict[str, str]:
    """A page for each public module, with every public name on it; a name that two have is told on one of them."""
    modules = public.list_modules()
    told: dict[str, str] = {}
    pages = {}
    for module in sorted(modules, key=lambda name: name == "jaxreg.study"):  # which hands on what others define
        members = public.list_members(module)
        parts = [f"# {module}\n", f"::: {module}\n    options: {{members: false, show_root_heading: false}}\n"]
        for name, origin in members.items():
            if origin in told:
                parts.append(f"## {module}.{name}\n\nThe same as [`{told[origin]}`][{origin}].\n")
                continue
            told[origin] = f"{module}.{name}"
            parts.append(f"::: {origin}\n    options: {{heading: {module}.{name}, toc_label: '{name}'}}\n")
        pages[f"api/{module}.md"] = "\n".join(parts)
    rows = "\n".join(f"| [{name}]({name}.md) | {summary} |" for name, summary in modules.items())
    count = sum(len(public.list_members(module)) for module in modules)
    pages["api/index.md"] = f"# API\n\nAll {count} public names, by module.\n\n| module | |\n| --- | --- |\n{rows}\n"
    return pages
