"""Where faults like these are described: public taxonomies of weaknesses, standards, manuals.

A kind has the source of the requirement that it breaks, unless it names one of its own. CWE: Common Weakness
Enumeration; API n:2023: OWASP API Security Top 10.
"""

from __future__ import annotations

from instance.faults.model import Fault

SOURCES = {
    "AUTH-01": "CWE-306 Missing Authentication for Critical Function; API2:2023",
    "AUTH-02": "CWE-287 Improper Authentication; API2:2023",
    "AUTH-03": "CWE-187 Partial String Comparison; CWE-178 Improper Handling of Case Sensitivity",
    "AUTH-04": "CWE-598 Use of GET Request Method With Sensitive Query Strings",
    "AUTH-05": "CWE-696 Incorrect Behavior Order",
    "AUTH-06": "CWE-613 Insufficient Session Expiration",
    "AUTH-07": "CWE-209 Generation of Error Message Containing Sensitive Information",
    "AUTH-08": "RFC 9110 section 15.5.2",
    "AUTH-09": "RFC 9110 section 15.5.2",
    "AUTH-10": "CWE-287 Improper Authentication; CWE-204 Observable Response Discrepancy; API2:2023",
    "AUTH-11": "CWE-287 Improper Authentication; CWE-613 Insufficient Session Expiration; API2:2023",
    "ROLE-01": "CWE-862 Missing Authorization; API5:2023 Broken Function Level Authorization",
    "ROLE-02": "CWE-863 Incorrect Authorization",
    "ROLE-03": "CWE-863 Incorrect Authorization; CWE-187 Partial String Comparison",
    "ROLE-04": "CWE-203 Observable Discrepancy",
    "ROLE-05": "CWE-696 Incorrect Behavior Order",
    "ROLE-06": "CWE-613 Insufficient Session Expiration; CWE-524 Use of Cache Containing Sensitive Information",
    "ROLE-07": "CWE-613 Insufficient Session Expiration",
    "ROLE-08": "CWE-209 Generation of Error Message Containing Sensitive Information",
    "PAGE-01": "CWE-1188 Initialization of a Resource with an Insecure Default; API4:2023",
    "PAGE-02": "CWE-193 Off-by-one Error",
    "PAGE-03": "CWE-193 Off-by-one Error",
    "PAGE-04": "PostgreSQL manual, LIMIT and OFFSET (rows in an order that is not fixed)",
    "PAGE-05": "CWE-193 Off-by-one Error",
    "PAGE-06": "CWE-1188 Initialization of a Resource with an Insecure Default",
    "PAGE-07": "CWE-1284 Improper Validation of Specified Quantity in Input",
    "PAGE-08": "CWE-684 Incorrect Provision of Specified Functionality",
    "PAGE-09": "PostgreSQL manual, LIMIT and OFFSET (rows in an order that is not fixed)",
    "PAGE-10": "CWE-684 Incorrect Provision of Specified Functionality",
    "STRUCT-01": "API3:2023 Broken Object Property Level Authorization (excessive data)",
    "MEDIA-01": "RFC 9110 section 8.3",
    "MEDIA-02": "RFC 8259; CWE-116 Improper Encoding or Escaping of Output",
    "MEDIA-03": "CWE-20 Improper Input Validation; CWE-460 Improper Cleanup on Thrown Exception",
    "MEDIA-04": "RFC 9110 section 15.5.16; CWE-436 Interpretation Conflict",
    "MEDIA-05": "RFC 9110 section 12.5.1",
    "MEDIA-06": "CWE-176 Improper Handling of Unicode Encoding; CWE-838 Inappropriate Encoding for Output Context",
    "CODE-01": "CWE-755 Improper Handling of Exceptional Conditions; CWE-248 Uncaught Exception",
    "CODE-02": "RFC 9110 section 15",
    "CODE-03": "RFC 9110 section 15.5.5",
    "CODE-04": "RFC 9110 sections 15.5.5 and 15.5.6",
    "CODE-05": "CWE-20 Improper Input Validation; API3:2023 (mass assignment)",
    "CODE-06": "RFC 9457",
    "CODE-07": "CWE-209 Generation of Error Message Containing Sensitive Information; API8:2023",
    "LIFE-01": "CWE-684 Incorrect Provision of Specified Functionality",
    "LIFE-04": "CWE-672 Operation on a Resource after Expiration or Release",
    "LIFE-05": "RFC 9110 section 9.2.1",
    "LIFE-06": "CWE-672 Operation on a Resource after Expiration or Release",
    "SEARCH-03": "CWE-155 Improper Neutralization of Wildcards or Matching Symbols; CWE-89 SQL Injection",
    "EVENT-02": "CWE-681 Incorrect Conversion between Numeric Types; CWE-197 Numeric Truncation Error",
    "EVENT-03": "CWE-460 Improper Cleanup on Thrown Exception",
    "EVENT-05": "CWE-354 Improper Validation of Integrity Check Value",
}
OTHERWISE = "CWE-684 Incorrect Provision of Specified Functionality"


def source_of(fault: Fault) -> str:
    """Where such a fault is described."""
    return fault.source or SOURCES.get(fault.by[0], OTHERWISE)
