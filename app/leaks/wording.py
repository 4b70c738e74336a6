"""How a text speaks of itself in the languages round Latin and Chinese: short phrases next to a name.

Each pattern of ``before`` ends where the name begins, each of ``after`` begins where it ends. Whole sentences of single
languages are in ``app.leaks.languages``.
"""

from __future__ import annotations

import re

from app.leaks.context import without_accents
from app.leaks.lazy import LazyPattern
from app.leaks.naming import is_public

_OPEN = "[\\s\"'\u201c\u201e\u2018\u00ab\u300c*_`:(]*"

#: "I am", "my name is": what a name follows. Italian "sono" is also "they are", so it must open its clause.
_I_AM = (
    r"(?:\b(?:I\s+am|I['\u2019]m|my\s+name(?:\s+is|['\u2019]s)|call\s+me|I\s+go\s+by"
    r"|you(?:\s+are|['\u2019]re)\s+(?:now\s+)?(?:talking|speaking|chatting)\s+(?:to|with)"
    r"|je\s+suis|je\s+m['\u2019]appelle|mon\s+nom\s+est|appelez-moi|vous\s+parlez\s+(?:à|avec)"
    r"|ich\s+bin|ich\s+hei(?:ß|ss)e|mein\s+name\s+(?:ist|lautet)|(?:du\s+sprichst|sie\s+sprechen)\s+mit"
    r"|soy|me\s+llamo|mi\s+nombre\s+es|estás\s+hablando\s+con|llámame"
    r"|sou|me\s+chamo|chamo-me|meu\s+nome\s+é|você\s+está\s+(?:falando|conversando)\s+com"
    r"|io\s+sono|mi\s+chiamo|mio\s+nome\s+è|stai\s+parlando\s+con"
    r"|ik\s+ben|ik\s+heet|mijn\s+naam\s+is|jestem|nazywam\s+się|я\b(?:\s*[-\u2014\u2013])?|меня\s+зовут)|(?:^"
    r"|[,;:]\s*)sono"
    r"|我就?是|我名?叫|我的名字(?:是|叫|为)|你可以叫我|(?:私|わたし|僕)は|私の名前は|저는|나는|제\s*이름은)"
)
_ADVERB = (
    r"(?:currently|actually|simply|just|indeed|called|named|known\s+as|actuellement|simplement|einfach|aktuell"
    r"|simplemente|simplesmente)"
)
_ARTICLE = (
    r"(?:an?|the|your|une?|le|la|l['\u2019]|eine?n?|das|der|die|un[ao]?|el|los|uma?|il|lo|een|一个|一款|一种|名为)"
)
_CALLED = (
    r"(?:called|named|known\s+as|namens|genannt|appelée?|nommée?|llamad[oa]|chamad[oa]|denominad[oa]|chiamat[oa]"
    r"|di\s+nome|名叫|名为|叫做?)"
)
#: What only a language model is.
_MACHINE = (
    r"(?:(?:language|AI|artificial\s+intelligence)\s+(?:language\s+)?models?|LLMs?|chat\s?bots?"
    r"|AI(?:\s+(?:chat\s?)?(?:assistant|system|bot|companion))?|artificial\s+intelligence|virtual\s+assistant"
    r"|modèles?\s+(?:de\s+langage|de\s+langue|linguistique|d['\u2019](?:IA|intelligence))"
    r"|assistante?s?\s+(?:d['\u2019])?IA"
    r"|IA"
    r"|KI(?:-\w+)?|\w*sprachmodell\w*|künstliche\s+intelligenz|modelos?\s+de\s+(?:lenguaje|linguagem|IA|lengua)"
    r"|modelos?\s+lingü?u?[íi]sticos?|asistente(?:\s+\w+)?\s+de\s+IA|assistente\s+(?:de\s+|di\s+)?IA"
    r"|modell[oi]\s+(?:linguistic[oi]|di\s+linguaggio|di\s+IA)|inteligencia\s+artificial|inteligência\s+artificial"
    r"|intelligence\s+artificielle|intelligenza\s+artificiale|taalmodel|языков\w+\s+модел\w+|ИИ|нейросет\w+"
    r"|[^\s]{0,6}模型|人工智能[^\s]{0,4}|AI\s?助手|智能助手|聊天机器人|言語モデル|언어\s*모델|인공지능)"
)
#: What a text that says "I" may call itself.
_SELF = (
    rf"(?:{_MACHINE}|model|assistant|product|creation|modèle|modell|assistent\w*|modelo|asistente|assistente"
    r"|modello|助手)"
)
_VERB = (
    r"(?:(?:pre-?)?trained|developed|created|made|built|designed|fine-?tuned|released|engineered|produced|provided"
    r"|maintained|owned|powered|crafted|hosted|entraîn\w+|développ\w+|créé\w*|conçue?|fabriqu\w+|mise?\s+au\s+point"
    r"|entwickelt\w*|trainiert\w*|erstellt\w*|geschaffen\w*|erschaffen\w*|gebaut\w*|entrenad[oa]|desarrollad[oa]"
    r"|cread[oa]|hech[oa]|diseñad[oa]|treinad[oa]|desenvolvid[oa]|criad[oa]|feit[oa]|projetad[oa]|addestrat[oa]"
    r"|sviluppat[oa]|creat[oa]|realizzat[oa]|progettat[oa]|ontwikkeld|getraind|gemaakt|разработанн?\w*|созданн?\w*"
    r"|обученн?\w*|stworzon\w+)"
)
_VERBS = rf"{_VERB}(?:(?:\s*,\s*|,?\s+(?:and|et|und|y|e|en|и)\s+){_VERB})*"
_PREPOSITION = (
    r"(?:by|from|at|of|par|chez|d['\u2019]|von|vom|bei|durch|aus|por|pel[ao]|de(?:l|\s+la)?|d[ao]|dal(?:la|l['\u2019])?"
    r"|di|door|van|przez|компани\w+|от|в)"
)
_TEAM = (
    rf"(?:(?:{_ARTICLE}\s*)?(?:[\w-]+\s+){{0,2}}?(?:team|company|researchers|engineers|scientists|people|experts|group"
    r"|lab|firm|équipes?|chercheurs|entreprise|société|forscher\w*|unternehmen|firma|konzern|teams?|equipo|empresa"
    r"|compañía"
    r"|equipe|società|azienda|компани\w+)\s+(?:(?:at|of|from|de|do|del|du|d['\u2019]|bei|von|di|da)\s*)?)?"
)
_BY = rf"\s+{_PREPOSITION}\s*(?:{_ARTICLE}\s*)?{_TEAM}"
_WORD = r"[\w'\u2019-]+"
_AS = (
    r"(?:^|[,;:(]\s*|\band\s+|\bthat\s+)(?:speaking\s+)?"
    r"(?:as|en\s+tant\s+qu['\u2019e]\s*|als|como|come|in\s+qualità\s+di)"
)
_WAS = (
    r"\b(?:I\s+(?:was|am|have\s+been)|I['\u2019](?:m|ve\s+been)|j['\u2019]ai\s+été|je\s+suis"
    r"|ich\s+(?:wurde|bin)"
    r"|fui|he\s+sido|soy|sou|sono(?:\s+stat[oa])?|ik\s+(?:ben|werd)|меня)"
)
_MAKER_IS = (
    r"(?:\b(?:made|created|trained|built|developed)\s+me\s+(?:is|was)|\bmy\s+(?:creators?|developers?|makers?"
    r"|parent\s+company)\s+(?:(?:is|are|was|were)(?:\s+at)?|at)"
    r"|\b(?:mon|mes)\s+(?:créateurs?|développeurs?|concepteurs?)\s+(?:est|sont|chez)"
    r"|\bmeine?\s+(?:entwickler|schöpfer|hersteller)\s+(?:ist|sind)"
    r"|\bmis?\s+(?:creador(?:es)?|desarrollador(?:es)?)\s+(?:es|son)"
    r"|\bmeus?\s+criador(?:es)?\s+(?:é|são)|\bmi[oe]i?\s+(?:creator[ei]|sviluppator[ei])\s+(?:è|sono)"
    r"|我的(?:开发者|开发商|创造者|创建者|母公司|研发团队)是)\s*(?:{article}\s*)?"
).replace("{article}", _ARTICLE)

