"""Company names as different people write them: Latin, accented, Cyrillic and Chinese, clean and misspelt."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from demo.world import SECTORS, Ints, Texts

_HEADS = (
    "Al", "Ar", "Bel", "Bor", "Cal", "Cor", "Dal", "Dor", "El", "Fal", "Gar", "Gor", "Hal", "Har", "Ind",
    "Jan", "Kal", "Kor", "Lam", "Lin", "Mar", "Mer", "Nor", "Ol", "Par", "Per", "Quin", "Ros", "Sal",
    "Ster", "Tal", "Tor", "Ul", "Val", "Ver", "Wal", "Win", "Yar", "Zan", "Zel",
)  # fmt: skip
_MIDDLES = (
    "a", "an", "ari", "be", "co", "da", "de", "e", "en", "ga", "i", "in", "ka", "la", "le", "li", "ma",
    "mo", "na", "ni", "o", "pa", "ra", "ri", "ro", "sa", "se", "ta", "te", "va",
)  # fmt: skip
_TAILS = (
    "bach", "berg", "bury", "court", "dale", "dor", "dyne", "field", "ford", "gate", "ham", "hold", "kamp",
    "land", "lev", "lin", "lund", "mann", "mark", "mont", "more", "nex", "nova", "plex", "port", "ric",
    "sen", "son", "stad", "stone", "tec", "ter", "ton", "tor", "vale", "ven", "vik", "well", "wick", "wood",
)  # fmt: skip
_FAMILY_DE = ("Müller", "Schröder", "Krämer", "Günther", "Böhm", "Weiß", "Lührs", "Köhler")
_FAMILY_FR = ("Lefèvre", "Béranger", "Français", "Gérard", "Mérand", "Léon", "Noël", "Hébert")
_FAMILY_PL = ("Łukasik", "Gołąb", "Wójcik", "Żak", "Świątek", "Dąbrowa")

# Chinese characters with their pinyin.
_HAN = "恒泰华瑞鑫隆盛达宏远金源利德顺丰嘉信博通海天东方润科联创"
_PINYIN = (
    "heng", "tai", "hua", "rui", "xin", "long", "sheng", "da", "hong", "yuan", "jin", "yuan", "li", "de",
    "shun", "feng", "jia", "xin", "bo", "tong", "hai", "tian", "dong", "fang", "run", "ke", "lian", "chuang",
)  # fmt: skip

_CYRILLIC = str.maketrans("abcdefghijklmnopqrstuvwxyz", "абкдефгхийклмнопкрстуввхъз")

# Legal forms by country; a company keeps one form, written one way or another.
_FORMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "US": (("Inc.", "Incorporated", "INC"), ("LLC", "L.L.C.", "Llc"), ("Corp.", "Corporation", "Corp")),
    "DE": (
        ("GmbH", "G.m.b.H.", "Gesellschaft mbH"),
        ("GmbH & Co. KG", "GmbH + Co KG"),
        ("AG", "Aktiengesellschaft"),
    ),
    "GB": (("Ltd", "Limited", "LTD."), ("PLC", "plc"), ("LLP", "L.L.P.")),
    "FR": (("SARL", "S.A.R.L."), ("SAS", "S.A.S."), ("SA", "S.A.")),
    "CN": (("有限公司", "有限责任公司"),),
    "IT": (("S.r.l.", "Srl", "SRL"), ("S.p.A.", "SpA")),
    "NL": (("B.V.", "BV"),),
    "PL": (("Sp. z o.o.", "Spółka z o.o.", "SP ZOO"), ("S.A.", "SA")),
    "BG": (("ООД", "ООД."), ("ЕООД", "Е.О.О.Д."), ("АД", "А.Д.")),
}
COUNTRIES = tuple(_FORMS)
COUNTRY_SHARE = np.array([0.38, 0.19, 0.14, 0.10, 0.08, 0.04, 0.03, 0.02, 0.02])
CITIES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "US": (("Chicago", "IL", "606"), ("Houston", "TX", "770"), ("Columbus", "OH", "432"),
           ("Denver", "CO", "802"), ("Atlanta", "GA", "303"), ("Portland", "OR", "972")),
    "DE": (("München", "BY", "80"), ("Köln", "NW", "50"), ("Düsseldorf", "NW", "40"), ("Hamburg", "HH", "20"),
           ("Nürnberg", "BY", "90")),
    "GB": (("London", "England", "EC1A "), ("Leeds", "England", "LS1 "), ("Glasgow", "Scotland", "G2 "),
           ("Cardiff", "Wales", "CF10 ")),
    "FR": (("Lyon", "Auvergne-Rhône-Alpes", "690"), ("Nîmes", "Occitanie", "300"),
           ("Saint-Étienne", "Auvergne-Rhône-Alpes", "420"), ("Lille", "Hauts-de-France", "590")),
    "CN": (("上海", "上海", "2000"), ("深圳", "广东", "5180"), ("苏州", "江苏", "2150"),
           ("宁波", "浙江", "3150")),
    "IT": (("Milano", "MI", "201"), ("Forlì", "FC", "471")),
    "NL": (("Rotterdam", "ZH", "30"), ("Eindhoven", "NB", "56")),
    "PL": (("Łódź", "łódzkie", "90-"), ("Kraków", "małopolskie", "30-")),
    "BG": (("София", "София", "10"), ("Пловдив", "Пловдив", "40")),
}  # fmt: skip
_CITY_LATIN = {"上海": "Shanghai", "深圳": "Shenzhen", "苏州": "Suzhou", "宁波": "Ningbo", "София": "Sofia",
               "Пловдив": "Plovdiv"}  # fmt: skip
_STREETS = {
    "US": ("Main Street", "Industrial Parkway", "Lake Avenue", "Commerce Drive"),
    "DE": ("Hauptstraße", "Industriestraße", "Am Hafen", "Lindenallee"),
    "GB": ("High Street", "Station Road", "Mill Lane", "Victoria Road"),
    "FR": ("rue de la République", "avenue Foch", "chemin des Prés", "rue du Château"),
    "CN": ("中山路", "人民路", "工业大道", "解放路"),
    "IT": ("Via Roma", "Via Garibaldi"),
    "NL": ("Stationsweg", "Havenstraat"),
    "PL": ("ul. Długa", "ul. Przemysłowa"),
    "BG": ("ул. Витоша", "бул. България"),
}
_STREET_SHORT = (("Street", "St."), ("straße", "str."), ("Avenue", "Ave"), ("Road", "Rd"), ("Drive", "Dr."))
_DIAL = dict(zip(COUNTRIES, ("+1", "+49", "+44", "+33", "+86", "+39", "+31", "+48", "+359"), strict=True))
_TLD = dict(zip(COUNTRIES, ("com", "de", "co.uk", "fr", "com.cn", "it", "nl", "pl", "bg"), strict=True))


@dataclass(frozen=True)
class NameBook:
    """How each company can be written, arrays of shape (n,)."""

    local: Texts  # registered name
    latin: Texts  # the same in Latin letters without accents, other spelling of the legal form
    trade: Texts  # trade name, or None
    email_domain: Texts


def fold(text: str) -> str:
    """Latin letters without accents."""
    replaced = text.replace("ß", "ss").replace("ł", "l").replace("Ł", "L")
    decomposed = unicodedata.normalize("NFKD", replaced)
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def misspell(text: str, rng: np.random.Generator) -> str:
    """One typing mistake: two letters swapped, one lost, or one doubled."""
    letters = [
        index for index in range(1, len(text) - 1) if text[index].isalpha() and text[index + 1].isalpha()
    ]
    if not letters:
        return text + text[-1]
    # An early letter, so that the name and not the legal form is hit.
    position = letters[int(rng.integers(0, max(1, min(len(letters), 8))))]
    kind = int(rng.integers(0, 3))
    if kind == 0 and text[position] != text[position + 1]:
        return text[:position] + text[position + 1] + text[position] + text[position + 2 :]
    if kind == 1:
        return text[:position] + text[position + 1 :]
    return text[:position] + text[position] + text[position:]


def _choose(rng: np.random.Generator, options: tuple[str, ...], count: int) -> Texts:
    return np.array(options, dtype=object)[rng.integers(0, len(options), count)]


def build_names(rng: np.random.Generator, country: Ints, sector: Ints) -> NameBook:
    """Names for companies given by country and sector index."""
    count = len(country)
    middle = np.where(rng.random(count) < 0.5, _choose(rng, _MIDDLES, count), "").astype(object)
    root: Texts = _choose(rng, _HEADS, count) + middle + _choose(rng, _TAILS, count)
    second: Texts = _choose(rng, _HEADS, count) + _choose(rng, _TAILS, count)
    with_family = rng.random(count) < 0.35
    family_index = rng.integers(0, 1_000, count)
    han = np.array(list(_HAN), dtype=object)
    pinyin = np.array(_PINYIN, dtype=object)
    first, last = rng.integers(0, len(_HAN), count), rng.integers(0, len(_HAN), count)
    third = rng.integers(0, len(_HAN) * 2, count)
    word_index = rng.integers(0, 2, count)
    form_index = rng.integers(0, 6, count)
    two_roots = rng.random(count) < 0.30
    local, latin, trade, domain = (np.empty(count, dtype=object) for _ in range(4))
    # One pass over companies, not over facts.
    for index in range(count):
        code = COUNTRIES[country[index]]
        _, english, german, french, chinese = SECTORS[sector[index]]
        forms = _FORMS[code]
        form = forms[form_index[index] % len(forms)]
        other_form = form[-1] if len(form) > 1 else form[0]
        name = f"{root[index]} {second[index]}" if two_roots[index] else str(root[index])
        word = english[word_index[index]]
        if code == "CN":
            characters = han[first[index]] + han[last[index]]
            spelled = pinyin[first[index]] + pinyin[last[index]]
            if third[index] < len(_HAN):
                characters += han[third[index]]
                spelled += pinyin[third[index]]
            city = CITIES["CN"][index % len(CITIES["CN"])][0]
            local[index] = f"{city}{characters}{chinese}{form[0]}"
            latin[index] = f"{_CITY_LATIN[city]} {spelled.capitalize()} {word} Co., Ltd."
            trade[index] = f"{spelled.capitalize()} {word}"
            domain[index] = spelled + "." + _TLD[code]
            continue
        if code == "BG":
            cyrillic = name.lower().translate(_CYRILLIC)
            cyrillic = " ".join(part.capitalize() for part in cyrillic.split())
            local[index] = f"{cyrillic} {form[0]}"
            latin[index] = f"{name} {'OOD' if form[0] == 'ООД' else 'EOOD' if form[0] == 'ЕООД' else 'AD'}"
            trade[index] = name
        else:
            family = {"DE": _FAMILY_DE, "FR": _FAMILY_FR, "PL": _FAMILY_PL}.get(code)
            if family and with_family[index]:
                name = f"{family[family_index[index] % len(family)]} {name}"
            if code == "DE":
                word = german[word_index[index]]
            elif code == "FR":
                word = french[word_index[index]]
            local[index] = f"{name} {word} {form[0]}"
            latin[index] = f"{fold(name)} {fold(word)} {fold(other_form)}"
            trade[index] = name if with_family[index] else None
        domain[index] = fold(name).lower().replace(" ", "") + "." + _TLD[code]
    return NameBook(local, latin, trade, domain)


@dataclass(frozen=True)
class Address:
    """Where a company sits, arrays of shape (n,)."""

    region: Texts
    city: Texts
    postal_code: Texts
    street: Texts
    phone: Texts


def build_addresses(rng: np.random.Generator, country: Ints) -> Address:
    count = len(country)
    place, number = rng.integers(0, 1_000, count), rng.integers(1, 240, count)
    code, line = rng.integers(0, 100, count), rng.integers(2_000_000, 9_999_999, count)
    area, street_index = rng.integers(20, 99, count), rng.integers(0, 1_000, count)
    region, city, postal_code, street, phone = (np.empty(count, dtype=object) for _ in range(5))
    for index in range(count):
        key = COUNTRIES[country[index]]
        town, state, prefix = CITIES[key][place[index] % len(CITIES[key])]
        streets = _STREETS[key]
        road = streets[street_index[index] % len(streets)]
        region[index], city[index] = state, town
        suffix = {"DE": "3", "GB": "1", "NL": "2", "PL": "3", "BG": "2"}.get(key, "2")
        postal_code[index] = (
            f"{prefix}{code[index] % 10}{'ABDEFGHJLN'[code[index] // 10]}{'ABDEFGHJLN'[number[index] % 10]}"
            if key == "GB"
            else f"{prefix}{code[index]:0{suffix}d}"
        )
        numbered_first = key in ("US", "GB", "FR")
        street[index] = f"{number[index]} {road}" if numbered_first else f"{road} {number[index]}"
        phone[index] = f"{_DIAL[key]} {area[index]} {line[index]}"
    return Address(region, city, postal_code, street, phone)


def rewrite_street(street: str) -> str:
    """The street as a second clerk abbreviates it."""
    for long_form, short_form in _STREET_SHORT:
        street = street.replace(long_form, short_form)
    return street


def rewrite_city(city: str) -> str:
    return _CITY_LATIN.get(city, fold(city))
