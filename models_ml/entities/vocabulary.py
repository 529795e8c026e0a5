"""Words that carry no identity: legal forms, generic company words, abbreviations, free-mail domains,
letter foldings.

Every entry is written in folded form: lower case, accents stripped, punctuation turned into spaces, dotted
letters joined ("s.a." is "sa") and Cyrillic in Latin letters ("ООО" is "ooo").
"""

from __future__ import annotations

# Forms that are no other word, so that they may be dropped before a branch or plant too ("Borvil Ltd - Leeds").
INNER_LEGAL_FORMS: tuple[str, ...] = (
    "ltd", "limited", "co ltd", "co limited", "pvt ltd", "pvt limited", "private limited", "private ltd",
    "pte ltd", "pty ltd", "pty limited", "gmbh", "inc", "llc", "plc",
)  # fmt: skip

# Legal forms that stand at the end of a name, one or several in a row ("co ltd", "gmbh and co kg").
TRAILING_LEGAL_FORMS: tuple[str, ...] = (
    # English-speaking countries and India
    "inc", "incorporated", "corp", "corporation", "co", "company", "compay", "llc", "llp", "lllp", "lp",
    "pllc",
    "pc", "ltd", "ltda", "limited", "plc", "ulc", "pty", "proprietary", "pvt", "private", "pte", "pl",
    "cic", "dac",
    "clg", "unlimited", "public limited company", "limited liability company",
    "limited liability partnership",
    "joint stock company", "jsc", "cjsc", "ojsc", "pjsc", "one member", "opc", "sdn bhd", "sdn", "bhd",
    "berhad",
    "fze", "fzc", "fzco", "fz llc", "wll", "llc fz", "ic", "saog", "qsc", "psc",
    # German-speaking countries
    "gmbh", "mbh", "ggmbh", "ag", "aktiengesellschaft", "gesellschaft mit beschrankter haftung",
    "gesellschaft mbh", "kg", "kgaa", "ohg",
    "ug", "ug haftungsbeschrankt", "gbr", "ev", "eg", "ek", "e k", "gesmbh", "stiftung and co kg",
    "and co kg",
    "gmbh and co kg", "gmbh and co", "gmbh and co ohg", "se", "se and co kgaa",
    # French-, Italian-, Spanish- and Portuguese-speaking countries
    "sa", "sas", "sasu", "sarl", "sarlau", "eurl", "snc", "sca", "scs", "scop", "sci", "gie", "sprl",
    "scrl", "asbl",
    "spa", "srl", "srls", "sapa", "soc coop", "soc coop agr", "scarl", "societa per azioni",
    "societe anonyme", "sl", "slu", "sau", "sll", "slp", "sociedad anonima", "sociedad limitada",
    "sociedade anonima", "sa de cv", "sapi de cv", "s de rl de cv", "s de rl", "sab de cv", "sab", "cv",
    "eirl",
    "sac", "saa", "sas esp", "lda", "limitada", "eireli", "epp", "unipessoal lda", "e hijos",
    # Low Countries and Scandinavia
    "bv", "nv", "vof", "bvba", "cvba", "besloten vennootschap", "naamloze vennootschap", "ab",
    "aktiebolag", "publ",
    "as", "asa", "aps", "ivs", "ans", "oy", "oyj", "ky", "hb", "kb", "ehf", "hf", "ou", "sia", "uab",
    # Central and eastern Europe, Turkey, Greece
    "sp zoo", "sp z oo", "sp z o o", "spolka z oo", "spolka z ograniczona odpowiedzialnoscia",
    "spolka akcyjna",
    "sp k", "sp j", "sro", "s r o", "spol s ro", "as cz", "kft", "zrt", "nyrt", "bt", "kkt", "doo",
    "d o o", "dd",
    "ad", "eood", "ood", "ead", "shpk", "tov", "pat", "san ve tic", "san ve tic as", "san tic", "lt", "sti",
    "sanayi ve ticaret", "sanayi ve ticaret as", "tic ltd sti", "ltd sti", "limited sirketi",
    "anonim sirketi",
    "ae", "ee", "epe", "ike", "oe", "mon epe",
    "ooo", "oao", "zao", "pao", "ao", "nao", "tdv", "too", "chup", "odo", "ip", "fop", "fgup", "gup",
    "obshchestvo s ogranichennoi otvetstvennostiu", "aktsionernoe obshchestvo",
    # Asia in Latin letters
    "tbk", "kk", "kabushiki kaisha", "gk", "godo kaisha", "yk", "co limited", "company limited",
    "joint venture",
    "public company limited", "pcl", "tnhh", "cong ty tnhh", "jv",
)  # fmt: skip