#: After "as Gemma": what shows that the text goes on about itself.
_AS_GOES_ON = re.compile(
    rf"[\"'\u2019\u201d*_`)]*\s*[,\uff0c(\u2013\u2014-]?\s*(?:(?:{_ARTICLE}\s*)?(?:{_WORD}\s+){{0,4}}?{_SELF}\b"
    r"|(?:I\b|my\b|je\b|j['\u2019]|ich\b|kann\s+ich|habe\s+ich|yo\b|eu\b|io\b|我))",
    re.IGNORECASE,
)
#: After a maker in "as a model trained by …": a name there is the one that is spoken of.
_SOMEBODY_ELSE = re.compile(r"\s*,\s+(?:the\s+)?(?!I\b|I['\u2019]|Ich\b|Je\b|J['\u2019]|Yo\b|Eu\b|Io\b)[A-Z]")
#: A plain name that goes on like this is somebody's name, somebody's thing, or part of a longer word.
ANOTHER_NAME = re.compile(
    r"\s+(?!AI\b|LLM\b|Large\b|Language\b|Model\b|Assistant\b|Chat\b|Instruct\b)[A-ZÀ-Þ][a-zà-ÿ]+"
    r"|['\u2019]s\b|-(?!based\b|basi|[Ff]amil|[Mm]odel|[Rr]eihe|[Ss]erie)\w|\s+(?:analysis|data)\b|\s+\d+\s*(?:years?|%)"
)
#: A line that begins with the name and goes on like this introduces the writer, or is a signature.
IS_AN_ASSISTANT = re.compile(
    rf"[\"'\u2019\u201d*_`)]*(?:,\s*|\s*\(|\n|\s+(?:is|ist|est|es|é|è)\s+)(?:{_ARTICLE}\s*)?(?:[\w-]+\s+){{0,3}}?"
    r"(?:assist\w+|asistente\w*|chat\s?bot\w*|helper|助手)\b"
    r"|\s*(?:是|\uff0c是)[^。\uff01\uff1f\n]{0,12}(?:助手)",
    re.IGNORECASE,
)
_NOTHING = re.compile(r"\W*")
_HERE = re.compile(r"\s+here\s*(?:[,.!\u2014-]|[^\w\s]|$)", re.IGNORECASE)
_GREETING = re.compile(r"\W*(?:hi|hello|hey|hallo|bonjour|hola|olá|ciao)?\W*(?:there)?\W*", re.IGNORECASE)
_OWNED = re.compile(
    rf"(?:['\u2019]s)?\s+(?:[\w-]+\s+){{0,3}}?(?:{_MACHINE}|assistant)\b(?!\s+(?:engineer|research|expert))", re.I
)
_MODEL = re.compile(rf"\s+(?:[\w-]+\s+){{0,2}}?{_SELF}\b", re.IGNORECASE)
_GERMAN_PARTICIPLE = re.compile(rf"\s+(?:[\w-]+\s+){{0,2}}?{_VERB}\s+(?:[\w-]+\s+){{0,2}}?{_SELF}", re.IGNORECASE)
#: After "I am" a plain name has a capital ("I am granite" is a poem's); after "my name is" it need not.
_NAME_WORD = re.compile(r"name|call|heiß|chiam|llamo|appelle|叫", re.IGNORECASE)


