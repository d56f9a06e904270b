"""Networks that are exported in a moment."""
from __future__ import annotations

from dataclasses import replace

from tdnet_ros.nets.card import ModelCard, untrained_card

SIZE = (49, 65)


def narrow(name: str, **changes: object) -> ModelCard:
    card = untrained_card(name)
    return replace(card, architecture=replace(card.architecture, width=0.125, **changes))
