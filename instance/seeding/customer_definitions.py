"""What is defined before there are customers: sources, event definitions, attributes, stitching categories.

Pure data and functions from the anchor time to records; every kind has more than 45 records, with ties and gaps in
their timestamps.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import orjson

Record = dict[str, Any]

# id, name, type; the regions below make further ones of the last four.
SOURCES = [
    ("web", "Website", "web"),
    ("mobile_app", "Mobile app", "app"),
    ("bank_app", "Banking app", "app"),
    ("email_tool", "E-mail tool", "email"),
    ("push_tool", "Push notifications", "push"),
    ("whatsapp", "WhatsApp", "messaging"),
    ("crm", "Customer relations", "crm"),
    ("eshop", "Online shop", "ecommerce"),
    ("pos", "Points of sale", "retail"),
    ("loyalty", "Loyalty programme", "loyalty"),
    ("callcentre", "Call centre", "support"),
    ("survey", "Surveys", "survey"),
    ("ads", "Advertising", "ads"),
    ("meiro", "Meiro", "system"),
    ("webbanners", "Web banners", "system"),
]
REGIONS = ["prague", "brno", "vienna", "berlin", "warsaw", "london", "paris", "singapore", "jakarta"]
REGIONAL = ["crm", "eshop", "pos", "callcentre"]

# source, type, what happened, keys of the payload
EVENTS = [
    ("web", "page_view", "A page was viewed", "url title referrer"),
    ("web", "product_view", "A product was viewed", "product_id price currency"),
    ("web", "search", "The site was searched", "query results"),
    ("web", "add_to_cart", "A product was put into the cart", "product_id quantity"),
    ("web", "remove_from_cart", "A product was taken out of the cart", "product_id quantity"),
    ("web", "checkout_start", "A checkout was started", "cart_value currency"),
    ("web", "form_submit", "A form was sent", "form_id"),
    ("web", "link_click", "A link was clicked", "url text"),
    ("web", "video_play", "A video was played", "video_id seconds"),
    ("web", "file_download", "A file was downloaded", "url size"),
    ("web", "login", "Somebody logged in", "method"),
    ("web", "registration", "Somebody registered", "email method"),
    ("web", "newsletter_signup", "The newsletter was ordered", "email"),
    ("web", "consent_change", "A consent was given or withdrawn", "purpose granted"),
    ("mobile_app", "app_open", "The app was opened", "platform app_version"),
    ("mobile_app", "screen_view", "A screen was viewed", "screen"),
    ("mobile_app", "push_received", "A push notification arrived", "notification_id"),
    ("mobile_app", "push_opened", "A push notification was opened", "notification_id"),
    ("mobile_app", "app_crash", "The app crashed", "platform reason"),
    ("mobile_app", "app_uninstall", "The app was removed", "platform"),
    ("bank_app", "app_transaction", "A payment was made", "amount currency merchant"),
    ("bank_app", "app_login", "Somebody logged in to the bank", "method"),
    ("bank_app", "card_blocked", "A card was blocked", "reason"),
    ("bank_app", "loan_request", "A loan was asked for", "amount months"),
    ("email_tool", "email_sent", "An e-mail was sent", "email_id subject"),
    ("email_tool", "email_delivered", "An e-mail was delivered", "email_id"),
    ("email_tool", "email_open", "An e-mail was opened", "email_id device"),
    ("email_tool", "email_click", "A link in an e-mail was clicked", "email_id url"),
    ("email_tool", "email_bounce", "An e-mail came back", "email_id reason"),
    ("email_tool", "email_unsubscribe", "The newsletter was cancelled", "email_id"),
    ("push_tool", "push_sent", "A push notification was sent", "notification_id"),
    ("push_tool", "push_failed", "A push notification failed", "notification_id reason"),
    ("whatsapp", "message_sent", "A message was sent", "message_id"),
    ("whatsapp", "message_read", "A message was read", "message_id"),
    ("whatsapp", "message_reply", "A message was answered", "message_id text"),
    ("crm", "contact_created", "A contact was made", "owner"),
    ("crm", "contact_updated", "A contact was changed", "owner field"),
    ("crm", "meeting", "A meeting was held", "owner minutes"),
    ("eshop", "order_created", "An order was placed", "order_id value currency"),
    ("eshop", "order_paid", "An order was paid", "order_id value currency"),
    ("eshop", "order_shipped", "An order was sent", "order_id carrier"),
    ("eshop", "order_cancelled", "An order was cancelled", "order_id reason"),
    ("eshop", "order_returned", "An order came back", "order_id reason"),
    ("eshop", "review_written", "A review was written", "product_id stars text"),
    ("pos", "purchase", "Something was bought in a shop", "receipt_id value currency"),
    ("pos", "refund", "Money was given back in a shop", "receipt_id value"),
    ("loyalty", "points_earned", "Points were earned", "points"),
    ("loyalty", "points_spent", "Points were spent", "points reward"),
    ("loyalty", "tier_change", "The tier changed", "tier"),
    ("callcentre", "call", "A call was taken", "minutes topic"),
    ("callcentre", "complaint", "A complaint was made", "topic text"),
    ("survey", "survey_answer", "A survey was answered", "survey_id score"),
    ("ads", "ad_impression", "An advertisement was seen", "campaign"),
    ("ads", "ad_click", "An advertisement was clicked", "campaign"),
    ("webbanners", "banner_shown", "A banner was shown", "banner_id"),
    ("webbanners", "banner_clicked", "A banner was clicked", "banner_id"),
]

ADDRESS_FIELDS = [["street", "Street", "string"], ["city", "City", "string"], ["zip", "Postcode", "string"]]
ORDER_FIELDS = [["order_id", "Order", "string"], ["value", "Value", "float"], ["paid", "Paid", "bool"]]
ORDER_FIELDS += [["ordered", "Ordered", "datetime"], ["items", "Items", "int"]]


def compound(fields: list[list[str]]) -> str:
    """The `data_type` of a compound attribute with these fields (id, name, kind)."""
    return f"compound({orjson.dumps(fields).decode()})"


# id, name, data type, source, and letters: h = hidden, d = disabled, s = system, u = unique, p = personal data
ATTRIBUTES = [
    ("user_identifier", "User identifier", "string", "meiro", "s"),
    ("email", "E-mail", "string", "crm", "up"),
    ("first_name", "First name", "string", "crm", "p"),
    ("last_name", "Last name", "string", "crm", "p"),
    ("full_name", "Full name", "string", "crm", "p"),
    ("phone", "Phone", "string", "crm", "p"),
    ("age", "Age", "int", "crm", ""),
    ("balance", "Balance", "float", "bank_app", ""),
    ("is_subscriber", "Newsletter subscriber", "bool", "email_tool", ""),
    ("birthday", "Birthday", "date", "crm", "p"),
    ("last_purchase", "Last purchase", "datetime", "eshop", ""),
    ("favourite_products", "Favourite products", "string", "eshop", ""),
    ("address", "Address", compound(ADDRESS_FIELDS), "crm", "p"),
    ("recent_order", "Recent order", compound(ORDER_FIELDS), "eshop", ""),
    ("city", "City", "string", "crm", ""),
    ("company", "Company", "string", "crm", ""),
    ("job", "Job", "string", "crm", ""),
    ("language", "Language", "string", "web", ""),
    ("visited_pages", "Visited pages", "string", "web", ""),
    ("loyalty_tier", "Loyalty tier", "string", "loyalty", ""),
    ("loyalty_points", "Loyalty points", "int", "loyalty", ""),
    ("orders_count", "Orders", "int", "eshop", ""),
    ("order_values", "Order values", "float", "eshop", ""),
    ("lifetime_value", "Lifetime value", "float", "eshop", ""),
    ("is_employee", "Employee", "bool", "crm", ""),
    ("has_app", "Has the app", "bool", "mobile_app", ""),
    ("registered", "Registered", "datetime", "web", ""),
    ("last_visit", "Last visit", "datetime", "web", ""),
    ("last_call", "Last call", "date", "callcentre", ""),
    ("email_opens", "E-mails opened", "int", "email_tool", ""),
    ("email_clicks", "E-mails clicked", "int", "email_tool", ""),
    ("churn_score", "Churn score", "float", "meiro", "s"),
    ("purchase_score", "Purchase score", "float", "meiro", "s"),
    ("devices", "Devices", "string", "web", ""),
    ("utm_campaigns", "Campaigns", "string", "ads", ""),
    ("shop_visits", "Visits to shops", "date", "pos", ""),
    ("survey_scores", "Survey scores", "int", "survey", ""),
    ("card_types", "Card types", "string", "bank_app", ""),
    ("consents", "Consents", "string", "web", ""),
    ("push_token", "Push token", "string", "push_tool", "h"),
    ("internal_note", "Internal note", "string", "crm", "h"),
    ("fraud_score", "Fraud score", "float", "bank_app", "h"),
    ("is_test", "Test customer", "bool", "meiro", "hs"),
    ("legacy_id", "Former id", "string", "crm", "d"),
    ("legacy_segment", "Former segment", "string", "crm", "d"),
    ("fax", "Fax", "string", "crm", "hd"),
    ("first_visit", "First visit", "datetime", "web", ""),
    ("basket_size", "Basket size", "int", "eshop", ""),
    ("ip_country", "Country", "string", "web", ""),
    ("nickname", "Nickname", "string", "loyalty", ""),
]

# Only small letters are allowed in these ids.
CATEGORY_WORDS = [
    "stitchingmeiroid",
    "email",
    "phone",
    "loyaltycard",
    "webcookie",
    "appdevice",
    "crmnumber",
    "bankclient",
]
CATEGORY_BASES = ["cookie", "device", "account", "member", "ticket"]
CATEGORY_ENDS = ["web", "app", "shop", "bank", "kiosk", "partner", "archive", "mobile"]


def moments(anchor: datetime, count: int, rng: random.Random) -> list[datetime]:
    """`count` moments in whole seconds before the anchor, oldest first, with ties and gaps of days."""
    moment = anchor - timedelta(days=900)
    result = []
    for place in range(count):
        if place % 7:
            moment += (
                timedelta(seconds=rng.randrange(30, 90_000)) if place % 11 else timedelta(days=rng.randrange(3, 9))
            )
        result.append(moment)
    return result


def source_records(times: Iterable[datetime]) -> list[tuple[Record, datetime]]:
    """The sources, some hidden, some of the system."""
    names = {id: (name, kind) for id, name, kind in SOURCES}
    every = list(SOURCES)
    every += [(f"{id}_{town}", f"{names[id][0]} {town.title()}", names[id][1]) for id in REGIONAL for town in REGIONS]
    return [
        (
            {
                "id": id,
                "name": name,
                "description": f"{name}: events of the type {kind}.",
                "type": kind,
                "is_hidden": int(place % 9 == 8 and kind != "system"),
                "is_system": int(kind == "system"),
                "frontend_settings": {},
                "modified": _z(when + timedelta(hours=place)),
                "created": _z(when),
            },
            when,
        )
        for place, ((id, name, kind), when) in enumerate(zip(every, times, strict=False))
    ]


def event_records(times: Iterable[datetime]) -> list[tuple[Record, datetime]]:
    """The event definitions, with an example payload each."""
    result = []
    for place, ((source, type, text, keys), when) in enumerate(zip(EVENTS, times, strict=False)):
        display = [{"name": key, "type": "string", "format": "text", "path": f"$.{key}"} for key in keys.split()]
        record = {
            "id": f"{source}_{type}",
            "source_id": source,
            "type": type,
            "version": "1-0-0",
            "name": type.replace("_", " ").capitalize(),
            "description": f"{text}.",
            "schema": {"title": type, "display": display},
            "is_hidden": int(place % 13 == 12),
            "is_system": int(source == "webbanners"),
            "examples": [{"payload": {key: f"example {key}" for key in keys.split()}}],
            "ttl": (0, 365, 730)[place % 3],
            "ttl_mutable": place % 2,
            "priority": int(place % 5 == 0),
            "modified": _z(when + timedelta(hours=place)),
            "created": _z(when),
        }
        result.append((record, when))
    return result


def attribute_records(times: Iterable[datetime]) -> list[tuple[Record, datetime]]:
    """The attribute definitions."""
    result = []
    for place, ((id, name, data_type, source, marks), when) in enumerate(zip(ATTRIBUTES, times, strict=False)):
        definition = {
            "id": id,
            "type": "last",
            "value": f"payload->>'{id}'",
            "outer_value": "value",
            "weight": "1",
            "filter": "",
            "outer_filter": "",
            "sources": [source],
            "types": [type for origin, type, _, _ in EVENTS if origin == source][:3],
            "versions": ["1-0-0"],
        }
        record = {
            "id": id,
            "source_id": source,
            "name": name,
            "is_disabled": int("d" in marks),
            "is_unique": int("u" in marks),
            "is_hidden": int("h" in marks),
            "is_system": int("s" in marks),
            "is_pii_protected": int("p" in marks),
            "data_type": data_type,
            "order_index": place,
            "description": f"{name} of a customer.",
            "definition": definition,
            "modified": _space(when + timedelta(hours=place)),
            "created": _space(when),
            "tags": [],
        }
        result.append((record, when))
    return result


def category_records(times: Iterable[datetime]) -> list[tuple[Record, datetime]]:
    """The stitching categories; the first four are open to the Audience API."""
    ids = [*CATEGORY_WORDS, *(base + end for base in CATEGORY_BASES for end in CATEGORY_ENDS)]
    return [
        (
            {
                "id": id,
                "name": id.capitalize(),
                "is_audience_api_enabled": int(place < 4),
                "is_system": int(place == 0),
                "modified": _space(when + timedelta(hours=place)),
                "created": _space(when),
            },
            when,
        )
        for place, (id, when) in enumerate(zip(ids, times, strict=False))
    ]


def _z(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _space(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
