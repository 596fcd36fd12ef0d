"""Words of names and values that mean churned or stayed, in several languages."""

from __future__ import annotations

import re

__all__ = [
    "is_date_word",
    "is_leaving_name",
    "is_prediction",
    "means_no_end",
    "name_direction",
    "name_rating",
    "value_direction",
    "yes_or_no",
]

_WORDS = re.compile(r"[a-z0-9\u00c0-\u9fff\uac00-\ud7af]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NEGATIONS = {
    "not", "non", "no", "never", "un", "nicht", "kein", "keine", "nie", "pas", "ne", "nao", "não",
    "niet", "geen", "sin", "sem",
}  # fmt: skip
# Beginnings of words; single words are in parentheses of a pattern, ended by $.
_CHURNED = re.compile(
    "churn|attrit|cancel|exit|lost$|leave|left$|lapse|quit$|gone$|inactiv|closed$|terminat|stopped$|"
    "former$|ended$|expired$|drop(?:ped|out)|deactivat|unsubscri|dormant|defect(?:ed|or)|disconnect|"
    "withdr|departed|kündig|kuendig|gekünd|gekuend|abgewander|abwander|storn|inaktiv|verloren|"
    "ausgetreten|rezygn|odesz|odejś|odejsc|zrezygn|odchod|odešel|uppsagd|avslut|opsagt|oppsagt|iptal|"
    "ayr\u0131l|отток|ушел|ушёл|отказ|résili|resili|désabonn|desabonn|perdu|inactif|baja$|abandon|inactivo|perdid|evad|"
    "evas[aã]o|inativ|saiu$|desist|disdett|cessat|inattiv|opgezegd|vertrokken|inactief|"
    "解約|退会|離脱|流失|해지|이탈"
)
_STAYED = re.compile(
    "stay|exist|activ|retain|retention|current|loyal|renew|kept$|open$|joined$|remain|continu|ongoing|"
    "aktiv|geblieben|bleib|bestand|treu|verlänger|verlaenger|actif|resté|fid[eè]l|renouvel|alta$|"
    "permanec|renov|vigente|ativo|ativa|retid|fiel|attiv|rimast|rinnov|actief|gebleven|subscribed$|"
    "継続|留存|유지"
)
# In names, unlike in values, words such as "closed" or "expired" are no sign of a label.
_CHURN_NAMES = re.compile(
    "churn|attrit|cancel|exited$|left$|leavers?$|lapsed$|quit$|defected$|kündig|kuendig|gekünd|"
    "gekuend|abgewander|abwander|résili|resili|désabonn|desabonn|baja$|abandon|evas[aã]o|evadid|"
    "desistiu|austritt|ausgetreten|disdett|rezygnac|zrezygn|odszed|uppsagd|opsagt|oppsagt|iptal|отток|opgezegd|解約|退会|離脱|流失|해지|이탈"
)
# Beginnings of words by which dates of leaving are named; a period of notice is none.
_LEAVING = re.compile(
    "austritt|ausgetreten|k(?:ü|ue)ndigung(?!sfrist)|gek(?:ü|ue)ndigt|abmeld|abgemeldet|storn|vertragsende|"
    "r[ée]sili|d[ée]sabonn|d[ée]sinscri|baja$|rescis|cancelaci[oó]n|cancelamento|cancelad|desligamento|"
    "encerramento|disdett|recesso$|cessazione|opgezegd|opzeg|uitschrij|uitgeschreven|be[ëe]indig"
)
# Names of labels in which 1 conventionally means churned, and of columns that may be one.
_TARGETS = {"target", "label", "y", "outcome", "class", "event"}
_STRONG_STAY = re.compile(
    "retain|retention|renew|stayed$|loyal|geblieben|verlänger|renouvel|renov|rinnov|resté|permanec|"
    "継続|留存"
)
_WEAK = re.compile("activ|aktiv|actif|ativ|attiv|status$|current$|estado$|statut$|stato$|stand$")
# Words of the output of another model, and of states that are no customer's.
_PREDICTION = {
    "score", "scores", "probability", "probabilities", "prob", "proba", "propensity", "predicted", "prediction",
    "pred", "likelihood", "risk", "classifier", "forecast", "wahrscheinlichkeit", "probabilidad",
    "probabilidade", "probabilité", "prognose",
}  # fmt: skip
_OTHER_STATES = {
    "marital", "married", "employment", "job", "work", "civil", "family", "education", "housing", "home",
    "residence", "residency", "smoking", "health",
}  # fmt: skip
_NO_END = {
    "present",
    "current",
    "ongoing",
    "open",
    "none",
    "now",
    "heute",
    "offen",
    "laufend",
    "-",
    "--",
    "—",
}
_YES = {
    "y", "yes", "t", "true", "1", "j", "ja", "oui", "o", "si", "sí", "s", "sim", "wahr", "vrai",
    "vero", "verdadero", "verdadeiro", "on", "はい", "是", "tak", "ano", "evet", "да", "kyllä", "igen",
}  # fmt: skip
_NO = {
    "n", "no", "f", "false", "0", "nein", "non", "não", "nao", "nee", "falsch", "faux", "falso",
    "off", "いいえ", "否", "nie", "ne", "nej", "nei", "нет", "ei", "nem", "hay\u0131r",
}  # fmt: skip
_DATE_WORDS = {
    "date", "day", "time", "timestamp", "at", "on", "datum", "fecha", "data", "since", "seit", "until",
    "month", "monat", "mois", "mes", "mese", "period", "week", "epoch", "ts", "dt", "datetime",
    "snapshot", "日付", "日",
}  # fmt: skip


