"""The columns of a hospital's table, recognised by header and content together."""

from __future__ import annotations

import re

import pandas as pd

from helpers.intake.guesses import Guess, likely, quoted, said, surely, undecided
from helpers.patients import columns as cells
from helpers.patients import spellings
from helpers.patients.cells import same_header
from helpers.study.study_file import OPEN

_MOST = 0.8  # share of the filled cells that must read as what the header says
# Headers in small letters without blanks: English, Chinese, abbreviated pinyin.
_T = r"(?<![a-z])t(?![a-z0-9])|t[-_]?scores?|(?<!c)t[-_]?(值|评分|分数)|(?<=[a-z])tz$"  # CT值 are HU
_NOT_T = r"(?<![a-z])z(?![a-z0-9])|z[-_]?(score|值|评分)|bmd|bmc|骨密度值?\(?g|g/cm|骨矿|area|面积"
_SITES = {
    "t_score_lumbar": r"腰|lumbar|spine|(?<![a-z])ls|l[12][-~–至]?l?4|^yz",  # noqa: RUF001
    "t_score_femoral_neck": r"股骨颈|颈|neck|(?<![a-z])fn(?![a-z])|^ggj",
    "t_score_total_hip": r"全髋|髋|hip|(?<![a-z])th(?![a-z])|^qk|^kb",
}
_OTHER_SITES = "前臂|桡骨|尺骨|forearm|radius|wrist|转子|troch|ward|三角|全身|wholebody"
_OTHER_SITES += r"|(?<![a-z0-9~–至-])l[1-5](?![-~–至l0-9])"  # noqa: RUF001
HEADERS = {
    "patient_id": r"^(p?id|pid|mrn|(patient|study|subject|case|image)[-_]?(id|no|num|number|code)?\.?)$|seqn"
    r"|(患者|病人|受试者|研究|影像|检查|放射|ct|住院|门诊|病历|病案|登记)(编?号|id|号码)|^编号$|^(hzbh|zyh|blh|bah|yxh|jch|cth|mzh|djh)$"
    r"|accession",
    "sex": r"sex|gender|gendr|性别|^xb|xingbie",
    "age": r"(^|[^a-z])age|ageyr|年龄|岁|^nl$|nianling",
    "birth_date": r"birth|born|dob|出生|生日|^csrq|^csny",
    "ct_date": r"((?<![a-z])ct|胸|扫描|scan|chest).*(日期|时间|date|day|rq)"
    r"|(date|day).*((?<![a-z])ct|scan)|^ctrq",
    "dxa_date": r"(dxa|dexa|骨密度|bmd|双能|gmd).*(日期|时间|date|day|rq)|(date|day).*(dxa|dexa|bmd)|^gmdrq",
    "interval_days": r"间隔|interval|相隔|daysct|daysbetween|天数",
    "scanner": r"扫描仪|机型|ct设备|scanner|ctmodel",
    "exclusion": r"排除(?!者|人|医)|exclu",
    "fracture": r"骨折|fractur",
    "contrast": r"增强|contrast",
}
_ENOUGH_SEEN = 2  # images whose header states the sex, for each code
_SURELY_SEEN = 10  # and for both together, to be sure
_DATE = r"日期|时间|date|rq$"
# 1=male 2=female, and male=1 female=2: of 1男2女 only one way of reading explains both codes.
_EXPLAINED = ("{code}[=:是为]?{word}", "{word}[=:是为]?{code}")
_WORDS_OF_SEX = {"male": r"(?<!fe)(?:male|m|男|man)", "female": r"(?:female|f|女|woman)"}


def recognised(table: pd.DataFrame) -> dict[str, Guess]:
    """Our columns that the table has, as far as header and content tell; without the patient number.

    Parameters
    ----------
    table : DataFrame of str
        As `helpers.patients.cells.read_cells` gives it.

    Returns
    -------
    dict
        By our name: the header, or `OPEN` where several columns could be meant.
    """
    found = {name: _one_of(table, name) for name in HEADERS if name != "patient_id"}
    found |= _t_scores(table)
    found = {name: guess for name, guess in found.items() if guess is not None}
    if "age" in found:
        found.pop("birth_date", None)
    return found


def _one_of(table: pd.DataFrame, name: str) -> Guess | None:
    return _chosen([h for h in table if re.search(HEADERS[name], same_header(h)) and _reads(table, h, name)])


def _chosen(headers: list[str]) -> Guess | None:
    """The one column, or an open line that names all that could be meant."""
    if not headers:
        return None
    if len(headers) > 1:
        return undecided("several_columns", headers=quoted(headers))
    return surely(headers[0], "header_and_content", header=headers[0])


def _reads(table: pd.DataFrame, header: str, name: str) -> bool:
    """Whether most filled cells read as what the header says."""
    texts = column(table, header)
    filled = texts[~cells.is_missing(texts)]
    if name == "exclusion":
        return filled.nunique() <= max(10, len(texts) / 4)
    if filled.empty:
        return False
    if name == "sex":
        return filled.map(spellings.plain).str.casefold().nunique() <= 2 or _share(filled, spellings.sex)
    if name in ("ct_date", "dxa_date", "birth_date"):
        return _share(filled, _any_date)
    if name in ("fracture", "contrast"):
        return bool(filled.map(spellings.yes_no).notna().all())
    if name == "scanner":
        return filled.nunique() <= 20
    low, high = cells.LIMITS[name]
    numbers = filled.map(spellings.number).astype(float)
    return bool(numbers.between(low, high).mean() >= _MOST and (name != "age" or numbers.median() >= 15))


