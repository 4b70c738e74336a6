"""Names as values: ``Developer: Google``, ``{"name": "Gemma"}``, a row of a table, ``model = "Llama"``."""

from __future__ import annotations

import re

from app.leaks.context import Context, flat, without_accents

_MODEL_KEYS = (
    r"(?:(?:ai|base|language|underlying|current|llm|assistant|chat ?bot|bot)[ _-]?)?(?:model|llm|assistant|chat ?bot|identity)(?:[ _-]?(?:name|id))?"
    r"|who[ _]am[ _]i|ai[ _-]?name|ai|bot[ _-]?name|modell\w*|sprachmodell|modèle|modelo|modello|модель|モデル(?:名)?|模型(?:名称)?|모델(?:명)?|النموذج|मॉडल|modeli|samfuri|mô hình"
)
_NAME_KEYS = r"(?:my |your |full )?name|nom|nombre|nome|naam|имя|название|imię|nazwa|名前|名称|名字|姓名|이름|adı?|isim|الاسم|اسم|नाम|suna|jina|nama|tên"
_MAKER_KEYS = (
    r"(?:developed|created|made|trained|built|designed|provided|published|powered|released|owned|engineered|manufactured)[ _]by|developers?|creators?"
    r"|makers?|vendor|trainers?|provider|organi[sz]ation|company|publisher|author|manufacturer|parent(?: company)?|owner|origin|builder"
    r"|développeur|créateur|éditeur|fabricant|concepteur|entwickler|hersteller|ersteller|anbieter|schöpfer|unternehmen|entwickelt von"
    r"|desarrollador\w*|creador\w*|fabricante|empresa|compañía|desarrollado por|creado por|desenvolvedor\w*|criador\w*|desenvolvido por|criado por"
    r"|sviluppatore|creatore|produttore|azienda|sviluppato da|creato da|ontwikkelaar|maker|bedrijf|разработчик|создатель|компания|производитель"
    r"|twórca|producent|deweloper|firma|geliştirici|üretici|yapımcı|şirket|المطور|المطوّر|الشركة(?: المطورة)?|المنشئ|الجهة المطورة|डेवलपर|निर्माता|कंपनी|विकासकर्ता"
    r"|mai ƙira|kamfani|mai haɓakawa|msanidi|mtengenezaji|kampuni|pengembang|pembuat|perusahaan|nhà phát triển|công ty"
    r"|开发者|开发商|开发公司|研发方|研发公司|创建者|公司|提供商|開発元|開発者|開発会社|提供元|会社|개발사|개발자|제작사|회사"
)
_IS = r"\s*[:=\uff1a]+\s*(?:the |an? )?$"
_START = r"(?:^|[\s,;:(.\u3002!?-])"
_AFTER = r"(?=$|\s*[,.;:)\u3002\uff0c(-]|\s+by\b)"


def _before(keys: str) -> re.Pattern[str]:
    return re.compile(without_accents(f"{_START}(?:{keys}){_IS}"))


_IS_MODEL, _IS_NAME, _IS_MAKER = _before(_MODEL_KEYS), _before(_NAME_KEYS), _before(_MAKER_KEYS)
_ENDS = re.compile(_AFTER)
_VALUE = re.compile(r"[:=|\uff1a][\s*\"'`\[_]*(?:the |an? )?[\"'`*\[_]*$")
#: What the record of a model has beside its name, and that of a person has not.
_OF_A_MODEL = re.compile(
    without_accents(
        rf"\b(?:{_MAKER_KEYS}|{_MODEL_KEYS}|made_by|version|parameters?|large language|language model|sprachmodell|modèle de langage|type: ai)\b"
    )
)
#: What else has a developer or a maker.
_OF_A_THING = re.compile(
    r"\b(?:phones?|browser|apps?|games?|device|price|android|ios|operating system|license|platforms?|engine|framework|library|chrome|pixel|genre"
    r"|screen|repository|website|(?:initial|first)[ _]release|javascript|typescript|java|written in|programming|salary|position|employer|job|address|ticker|founded|headquarters|ceo|smartphone|spiel"
    r"|preis|produkt|jeu|prix|telefon\w*|handy)\b"
)

#: The record of something else begins with its name; a model's own name reads "AI" here.
_OF_ANOTHER = re.compile(
    r"(?:^|[\s,;:-])(?:title|product|project|software|tool|library|brand|service|programm?|titel|titre|titulo|titolo|名称)"
    r" ?[:=] ?(?!ai\b|an? |the |llm\b|assistant|chat ?bot|(?:large |small )?language)\w"
)


def may_be_value(before: str) -> bool:
    """Whether a name there may be the value of a field; nearly no text goes on like this before a name."""
    return _VALUE.search(before) is not None


def names_model(context: Context, after: str) -> bool:
    """Whether a field there has the model as its value; ``after`` is the text after it, of several lines."""
    if not may_be_value(context.before) or _ENDS.match(context.after) is None:
        return False
    if _IS_MODEL.search(context.before) is not None:
        return _OF_A_THING.search(flat(after)) is None
    return _IS_NAME.search(context.before) is not None and _OF_A_MODEL.search(flat(after)) is not None


def names_maker(context: Context, before: str, after: str) -> bool:
    """Whether a field there has the maker as its value; ``before`` and ``after`` are the text round it."""
    if not may_be_value(context.before) or _ENDS.match(context.after) is None:
        return False
    if _IS_MAKER.search(context.before) is None or _OF_ANOTHER.search(flat(before)) is not None:
        return False
    return _OF_A_THING.search(f"{flat(before)} {flat(after)}") is None
