"""Which languages a person accepts (RFC 9110, section 12.5.4), for stemming their words."""

from contracts.text import stemmed_languages

MAX_RANGES = 20


def accepted_languages(header: str | None) -> tuple[str, ...]:
    """The languages of an Accept-Language header that can be stemmed, best first; the default without one.

    Anything that is not in the header's form is passed over: it only decides about word endings.
    """
    weighted: list[tuple[float, str]] = []
    for part in (header or "").split(",")[:MAX_RANGES]:
        tag, _, parameter = part.partition(";")
        weight = _weight(parameter)
        if weight > 0:
            weighted.append((weight, tag))
    weighted.sort(key=lambda pair: -pair[0])
    return stemmed_languages(tag for _, tag in weighted)


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0
