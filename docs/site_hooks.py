"""Hooks of the documentation site: pages that live elsewhere in the repository, and links to files that are no pages."""

import re
import textwrap
from pathlib import Path
from posixpath import normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {
    "README.md": "index.md",
    "README.ko.md": "index.ko.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "deploy/README.md": "deploy.md",
}
# Code within a list item stands 3 spaces in here; the site's Markdown asks for 4.
CODE_IN_LIST = re.compile(r"^( {2,3})```.*?^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s:]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for path, page in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages; a link to a file that is no page keeps its text only."""
    uri = page.file.src_uri
    source = next((path for path, target in ELSEWHERE.items() if target == uri), f"docs/{uri}")

    def resolve(link: re.Match[str]) -> str:
        image, text, address = link.groups()
        path, _, heading = address.partition("#")
        if not path:
            return link[0]
        path = normpath(f"{Path(source).parent.as_posix()}/{path}")
        target = ELSEWHERE.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
        if target is None:
            return text
        target = relpath(target, Path(uri).parent.as_posix())
        return f"{image}[{text}]({target}{'#' + heading if heading else ''})"

    markdown = CODE_IN_LIST.sub(lambda code: textwrap.indent(textwrap.dedent(code[0]), " " * 4), markdown)
    return LINK.sub(resolve, markdown)