# Forms with a register, or a debtor in law, of their own: two names that differ in them are two companies until
# somebody says otherwise. Spellings of one form share a line.
REGISTERED_FORMS: dict[str, tuple[str, ...]] = {
    "gmbh": ("gmbh", "mbh", "ggmbh", "gesmbh", "gesellschaft mbh", "gesellschaft mit beschrankter haftung",
             "ug", "ug haftungsbeschrankt"),
    "co_kg": ("gmbh and co kg", "gmbh and co", "gmbh and co ohg", "ag and co kg", "ug and co kg",
              "stiftung and co kg", "and co kg", "kg", "ohg"),
    "kgaa": ("kgaa", "se and co kgaa", "gmbh and co kgaa"),
    "ag": ("ag", "aktiengesellschaft"),
    "se": ("se",),
    "ltd": ("ltd", "limited"),
    "plc": ("plc", "public limited company"),
    "llp": ("llp", "limited liability partnership"),
    "llc": ("llc", "limited liability company"),
    "inc": ("inc", "incorporated", "corp", "corporation"),
    "lp": ("lp", "lllp"),
    "sarl": ("sarl", "eurl"),
    "sas": ("sas", "sasu"),
    "sa": ("sa", "societe anonyme", "sociedad anonima", "sociedade anonima"),
    "snc": ("snc",),
    "spa": ("spa", "societa per azioni"),
    "srl": ("srl", "srls"),
    "bv": ("bv", "besloten vennootschap"),
    "nv": ("nv", "naamloze vennootschap"),
}  # fmt: skip

# Legal forms that stand in front of a name.
LEADING_LEGAL_FORMS: tuple[str, ...] = (
    "ooo", "oao", "zao", "pao", "ao", "nao", "too", "ip", "tov", "chup", "fgup", "gup", "odo", "fop",
    "obshchestvo s ogranichennoi otvetstvennostiu", "aktsionernoe obshchestvo",
    "publichnoe aktsionernoe obshchestvo", "zakrytoe aktsionernoe obshchestvo",
    "otkrytoe aktsionernoe obshchestvo", "pt", "ud", "cong ty tnhh", "cong ty co phan", "cong ty", "ms",
    "messrs",
    "firma", "fa", "sarl", "the",
)  # fmt: skip

# Chinese, Japanese and Korean forms, at the end or in front, written without spaces; longest first.
CJK_LEGAL_FORMS: tuple[str, ...] = (
    "股份有限责任公司", "有限责任公司", "有限責任公司", "股份有限公司", "集团有限公司", "集團有限公司",
    "普通合伙企业",
    "有限合伙企业", "个人独资企业", "股份公司", "有限公司", "分公司", "公司", "有限合伙", "普通合伙", "工厂",
    "厂",
    "株式会社", "株式會社", "有限会社", "合同会社", "合資会社", "合名会社", "주식회사", "유한회사",
    "유한책임회사",
    "합자회사",
)  # fmt: skip

# Words that follow many names without telling two companies apart. Two names equal only after these are
# taken away are worth a look by a person; they are never merged for it.
GENERIC_WORDS: tuple[str, ...] = (
    "us", "usa", "uk", "in", "trust", "systems", "system", "associates", "associate", "foundation", "group",
    "holding", "holdings", "international", "global", "worldwide", "enterprise", "enterprises", "industries",
    "industry", "services", "service", "solutions", "partners", "partner", "trading", "ventures", "gruppe",
    "groupe", "gruppo", "grupo", "invest", "beteiligungs", "verwaltungs",
)  # fmt: skip
CJK_GENERIC_WORDS: tuple[str, ...] = (
    "控股集团", "控股集團", "集团", "集團", "控股", "国际", "國際", "グループ", "ホールディングス", "그룹",
)  # fmt: skip

# Words dropped before names are compared word by word.
STOP_WORDS: tuple[str, ...] = ("and", "the", "und", "et", "y", "e", "i", "of", "de", "dba", "ta")