_OWN = rf"(?:(?:{_WORD}\s+){{0,4}}?){_SELF}"
_NAMED = (
    rf"(?:\s+{_ADVERB})*"
    rf"(?:[\s,]+(?:{_ARTICLE}\s*)?(?:[\w-]+\s+){{0,4}}?{_SELF}[\s,:\u2013\u2014-]*(?:{_CALLED})?)?"
)
_BASED = (
    r"(?:based\s+on|powered\s+by|running\s+on|built\s+on(?:\s+top\s+of)?|derived\s+from|fine-?tuned\s+from"
    r"|part\s+of|member\s+of|version\s+of|instance\s+of|variant\s+of|basée?\s+sur|auf\s+(?:der\s+)?basis\s+von"
    r"|basad[oa]\s+en|basead[oa]\s+em|basat[oa]\s+su)"
)


def _ending(*patterns: str) -> LazyPattern:
    """What ends a text in lower case: the engine skips alternatives by their first letter, but not with IGNORECASE."""
    return LazyPattern(without_accents(f"(?:{'|'.join(patterns)}){_OPEN}$".lower()))


_IS_NAME = _ending(
    rf"{_I_AM}{_NAMED}",
    rf"{_I_AM}(?:\s+(?:{_ARTICLE}\s*)?(?:[\w-]+\s+){{0,3}}?{_SELF})?"
    rf"(?:,?\s+(?:that|which|is|was|currently|{_ARTICLE}))*\s+{_BASED}\s+(?:{_ARTICLE}\s*)?",
    rf"(?:\bI\s+run\s+on|\bich\s+basiere\s+auf|我是?基于)\s*(?:{_ARTICLE}\s*)?",
)
_AS_NAME = _ending(rf"(?:{_AS}\s+(?:{_ARTICLE}\s+)?|作为|身为)")
_IS_MAKER = _ending(
    rf"{_I_AM}\s*{_OWN}(?:[\s,]+{_WORD}){{0,3}}?[\s,]+{_VERBS}{_BY}",
    rf"{_I_AM}\s*{_OWN},?(?:\s+(?:das|der|die|que|che|qui))?{_BY}",
    rf"{_WAS}(?:\s+\w+ly)?\s+{_VERBS}{_BY}",
    _MAKER_IS,
)
_AS_MADE = _ending(
    rf"{_AS}\s*(?:{_ARTICLE}\s*)?{_OWN}(?:(?:[\s,]+{_WORD}){{0,2}}?[\s,]+{_VERBS}{_BY}|,?\s+(?:das|der"
    rf"|die)\s+von\s+{_TEAM})"
)
_GERMAN_BY = _ending(rf"(?:\bich\s+bin\s+eine?|\bals(?:\s+eine?)?)(?:\s+{_WORD}){{0,2}}?\s+von\s+{_TEAM}")
_I_AM_A = _ending(rf"{_I_AM}(?:\s+{_ARTICLE})?", rf"{_AS}(?:\s+{_ARTICLE})?")