def _any_date(text: str) -> object:
    return spellings.date(text, since=1880) or spellings.two_ways(text)


def _share(filled: pd.Series, reader) -> bool:
    return bool(filled.map(lambda text: reader(text) is not None).mean() >= _MOST)


def column(table: pd.DataFrame, header: str) -> pd.Series:
    """The first column under a header."""
    return table.iloc[:, list(table.columns).index(header)]


def _t_scores(table: pd.DataFrame) -> dict[str, Guess | None]:
    """T-scores by site; content must be able to be T-scores, and headers must not say otherwise."""
    of_site: dict[str, list[str]] = {name: [] for name in ("t_score", *_SITES)}
    doubtful = []
    for header in table:
        key = same_header(header)
        if re.search(_NOT_T, key) or re.search(_OTHER_SITES, key) or not _reads(table, header, "t_score"):
            continue
        sites = [name for name, pattern in _SITES.items() if re.search(pattern, key)]
        if not re.search(_T, key):
            # Under a joined header T- and Z-scores look alike.
            doubtful += [header] if sites and _below_zero(table, header) else []
        elif len(sites) < 2:
            of_site[sites[0] if sites else "t_score"].append(header)
    found = {name: _chosen(headers) for name, headers in of_site.items()}
    if doubtful and not any(found.values()):
        found["t_score"] = undecided("t_or_z", headers=quoted(doubtful))
    if found["t_score"] and any(found[name] for name in _SITES) and not _is_lowest(table, found):
        found["t_score"] = None
    return found


def _below_zero(table: pd.DataFrame, header: str) -> bool:
    numbers = column(table, header).map(spellings.number).astype(float)
    return bool((numbers.dropna() < 0).mean() > 0.2)


def _is_lowest(table: pd.DataFrame, found: dict[str, Guess | None]) -> bool:
    """Whether a column without a site says the lowest of those with one; else it is left out."""
    own = [guess.value for name, guess in found.items() if name in _SITES and guess and guess.value != OPEN]
    if found["t_score"].value == OPEN or not own:
        return False
    numbers = {
        h: column(table, h).map(spellings.number).astype(float) for h in [found["t_score"].value, *own]
    }
    whole = numbers.pop(found["t_score"].value)
    return bool(((whole - pd.DataFrame(numbers).min(axis=1)).abs().dropna() <= 0.05).all())


def generic_dates(table: pd.DataFrame) -> list[str]:
    """Columns of days whose header does not say of what."""
    known = [HEADERS[name] for name in ("ct_date", "dxa_date", "birth_date")]
    return [
        header
        for header in table
        if re.search(_DATE, same_header(header))
        and not any(re.search(pattern, same_header(header)) for pattern in known)
        and _reads(table, header, "ct_date")
    ]


def codes_of_sex(sexes: pd.Series, seen: pd.Series) -> Guess | None:
    """What codes such as 1 and 2 mean: by the header, or by the sex that DICOM headers state.

    Parameters
    ----------
    sexes : Series of str
        A column of the table, under the table's header.
    seen : Series
        M or F of the rows whose images state it, by row.

    Returns
    -------
    Guess or None
        None where the cells are words.
    """
    texts = sexes.map(spellings.plain)
    codes = sorted(set(texts[~cells.is_missing(texts)]))
    if all(spellings.sex(code) for code in codes):
        return None
    if told := _explained(same_header(sexes.name), codes):
        return surely(told, "sexes_in_header")
    both = pd.DataFrame({"code": texts, "seen": seen}).dropna()
    meant = {"M": "male", "F": "female"}
    counts = pd.crosstab(both["code"], both["seen"])
    clear = {
        code: meant.get(row.idxmax())
        for code, row in counts.iterrows()
        if row.max() >= _ENOUGH_SEEN and row.gt(0).sum() == 1
    }
    if set(clear) == set(codes) and set(clear.values()) == {"male", "female"}:
        sure = "sure" if len(both) >= _SURELY_SEEN else "likely"
        return Guess(clear, sure, (said("sexes_in_dicom", n=len(both)),))
    shown = [code if len(code) <= 3 else "..." for code in codes[:4]]
    return Guess(dict.fromkeys(shown, OPEN), "open", (said("sexes_open", codes=", ".join(shown)),))


def _explained(header: str, codes: list[str]) -> dict[str, str]:
    """What a header such as sex(1=male,2=female) says of the codes; empty where it does not."""
    for form in _EXPLAINED:
        told = {
            code: [
                sex
                for sex, word in _WORDS_OF_SEX.items()
                if re.search(form.format(code=rf"(?<!\d){re.escape(code)}(?!\d)", word=word), header)
            ]
            for code in codes
        }
        if sorted(told.values()) == [["female"], ["male"]]:
            return {code: sexes[0] for code, sexes in told.items()}
    return {}


def order_of_dates(dates: list[pd.Series]) -> Guess | None:
    """Which of day and month comes first in dates such as 03/04/2024; None where no date is of that kind."""
    parts = [one for texts in dates for text in texts if (one := spellings.two_ways(text))]
    day_first = sum(first > 12 for first, *_ in parts)
    month_first = sum(second > 12 for _, second, _ in parts)
    ambiguous = sum(first <= 12 and second <= 12 and first != second for first, second, _ in parts)
    if not ambiguous:
        return None
    counts = {"n": ambiguous, "day": day_first, "month": month_first}
    if max(day_first, month_first) >= 5 and not min(day_first, month_first):
        return likely("day first" if day_first else "month first", "dates_by_others", **counts)
    return undecided("dates_open", **counts)
