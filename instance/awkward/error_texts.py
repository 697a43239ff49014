"""Errors in other words."""

from __future__ import annotations

from instance.awkward.kind import Answer, Kind, Request

TEXTS = (
    "Požadavek nelze zpracovat, protože některý z údajů chybí nebo není platný.",
    "Die Anfrage kann nicht ausgeführt werden: Bitte prüfen Sie Ihre Angaben und Ihre Berechtigungen.",
    "لا يمكن تنفيذ هذا الطلب في الوقت الحالي.",
    "リクエストを処理できませんでした。入力内容と権限を確認してください。",
    "Το αίτημα δεν μπορεί να εκτελεστεί.",
    "您沒有執行此操作所需的權限，或者所請求的資料不存在。",
    "Non. 🙅",
)
LONG = 20  # times, now and then


class ErrorTexts(Kind):
    name = "error_texts"
    sentence = "errors speak seven languages, some at great length, and have no detail"
    allowed = "the contract's Error needs a text under message, in whatever words; detail may be null or left out"

    def after(self, request: Request, answer: Answer) -> None:
        value = answer.value if answer.status >= 400 else None
        if not isinstance(value, dict) or not isinstance(value.get("message"), str):
            return
        text = self.rng.choice(TEXTS)
        value["message"] = " ".join([text] * LONG) if self.rng.randrange(5) == 0 else text
        if "detail" in value:
            value["detail"] = None
            if self.rng.randrange(2):
                del value["detail"]
        answer.changed = True
