"""Pages that are made from the code when the site is built."""

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from halfbyte.cli.reference import commands_page, records_page

_PAGES = {"reference/commands.md": commands_page, "reference/records.md": records_page}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages; called by mkdocs."""
    for path, make in _PAGES.items():
        files.append(File.generated(config, path, content=make()))
    return files