def names_itself(before: str, name: str, after: str) -> bool:
    """Whether one of these phrases calls the text's own model ``name``; ``before`` is in lower case."""
    if not is_public(name) and IS_AN_ASSISTANT.match(after) is not None and _NOTHING.fullmatch(before) is not None:
        return is_capital(name)
    if _MODEL.match(after) and _I_AM_A.search(before):
        return is_capital(name)
    if _AS_GOES_ON.match(after) and _AS_NAME.search(before):
        return name[:1].isupper()
    if ANOTHER_NAME.match(after) is None and _IS_NAME.search(before):
        return is_capital(name) or _NAME_WORD.search(before) is not None
    return _HERE.match(after) is not None and _GREETING.fullmatch(before) is not None


def names_its_maker(before: str, after: str) -> bool:
    """Whether one of these phrases says that the company there made it; ``before`` is in lower case."""
    return (
        _IS_MAKER.search(before) is not None
        or (_AS_MADE.search(before) is not None and _SOMEBODY_ELSE.match(after) is None)
        or (_GERMAN_PARTICIPLE.match(after) is not None and _GERMAN_BY.search(before) is not None)
        or (_OWNED.match(after) is not None and _I_AM_A.search(before) is not None)
    )


def is_capital(name: str) -> bool:
    """Whether a name is written as one; alphabets without capitals always do."""
    return name[:1] != name[:1].lower() or not name[:1].isascii()
