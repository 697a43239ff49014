"""An API description of somebody else's, in the one form that the import works with, and its OpenAPI 3 reader."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cdp.contract.document import METHODS, ContractError, read_yaml
from cdp.contract.operation import Features

JSON = "application/json"
Schema = dict[str, Any]
_FEATURE = re.compile(r"(?<![\w/.:])[a-z_]+(?:/[a-z_]+|/[A-Z_]{2,})+(?![\w/])")


@dataclass
class DescribedParameter:
    """A parameter of an operation, as the owner's description has it. `place`: path, query, header or cookie."""

    name: str
    place: str
    required: bool
    schema: Schema
    description: str = ""


@dataclass
class DescribedOperation:
    """One operation as the file shows it. `features` None: the file names none. `responses`: status to the schema of
    its JSON body, None where no body is shown."""

    method: str
    path: str
    group: str
    summary: str = ""
    features: Features | None = None
    open: bool = False
    parameters: list[DescribedParameter] = field(default_factory=list)
    body_media_type: str | None = None
    body_schema: Schema | None = None
    responses: dict[int, Schema | None] = field(default_factory=dict)

    @property
    def route(self) -> tuple[str, str]:
        """Method and path with the parameters' names left out, to find the same operation elsewhere."""
        return self.method, route(self.path)


@dataclass
class Description:
    """A whole file. References in schemas point to `#/components/schemas/NAME`, which stands in `structures`."""

    path: Path
    operations: list[DescribedOperation] = field(default_factory=list)
    structures: dict[str, Schema] = field(default_factory=dict)


def route(path: str) -> str:
    """A path with its parameters' names left out."""
    return re.sub(r"\{[^}]*\}", "{}", path.rstrip("/") or "/")


def features_in(text: str) -> Features | None:
    """Features that a text names: one of them unless it says all of them; None when it names none."""
    names = tuple(dict.fromkeys(_FEATURE.findall(text)))
    if not names:
        return Features() if re.search(r"\b(none|no feature)\b", text, re.IGNORECASE) else None
    if (
        len(names) > 1
        and re.search(r"\b(all of|all|and|both)\b", text, re.IGNORECASE)
        and not re.search(r"\b(one of|any of|or|either)\b", text, re.IGNORECASE)
    ):
        return Features(all_of=names)
    return Features(any_of=names)


def below_api(path: str) -> str:
    """A path as the contract writes it: without the /api that every base URL ends in."""
    return path.removeprefix("/api") if path.startswith("/api/") else path


def read_openapi(path: Path, document: Mapping[str, Any]) -> Description:
    """An OpenAPI 3.x document. Raises ContractError in one line that names the file and the place."""
    return _OpenApi(path, document).read()