# Written short in one system, in full in the other.
ABBREVIATIONS: dict[str, str] = {
    "intl": "international", "int": "international", "internat": "international", "mfg": "manufacturing",
    "mfy": "manufacturing", "mfty": "manufacturing", "manuf": "manufacturing", "mfr": "manufacturing",
    "svc": "service", "svcs": "services", "serv": "services", "bros": "brothers", "gebr": "gebruder",
    "assoc": "associates", "assn": "association", "natl": "national", "dev": "development",
    "eng": "engineering",
    "engr": "engineering", "grp": "group", "hldg": "holding", "hldgs": "holdings", "ind": "industries",
    "inds": "industries", "tech": "technology", "technol": "technology", "techs": "technologies",
    "dist": "distribution", "distr": "distribution", "equip": "equipment", "elec": "electric",
    "electr": "electric", "electron": "electronics", "prod": "products", "prods": "products",
    "sys": "systems",
    "transp": "transport", "trans": "transport", "constr": "construction", "bldg": "building",
    "chem": "chemical",
    "pharm": "pharmaceutical", "pharma": "pharmaceutical", "mgmt": "management", "mkt": "market",
    "mktg": "marketing", "univ": "university", "ctr": "center", "centre": "center", "lab": "laboratory",
    "labs": "laboratories", "st": "saint", "amer": "american", "std": "standard", "masch": "maschinenbau",
    "gen": "general", "mech": "mechanical", "log": "logistics", "solns": "solutions", "ent": "enterprises",
    "entpr": "enterprises", "imp": "import", "exp": "export", "sanayi": "san", "ticaret": "tic",
}  # fmt: skip

# Street types, the long form first.
STREET_WORDS: tuple[tuple[str, str], ...] = (
    ("street", "st"), ("strasse", "str"), ("avenue", "ave"), ("boulevard", "blvd"), ("road", "rd"),
    ("drive", "dr"),
    ("lane", "ln"), ("place", "pl"), ("square", "sq"), ("court", "ct"), ("highway", "hwy"), ("parkway",
    "pkwy"),
    ("suite", "ste"), ("building", "bldg"), ("floor", "fl"), ("apartment", "apt"), ("unit", "ste"),
    ("north", "n"), ("south", "s"), ("east", "e"), ("west", "w"), ("platz", "pl"), ("ulitsa", "ul"),
    ("prospekt", "pr"), ("avenida", "av"), ("calle", "c"), ("rue", "r"), ("via", "v"), ("industrial", "ind"),
)  # fmt: skip

# Mail domains anybody can have an address at: they say nothing about the company.
FREE_MAIL_DOMAINS: tuple[str, ...] = (
    "gmail.com", "googlemail.com", "yahoo.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "ymail.com",
    "hotmail.com",
    "hotmail.co.uk", "hotmail.fr", "outlook.com", "live.com", "msn.com", "aol.com", "icloud.com", "me.com",
    "mac.com",
    "gmx.de", "gmx.net", "gmx.com", "web.de", "t-online.de", "freenet.de", "orange.fr", "wanadoo.fr",
    "free.fr",
    "laposte.net", "sfr.fr", "libero.it", "virgilio.it", "tin.it", "terra.com.br", "uol.com.br", "bol.com.br",
    "mail.ru", "yandex.ru", "ya.ru", "rambler.ru", "bk.ru", "list.ru", "inbox.ru", "ukr.net", "wp.pl",
    "o2.pl",
    "onet.pl", "interia.pl", "seznam.cz", "qq.com", "163.com", "126.com", "139.com", "189.cn", "sina.com",
    "sina.cn", "sohu.com", "foxmail.com", "aliyun.com", "yeah.net", "naver.com", "daum.net", "hanmail.net",
    "rediffmail.com", "protonmail.com", "proton.me", "zoho.com", "fastmail.com", "example.com", "example.org",
)  # fmt: skip

# Compatibility forms that NFC leaves as they are: full-width ASCII and the ideographic space.
FULL_WIDTH = "".join(chr(code) for code in range(0xFF01, 0xFF5F)) + "\u3000"
HALF_WIDTH = "".join(chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)) + " "

# One-to-one foldings that stripping accents does not do; Cyrillic after accents are stripped (й is и, ё is
# е).
LETTER_FROM = "øłđıðħŧабвгдезиклмнопрстуфыэіґє"
LETTER_TO = "oldidhtabvgdeziklmnoprstufyeige"
LETTER_DROPPED = "ъь"
LETTER_SEQUENCES: tuple[tuple[str, str], ...] = (
    ("ß", "ss"), ("æ", "ae"), ("œ", "oe"), ("þ", "th"), ("ﬁ", "fi"), ("ﬂ", "fl"), ("㈱", "株式会社"),
    ("㈲", "有限会社"), ("(株)", "株式会社"), ("(有)", "有限会社"), ("(주)", "주식회사"), ("㈜", "주식회사"),
    ("щ", "shch"), ("ж", "zh"), ("ч", "ch"), ("ш", "sh"), ("ю", "iu"), ("я", "ia"), ("х", "kh"), ("ц", "ts"),
)  # fmt: skip

# Prefixes the Internal Revenue Service assigns to employer identification numbers.
EIN_PREFIXES: tuple[str, ...] = tuple(
    f"{number:02d}"
    for number in range(1, 100)
    if number not in {7, 8, 9, 17, 18, 19, 28, 29, 49, 69, 70, 78, 79, 89, 96, 97}
)
