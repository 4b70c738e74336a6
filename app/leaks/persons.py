"""Whether a text that says "I" is a person's: somebody who bakes bread, or who learned a trade at a company.

Models are called by given names, and companies employ and train people. A person goes on about his life, his family
or his work; a model about what it can do. Both are patterns of text that is cleaned (``app.leaks.context``).
"""

from __future__ import annotations

import re

from app.leaks.context import Context, flat, without_accents

#: Given names, words and gods: "my name is Claude and I bake bread".
_HUMAN = re.compile(
    r"(?:gemma|claude|aya|yi|phi|kimi|hermes|olmo|vicuna|command|falcon|solar|zephyr|dolphin)",
    re.IGNORECASE,
)
_HELPS = re.compile(
    r"(?<!j')\b(?:ai|a\.i\.|ia|ki|llms?|chat ?bots?|\w*model\w*|assist\w*|asist\w*|answer\w*"
    r"|help\w*|question\w*|aide\w*|helf\w*|hilf\w*|ayud\w*|ajud\w*|aiut\w*|hulp|helpen|virtual|digital|intell?igen\w*|trained|developed|google|microsoft"
    r"|yardim\w*|taimak\w*|(?:ku)?saidia\w*|msaidizi|bantu\w*|asisten|pomo\w*|modeliyim|yours?)\b|помо|модел|ассистент|ии\b|助|模型|モデル|アシスタント|도우|모델"
    r"|مساعد|نموذج|मदद|सहाय|मॉडल|giup|tro ly|can\b|i'm here|i am here|no (?:body|feelings|opinions)|don't|do not|cannot"
)
_GOES_ON = re.compile(
    r",? (?:and|et|und|y|e|en|dan|ve|na|i|и|lakin) "
    r"(?:i\b|i'|this\b|my\b|we\b|he\b|she\b|they\b|mein|mon\b|ma\b|mi\b|je\b|j'|ich\b|bin\b|habe\b|wohne\b|soy\b|vivo\b|sou\b|sono\b|ho\b|ik\b|saya\b)"
    r"|, (?:the|an?|der|die|das|eine?|le|la|une?|el|il|lo|o|de|een|my|your|votre|ton|ihr|dein|euer|tu|su|vuestro|seu|vostro|tuo) [\w'-]+"
    r"|, (?:son|daughter|brother|sister|wife|husband|mother|father|aged?|born|fils|fille|sohn|tochter|hijo|hija|\d+)\b"
    r"|, [\w'-]+ (?:of|von|de|di|da|des|der) [\w'-]+"
    r"|,? (?:from|aus|de|uit|z|di) \w"
    r"|[,.;!] (?:and )?(?:i(?:'m|'ve| am| was| have| had| live| work| bake| like| love| grew| keep| own| run| play)\b|j'(?:ai|habite|aime)\b"
    r"|je (?:suis|vis|travaille|viens)\b|ho\b|abito\b|vivo\b|lavoro\b|tengo\b|trabajo\b|nací\b|tenho\b|moro\b|trabalho\b"
    r"|ich (?:bin|habe|wohne|lebe|arbeite|komme)\b|mam\b|mieszkam\b|pracuję\b|ik (?:ben|woon|werk|heb)\b|мне\b|живу\b|работаю\b)"
)
_TRADE = (
    r"(?:engineer|developer|programmer|designer|analyst|technician|teacher|trainer|manager|consultant|instructor|scientist"
    r"|researcher|intern|apprentice|accountant|architect|recruiter|salesman|salesperson|mechanic|nurse|lawyer|writer|editor"
    r"|administrator|specialist|officer|director|\w*ingenieur\w*|entwickler\w*|techniker\w*|\w*informatiker\w*|trainer\w*|berater\w*|gestalter\w*"
    r"|ingénieure?|développeu(?:r|se)|technicien\w*|format(?:eur|rice)|enseignante?|ingenier[oa]|técnic[oa]|profesor\w*|maestr[oa]|analista"
    r"|engenheir[oa]|desenvolvedor\w*|professor\w*|ingegnere|sviluppatore|tecnico|docente|insegnante|ontwerper|ingenieur|docent|leraar|ontwikkelaar"
    r"|inżynier\w*|programist\w*|trener\w*|nauczyciel\w*|инженер\w*|программист\w*|учител\w*|mühendis\w*|öğretmen\w*)"
)
#: What somebody who was trained by a company has, and a model has not.
_LIFE = re.compile(
    without_accents(
        r"\b(?:courses?|careers?|résumé|cv|internships?|employers?|employees?|arbeitgeber\w*|employeurs?|empleador\w*|datore di lavoro|werkgever\w*|pracodawc\w*|colleagues?|salary|hired|certified|certificat\w*|diploma"
        r"|bootcamp|workshops?|my (?:boss|team lead|degree|wife|husband|students|clients|customers|job|shift)|years (?:at|of|in|as|with)|year at|for \w+ years"
        r"|interview\w*|candidate|applicant|dear (?:ms|mr|mrs|sir|hiring)"
        r"|(?:des|de|les|mes) cours|cours d'|entretien|carrière|stage|kurs\w*|cursus\w*|lebenslauf\w*|bewerb\w*|ausbildung|jahre (?:bei|lang)|cursos?|carrera|currículum"
        r"|entrevista|corsi|corso|colloquio|carriera|opleiding|sollicit\w*|szkole\w+ dla|rozmow\w+ kwalifikacyj\w*|курс\w*|резюме|собеседован\w*"
        rf"|(?:as|als|comme|como|come|jako|как) (?:an? |the |een |une? |uma? |un )?(?:[\w-]+ )?{_TRADE}"
        rf"|(?:i am|i'm|i was|ich bin|je suis|soy|sou|sono|ik ben|jestem) (?:an? |the |een |eine? |une? |uma? |un )?(?:[\w-]+ ){{0,2}}?{_TRADE})\b"
        r"|面接|履歴書|社員|面试|简历|员工|면접|이력서|직원"
    )
)
_MACHINE = re.compile(
    r"(?<!j')\b(?:ai|ia|ki|llm|chat ?bot|(?:language|sprach|taal)[ -]?\w*model\w*|\w*model(?:o|l|lo|em)?|modele|assistant|assistent\w*|asistente)\b|模型|モデル|모델"
)


def is_somebody(context: Context, name: str, after: str) -> bool:
    """Whether the name is a person's or an animal's: who says so of himself goes on about his life."""
    if _HUMAN.fullmatch(name) is None or _GOES_ON.match(context.after) is None:
        return False
    return _HELPS.search(context.after) is None and _HELPS.search(flat(after)) is None


def is_employed(before: str, after: str) -> bool:
    """Whether somebody tells there of his work; ``before`` and ``after`` are the text round a company's name."""
    text = f"{flat(before)} {flat(after)}"
    return _LIFE.search(text) is not None and _MACHINE.search(text) is None
