"""What the build makes itself: home (the README), API, gallery and table of speed; and files from outside `docs`."""

import logging
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))  # hooks are no package

import gallery
import public
import readme

_KEPT = public.ROOT / "paper_figures" / "gallery"
_NOTEBOOKS = public.ROOT / "experiments" / "notebooks"
_BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\(([^)]*)\)")
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?https?:[^>]*>|<link\b[^>]*href=["']?https?:[^>]*>"""
)
_VERBATIM = re.compile(r"<(pre|code|script|style)\b.*?</\1>", flags=re.DOTALL)
_FORMULA = re.compile(r"\$[^$<]*\\[A-Za-z][^<]*")  # left as it was written: a bar that ended its cell, say
_PICTURE = re.compile(r"<img\b[^>]*>")
_PRIVATE = re.compile(r'<span class="n">(_[A-Z][a-z]\w*)</span>')
_LOG = logging.getLogger("mkdocs.jaxreg")
_OUTSIDE = {  # links as the repository has them, and where the site has the same
    "](../paper_figures/gallery/": "](kept/",
    "](paper_figures/gallery/": "](kept/",
    "](../experiments/notebooks/": "](notebooks/",
    "](../README.md": "](index.md",
    "](docs/": "](",
}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the modules below the API."""
    assert config.nav is not None
    (section,) = (part["API"] for part in config.nav if isinstance(part, dict) and "API" in part)
    section += [f"api/{module}.md" for module in public.list_modules()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, the pictures and numbers that they show, and the notebooks."""
    pages = _render_api()
    for name, path in {"index.md": "README.md", "changelog.md": "CHANGELOG.md"}.items():
        pages[name] = (public.ROOT / path).read_text(encoding="utf-8")
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    for path in sorted(_KEPT.iterdir()):
        files.append(File.generated(config, f"kept/{path.name}", abs_src_path=str(path)))
    for path in sorted(_NOTEBOOKS.glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Put in what is generated; lead links of the repository to where the site has the same; fetch no badge."""
    made = {"gallery": gallery.render, "speed": readme.render_speed, "api": lambda _: _list_modules()}
    for name, render in made.items():
        if mark := re.search(f".*<!-- generated: {name} -->", markdown):  # and what the repository has in its place
            markdown = markdown.replace(mark[0], render(_KEPT))
    for outside, inside in _OUTSIDE.items():
        markdown = markdown.replace(outside, inside)
    return _BADGE.sub(r"[Open in Colab](\1)", markdown)


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Warn, which ends a strict build, of what would be fetched, private types, silent pictures, broken formulas."""
    for found in _FETCHED.findall(output):
        _LOG.warning("%s is fetched from elsewhere: %s", page.file.src_uri, found)
    for found in _PRIVATE.findall(output) if page.file.src_uri.startswith("api/") else ():
        _LOG.warning("%s has a type that nobody knows: %s", page.file.src_uri, found)
    for found in _FORMULA.findall(_VERBATIM.sub("", output)):
        _LOG.warning("%s has a formula that is shown as text: %s", page.file.src_uri, found)
    for found in _PICTURE.findall(output):
        if not re.search(r'alt="[^"]+"', found):
            _LOG.warning("%s has a picture without a text: %s", page.file.src_uri, found)
    return output


def _render_api() -> dict[str, str]:
    """A page for each public module, with every public name on it; a name that two have is told on one of them."""
    told: dict[str, str] = {}
    pages = {}
    for module in sorted(
        public.list_modules(), key=lambda name: name == "jaxreg.study"
    ):  # it hands on what others have
        parts = [
            f"# {module}\n",
            f"::: {module}\n    options: {{members: false, show_root_heading: false, show_root_toc_entry: false}}\n",
        ]
        for name, origin in public.list_members(module).items():
            if origin in told:
                parts.append(f"## {module}.{name}\n\nThe same as [`{told[origin]}`][{origin}].\n")
                continue
            told[origin] = f"{module}.{name}"
            parts.append(f"::: {origin}\n    options: {{heading: {module}.{name}, toc_label: '{name}'}}\n")
        pages[f"api/{module}.md"] = "\n".join(parts)
    return pages


def _list_modules() -> str:
    """The table of contents of the API."""
    modules = public.list_modules()
    rows = "\n".join(
        f"| [{name}](api/{name}.md) | {len(public.list_members(name))} | {about} |" for name, about in modules.items()
    )
    return f"| module | names | |\n| --- | ---: | --- |\n{rows}\n"
