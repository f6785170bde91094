"""Numbers and names within a sentence."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """``1 site``, ``2 sites``; ``many`` where an s is not enough.

    >>> counted(1, "site"), counted(3, "metro"), counted(2, "country", "countries")
    ('1 site', '3 metros', '2 countries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def with_article(noun: str) -> str:
    """
    >>> with_article("region"), with_article("outpost")
    ('a region', 'an outpost')
    """
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def percent(share: float) -> str:
    """A share as it could be typed back, never rounded to all of it.

    >>> percent(0.5), percent(0.955), percent(0.9999)
    ('50%', '95.5%', '99.99%')
    """
    return f"{100 * share:.12g}%"