class _OpenApi:
    def __init__(self, path: Path, document: Mapping[str, Any]) -> None:
        self.path = path
        self.document = document

    def fail(self, place: str, problem: str) -> ContractError:
        return ContractError(f"{self.path}: {place}: {problem}")

    def resolved(self, node: Any, place: str) -> Any:
        for _ in range(30):
            if not isinstance(node, Mapping) or not isinstance(node.get("$ref"), str):
                return node
            reference = node["$ref"]
            if not reference.startswith("#/"):
                raise self.fail(place, f"refers to another file ({reference}); bundle the description first")
            found: Any = self.document
            for part in reference[2:].split("/"):
                part = part.replace("~1", "/").replace("~0", "~")
                if not isinstance(found, Mapping) or part not in found:
                    raise self.fail(place, f"refers to {reference}, which is not there")
                found = found[part]
            node = found
        raise self.fail(place, "refers to itself")

    def read(self) -> Description:
        if not str(self.document.get("openapi", "")).startswith("3."):
            raise ContractError(f"{self.path}: not OpenAPI 3 (openapi: {self.document.get('openapi')})")
        paths = self.document.get("paths")
        if not isinstance(paths, Mapping):
            raise ContractError(f"{self.path}: has no paths")
        found = Description(self.path)
        for template, raw in paths.items():
            item = self.resolved(raw, str(template))
            if not isinstance(item, Mapping):
                raise self.fail(str(template), "is not an object")
            for method in METHODS:
                if isinstance(item.get(method), Mapping):
                    found.operations.append(self.operation(str(template), method, item))
        components = self.document.get("components")
        schemas = components.get("schemas") if isinstance(components, Mapping) else None
        for name, schema in (schemas if isinstance(schemas, Mapping) else {}).items():
            found.structures[str(name)] = self.schema(schema, f"components schemas {name}")
        return found

    def operation(self, template: str, method: str, item: Mapping[str, Any]) -> DescribedOperation:
        raw = item[method]
        place = f"{method.upper()} {template}"
        tags = raw.get("tags") or [""]
        text = f"{raw.get('summary', '')}\n{raw.get('description', '')}"
        operation = DescribedOperation(
            method.upper(), below_api(template), str(raw.get("x-section") or tags[0]), str(raw.get("summary", ""))
        )
        operation.features = self.features(raw, text)
        security = raw.get("security", self.document.get("security"))
        operation.open = raw.get("x-auth") == "none" or (security == [] and "security" in raw)
        nodes = [*(item.get("parameters") or ()), *(raw.get("parameters") or ())]
        parameters = (self._parameter(node, f"{place} parameter {number}") for number, node in enumerate(nodes, 1))
        operation.parameters += [parameter for parameter in parameters if parameter is not None]
        body = self.resolved(raw.get("requestBody"), place)
        if isinstance(body, Mapping) and isinstance(body.get("content"), Mapping) and body["content"]:
            media = JSON if JSON in body["content"] else next(iter(body["content"]))
            operation.body_media_type = str(media)
            operation.body_schema = self._schema_of(body["content"], media, place)
        for status, node in (raw.get("responses") or {}).items():
            if re.fullmatch(r"[1-5]\d\d", str(status)):
                response = self.resolved(node, f"{place} response {status}")
                content = response.get("content") if isinstance(response, Mapping) else None
                operation.responses[int(status)] = self._schema_of(content or {}, JSON, place)
        return operation

    def _parameter(self, node: Any, place: str) -> DescribedParameter | None:
        """A parameter of the query or the path; None for headers and cookies."""
        parameter = self.resolved(node, place)
        if not isinstance(parameter, Mapping) or "name" not in parameter or "in" not in parameter:
            raise self.fail(place, "needs a name and a place (in)")
        if parameter["in"] not in ("query", "path"):
            return None
        return DescribedParameter(
            str(parameter["name"]),
            parameter["in"],
            bool(parameter.get("required")),
            self.schema(parameter.get("schema") or {"type": "string"}, place),
            str(parameter.get("description", "")),
        )

    def _schema_of(self, content: Mapping[str, Any], media: Any, place: str) -> Schema | None:
        """The schema of a body of one media type; None where there is none."""
        schema = (content.get(media) or {}).get("schema")
        return self.schema(schema, place) if isinstance(schema, Mapping) else None

    @staticmethod
    def features(raw: Mapping[str, Any], text: str) -> Features | None:
        told = raw.get("x-required-features")
        if isinstance(told, Mapping):
            if told.get("unknown"):
                return None
            return Features(tuple(told.get("anyOf", ())), tuple(told.get("allOf", ())))
        return next(
            (features_in(line) for line in text.splitlines() if re.search(r"required? features?", line, re.IGNORECASE)),
            None,
        )

    def schema(self, node: Any, place: str) -> Schema:
        """A schema in the words of OpenAPI 3.1, references to components kept, other ones followed."""
        if not isinstance(node, Mapping):
            return {}
        if isinstance(node.get("$ref"), str):
            if node["$ref"].startswith("#/components/schemas/"):
                self.resolved(node, place)
                return {"$ref": node["$ref"]}
            return self.schema(self.resolved(node, place), place)
        found: Schema = {}
        for key, value in node.items():
            if key in ("items", "additionalProperties", "not") and isinstance(value, Mapping):
                found[key] = self.schema(value, place)
            elif key in ("allOf", "anyOf", "oneOf") and isinstance(value, list):
                found[key] = [self.schema(part, place) for part in value]
            elif key == "properties" and isinstance(value, Mapping):
                found[key] = {str(name): self.schema(part, place) for name, part in value.items()}
            elif not str(key).startswith("x-") and key not in ("nullable", "discriminator", "xml", "externalDocs"):
                found[key] = value
        if node.get("nullable") is True and isinstance(found.get("type"), str):
            found["type"] = [found["type"], "null"]
        for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if isinstance(found.get(bound), bool):
                exclusive = found.pop(bound)
                if exclusive and limit in found:
                    found[bound] = found.pop(limit)
        return found


def read_description(path: Path, groups: tuple[str, ...] = ()) -> Description:
    """Read an API description, OpenAPI 3 or API Blueprint, whichever it is. `groups`: headings that are taken for
    groups although they do not say so. Raises ContractError in one line that names the file and the place."""
    from cdp.contract.blueprint import read_blueprint

    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ContractError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ContractError(f"{path}: is not UTF-8 (byte {error.start})") from None
    named = path.suffix.lower() in (".apib", ".md", ".markdown")
    if named or re.search(r"^FORMAT:\s*1A|^#+.*\[(GET|POST|/)", text, re.MULTILINE):
        return read_blueprint(path, text, groups)
    document = read_yaml(path, kind="API description")
    if isinstance(document, Mapping) and "openapi" in document:
        return read_openapi(path, document)
    if isinstance(document, Mapping) and "swagger" in document:
        raise ContractError(f"{path}: Swagger 2 is not read; convert it to OpenAPI 3 first")
    raise ContractError(f"{path}: neither OpenAPI 3 (no field openapi) nor API Blueprint (no FORMAT: 1A)")
