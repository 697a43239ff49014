"""The contract as the suite reads it: one OpenAPI document, and typed views of its operations."""

from cdp.contract.document import CONTRACT_ROOT, ContractError, bundle
from cdp.contract.model import Contract, load_contract
from cdp.contract.operation import Collection, Features, Operation, Parameter, SubEntity

__all__ = [
    "CONTRACT_ROOT",
    "Collection",
    "Contract",
    "ContractError",
    "Features",
    "Operation",
    "Parameter",
    "SubEntity",
    "bundle",
    "load_contract",
]
