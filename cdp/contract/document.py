"""Reading the contract's files and bundling them into one document.

The contract is kept in many files so that a section stays readable. Tools outside the suite want one file: `bundle`
follows the file references and gives every component its place under `components`, which works because component names
are unique over all files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cdp.contract.kept_bundle import digest_of, keep, read_kept

CONTRACT_ROOT = Path(__file__).resolve().parents[2] / "contracts" / "openapi" / "openapi.yaml"
METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")
KINDS = {"schemas.yaml": "schemas", "responses.yaml": "responses"}


class ContractError(Exception):
    """The contract cannot be used; the message is one line that names the file and what is wrong."""


def read_yaml(path: Path, kind: str = "contract file") -> Any:
    """Parse one YAML file; `kind` is what messages call it.

    Raises ContractError with file, line and column when it cannot be read or parsed.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise ContractError(f"{kind} {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ContractError(f"{kind} {path} is not UTF-8 (byte {error.start})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ContractError(f"{kind} {path}{where}: {problem}") from None


class _Bundler:
    """Follows file references from the root and collects every component it meets."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[Path, Any] = {}
        self.digests: dict[Path, str] = {}
        self.components: dict[str, dict[str, Any]] = {"schemas": {}, "responses": {}}
        self.origin: dict[tuple[str, str], str] = {}
        self.places: dict[tuple[Path, str], Path] = {}  # of files, as references name them: asking the disk takes long

    def document(self, path: Path) -> Any:
        if path not in self.files:
            if path.is_file():
                self.digests[path] = digest_of(path)  # before it is read: of a file that changes meanwhile it is wrong
            self.files[path] = read_yaml(path)
        return self.files[path]

    def lookup(self, path: Path, pointer: str) -> Any:
        node = self.document(path)
        for part in [p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:]]:
            if not isinstance(node, dict) or part not in node:
                raise ContractError(f"contract file {path}: nothing at #{pointer}")
            node = node[part]
        return node

    def resolve(self, here: Path, reference: str) -> tuple[Path, str]:
        name, _, pointer = reference.partition("#")
        if not name:
            return here, pointer
        if (here, name) not in self.places:
            self.places[here, name] = (here.parent / name).resolve()
        return self.places[here, name], pointer

    def component(self, here: Path, reference: str) -> str:
        """Place the component that a reference points to and return its reference in the bundle."""
        path, pointer = self.resolve(here, reference)
        kind = KINDS.get(path.name, "schemas")
        name = pointer.rsplit("/", 1)[-1]
        origin = f"{path}#{pointer}"
        known = self.origin.setdefault((kind, name), origin)
        if known != origin:
            raise ContractError(f"two components are called {name}: {known} and {origin}")
        if name not in self.components[kind]:
            self.components[kind][name] = None  # a place first: structures may be recursive
            self.components[kind][name] = self.rewrite(path, self.lookup(path, pointer))
        return f"#/components/{kind}/{name}"

    def rewrite(self, here: Path, node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: self.component(here, value)
                if key == "$ref" and isinstance(value, str)
                else self.rewrite(here, value)
                for key, value in node.items()
            }
        if isinstance(node, list):
            return [self.rewrite(here, item) for item in node]
        return node


def bundle(root: Path = CONTRACT_ROOT) -> dict[str, Any]:
    """Return the whole contract as one OpenAPI 3.1 document without references to files.

    That of the suite's own contract is kept for the next time. Raises ContractError when a file is missing, is not
    YAML, or refers to something that is not there.
    """
    if root != CONTRACT_ROOT:
        return _bundled(_Bundler(root))
    document = read_kept(root)
    if document is None:
        bundler = _Bundler(root)
        document = _bundled(bundler)
        code = Path(__file__)
        keep(root, {**bundler.digests, code: digest_of(code)}, document)
    return document


def _bundled(bundler: _Bundler) -> dict[str, Any]:
    root = bundler.root
    source = bundler.document(root)
    if not isinstance(source, dict) or not isinstance(source.get("paths"), dict):
        raise ContractError(f"contract file {root}: not an OpenAPI document (no paths)")
    paths: dict[str, Any] = {}
    for template, item in source["paths"].items():
        if not isinstance(item, dict):
            raise ContractError(f"contract file {root}: path {template} is not an object")
        here = root
        if "$ref" in item:
            here, pointer = bundler.resolve(root, item["$ref"])
            item = bundler.lookup(here, pointer)
        paths[template] = bundler.rewrite(here, item)
    sections = _sections(bundler, root, source)
    for path, section in sections.items():
        for name in (section.get("components") or {}).get("schemas") or {}:
            bundler.component(path, f"#/components/schemas/{name}")
    components = {
        **(source.get("components") or {}),
        **{k: dict(sorted(v.items())) for k, v in bundler.components.items() if v},
    }
    notes = {s["x-section"]: s for s in sections.values()}
    tags = [{**tag, **_tag_facts(notes.get(tag["name"], {}))} for tag in source.get("tags", [])]
    return {**source, "tags": tags, "paths": paths, "components": components}


def _sections(bundler: _Bundler, root: Path, source: dict[str, Any]) -> dict[Path, dict[str, Any]]:
    """All section files, those of named structures (without operations) included."""
    sections = {}
    for tag in source.get("tags", []):
        path = (root.parent / "sections" / f"{tag['x-slug']}.yaml").resolve()
        section = bundler.document(path)
        if not isinstance(section, dict) or "x-section" not in section:
            raise ContractError(f"contract file {path}: not a section (no x-section)")
        sections[path] = section
    return sections


def _tag_facts(section: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        key: section[key] for key in ("x-unread", "x-notes", "x-section-features") if key in section
    }
    known = {"full": "The section's page is known.", "partial": "The section's page is known in part."}
    text = known.get(
        section.get("x-documentation", ""), "The section's page is not known; what stands here is observed or assumed."
    )
    return {"description": text, **found}
