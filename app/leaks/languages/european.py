"""Finnish, Hungarian and Romanian."""

from __future__ import annotations

from app.leaks.languages.phrase import language

_FINNISH_WORDS = {
    "made": r"(?:kehittä|luo|koulutta|raken|suunnitt|valmista|tekem)\w*",
    "self": r"(?:(?:suuri |pieni |avoin |laaja )*(?:kielimalli|tekoälymalli|tekoälyavustaja|tekoäly|avustaja|malli|chatbot)\w*)",
    "did": r"(?:kehitti|loi|koulutti|rakensi|suunnitteli|valmisti|teki|on (?:kehittänyt|luonut|kouluttanut|rakentanut|tehnyt))",
}
FINNISH = language(
    cues="olen nimeni minä minua minut minun loi kehittäjäni luojani tekijäni keskustelet juttelet",
    names=(
        r"(?:\bolen|\bnimeni on|\bminua kutsutaan nimellä|\bminua sanotaan|\b(?:keskustelet|juttelet|puhut)(?: nyt)?)(?: (?:siis|vain|tekoäly|kielimalli|tekoälyavustaja|nimeltään))* @",
        r"\bolen <self>,? (?:nimeltään|nimeltä|jonka nimi on) @",
    ),
    makers=(
        r"\b(?:olen|minä olen|toimin)(?: \w+,?)? @(?::n|:in)? <made> ",
        r"\b(?:olen|tekoälynä|kielimallina)\b[^.!?]{0,30} @(?::n|:in)? (?:<made>|<self>)",
        r"\bminut (?:on )?<did> @",
        r"@ (?:minut <did>|<did> minut)",
        r"\bminut on <made> @(?:lla|:lla|:ssa)?",
        r"\b(?:kehittäjäni|luojani|tekijäni|valmistajani)(?: (?:on|ovat|työskentelee|yhtiö))* @",
    ),
    words=_FINNISH_WORDS,
)

_HUNGARIAN_WORDS = {
    "the": r"(?:(?:a|az) )?",
    "made": r"(?:be)?(?:fejleszt|hoz|képez|tanít|alkot|készít|tervez|épít)\w*",
    "self": r"(?:(?:nagy |nyílt |kis )*(?:nyelvi modell|modell|asszisztens|mesterséges intelligencia|chatbot)\w*)",
}
HUNGARIAN = language(
    cues="vagyok nevem engem fejlesztőm alkotóm készítőm hívnak beszélsz beszélgetsz létre képzett",
    names=(
        r"\b(?:a nevem|az én nevem|én|vagyok) <the>@",
        r"\bnevem <the>@",
        r"(?:^|[.!?,:] ?)<the>@(?: \w+)? vagyok\b",
        r"\b<the>@(?:-nak|-nek|nak|nek)? hívnak",
        r"@(?:-val|-vel|val|vel)? (?:beszélsz|beszélgetsz|csevegsz)",
    ),
    makers=(
        r"(?:^|[ ,.])<the>@(?: (?:által|csapata|cég))* <made>(?: (?:nyelvi|nagy|nyílt|mesterséges))* ?(?:engem\b|<self> vagyok)",
        r"(?:^|[ ,.])<the>@(?:-tól|-től)? (?:nagy |nyílt )*<self> vagyok",
        r"\bengem <the>@(?: \w+)? (?:<made>|hozott)",
        r"\b(?:fejlesztőm|alkotóm|készítőm|fejlesztőim|alkotóim)(?: (?:cég|neve|vállalat))* <the>@",
        r"@ (?:fejlesztett ki|hozott létre|képzett ki|tanított|alkotott meg|készített)(?: engem)?(?=$|[.,;!?])",
    ),
    words=_HUNGARIAN_WORDS,
)

_ROMANIAN_WORDS = {
    "made": r"(?:creat|antrenat|dezvoltat|construit|proiectat|făcut|realizat|conceput|instruit)\w*",
    "co": r"(?:(?:compania|echipa|firma|cercetătorii|inginerii)(?: de la| din)? )?",
    "self": r"(?:(?:mare |mic )*(?:model(?:ul)?(?: (?:lingvistic|de limbaj|de limbă))?|asistent(?:ul)?(?: virtual)?|inteligență artificială|chatbot|ia)(?: mare| mic)?)",
}
ROMANIAN = language(
    cues="sunt mă numesc numele meu mea m-a am fost creatorii creatorul dezvoltatorul dezvoltatorii",
    cue=r"\b(?:vorbești|discuți) cu\b|\bm-a",
    names=(
        r"\b(?:eu sunt|sunt|mă numesc|numele meu este|mi se spune|mă cheamă)(?: (?:un|o|doar))?(?: <self>,?)?(?: (?:numit|pe nume|cu numele))? @",
        r"\b(?:vorbești|discuți|conversezi) cu @",
    ),
    makers=(
        r"\b(?:am fost|sunt)(?: \w+)? <made>(?: și <made>)* (?:de către |de |la )<co>@",
        r"\b(?:sunt|ca|fiind)(?: un| o)? <self>,?(?: (?:open|deschis|lingvistic))*(?: (?:care a fost))?(?: <made>)? (?:de către |de la |de |al |a )<co>@",
        r"@ m-a <made>",
        r"\bm-a <made> <co>@",
        r"\b(?:creatorii|creatorul|dezvoltatorul|dezvoltatorii|producătorul) (?:meu|mei)(?: (?:este|sunt|lucrează la))* <co>@",
    ),
    words=_ROMANIAN_WORDS,
)