def _words(text: str) -> list[str]:
    return _WORDS.findall(_CAMEL.sub(" ", text).lower())


def name_direction(name: str) -> int:
    """Return 1 if true means churned by a column's name, -1 if it means stayed, else 0.

    Examples
    --------
    >>> name_direction("is_canceled"), name_direction("Retained"), name_direction("not_renewed")
    (1, -1, 1)
    >>> name_direction("target"), name_direction("IsActiveMember"), name_direction("Gekündigt?")
    (0, -1, 1)
    """
    return _direction(_words(name))


def value_direction(text: str) -> int:
    """Return 1 if a value means churned, -1 if it means stayed, 0 if neither is certain.

    Examples
    --------
    >>> [value_direction(text) for text in ("Existing Customer", "Attrited Customer", "No churn")]
    [-1, 1, -1]
    >>> [value_direction(text) for text in ("Not renewed", "No longer active", "Pending", "Yes")]
    [1, 1, 0, 0]
    """
    return _direction(_words(text))


def _direction(words: list[str]) -> int:
    directions = set()
    is_negated = False
    for word in words:
        if word in _NEGATIONS:
            is_negated = not is_negated
            continue
        sign = 1 if _CHURNED.match(word) else -1 if _STAYED.match(word) else 0
        if sign:
            directions.add(-sign if is_negated else sign)
            is_negated = False
    return directions.pop() if len(directions) == 1 else 0


def name_rating(name: str) -> int:
    """Rate a name as that of the label, from 4, churn, to 1, a status, and 0 for other names.

    Examples
    --------
    >>> [name_rating(name) for name in ("Churn", "renewed", "target", "is_active", "tenure")]
    [4, 3, 2, 1, 0]
    """
    words = _words(name)
    if any(map(_CHURN_NAMES.match, words)):
        return 4
    if any(map(_STRONG_STAY.match, words)):
        return 3
    if set(words) & _TARGETS:
        return 2
    if set(words) & _OTHER_STATES:
        return 0
    return int(any(_WEAK.match(word) or _CHURNED.match(word) for word in words))


def is_prediction(name: str) -> bool:
    """Return True for the name of another model's prediction of churn.

    Examples
    --------
    >>> is_prediction("Churn Score"), is_prediction("predicted_churn"), is_prediction("credit_score")
    (True, True, False)
    """
    return name_rating(name) == 4 and bool(set(_words(name)) & _PREDICTION)


def means_no_end(text: str) -> bool:
    """Return True for a text that stands for no date of an end.

    Examples
    --------
    >>> means_no_end("No"), means_no_end("still active"), means_no_end("0"), means_no_end("unknown")
    (True, True, False, False)
    """
    if any(map(str.isdigit, text)):
        return False
    is_no = yes_or_no(text) is False or value_direction(text) == -1
    return is_no or text.strip().casefold() in _NO_END


def yes_or_no(text: str) -> bool | None:
    """Read yes or no in several languages; None for other texts.

    Examples
    --------
    >>> yes_or_no("Ja"), yes_or_no("False."), yes_or_no("maybe")
    (True, False, None)
    """
    word = text.strip(" .!").casefold()
    if word in _YES:
        return True
    return False if word in _NO else None


def is_leaving_name(name: str) -> bool:
    """Return True for the name of a time at which a customer leaves, in languages beside English.

    Examples
    --------
    >>> [is_leaving_name(name) for name in ("Austrittsdatum", "fecha_baja", "date_resiliation")]
    [True, True, True]
    >>> [is_leaving_name(name) for name in ("Eintritt", "Kündigungsfrist", "fecha_alta")]
    [False, False, False]
    """
    return any(map(_LEAVING.match, _words(name)))


def is_date_word(name: str) -> bool:
    """Return True for a name with a word for dates or times.

    Examples
    --------
    >>> is_date_word("signupDate"), is_date_word("created_at"), is_date_word("visits")
    (True, True, False)
    """
    return bool(set(_words(name)) & _DATE_WORDS)
