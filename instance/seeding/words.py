"""Words for seeded records: made once by Faker, combined by the seed."""

from __future__ import annotations

import random

from faker import Faker

# What is asked of Faker; it starts much faster without the rest.
PROVIDERS = [f"faker.providers.{name}" for name in ("address", "color", "company", "job", "lorem", "person")]
# Texts that programs like to break: accents, right to left, emoji, quotes, HTML and SQL characters, decomposed forms.
AWKWARD = (
    "Žluťoučký kůň",
    "Größe & Maß",
    "日本語の名前",
    "مرحبا بالعالم",
    "שלום עולם",
    "Hà Nội — Sài Gòn",
    "👩‍🚀 Launch 🚀",
    'O\'Brien "quoted" \\ back',
    "<b>bold</b> &amp; co",
    "100 % _off_ * now",
    "Robert'); DROP TABLE segments;--",
    "e\u0301clair (decomposed)",
)
KINDS = (
    "Spring",
    "Summer",
    "Autumn",
    "Winter",
    "Weekly",
    "Monthly",
    "Welcome",
    "Loyalty",
    "Black Friday",
    "Reactivation",
)


class Words:
    """Pools of names and texts. The same random source gives the same words."""

    def __init__(self, rng: random.Random) -> None:
        fake = Faker("en_GB", providers=PROVIDERS)
        fake.seed_instance(rng.getrandbits(32))
        self.rng = rng
        self.people = [fake.name() for _ in range(120)]
        self.words = fake.words(200)
        self.sentences = [fake.sentence(8) for _ in range(120)]
        self.phrases = [fake.catch_phrase() for _ in range(120)]
        self.colors = [fake.hex_color() for _ in range(40)]

    def name(self, place: int) -> str:
        """A name of a thing; one in six is awkward."""
        if place % 6 == 5:
            return f"{self.rng.choice(AWKWARD)} {place}"
        return f"{self.rng.choice(KINDS)} {self.rng.choice(self.phrases).lower()}"

    def person(self, place: int) -> str:
        """A person's name."""
        return self.rng.choice(AWKWARD[:6]) if place % 9 == 8 else self.rng.choice(self.people)

    def sentence(self) -> str:
        """A sentence or two; one in eight awkward."""
        if self.rng.randrange(8) == 0:
            return f"{self.rng.choice(self.sentences)} {self.rng.choice(AWKWARD)}"
        return self.rng.choice(self.sentences)

    def word(self) -> str:
        """A plain lower-case word."""
        return str(self.rng.choice(self.words))
