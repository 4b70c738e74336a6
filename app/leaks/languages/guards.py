"""What speaks against a self-description: it is denied, only supposed, somebody else's words, or about a relative.

Each guard is searched in the text round the name, cleaned (``app.leaks.context``): in lower case, without accents,
markup and quotation marks. A denial counts in its own clause only: "not by Meta but by Google" says who did.
"""

from __future__ import annotations

import re

from app.leaks.context import Context, without_accents

_CLAUSE_ENDS = re.compile(
    without_accents(
        r"[.!?;:,()。！？；：，、।؟،]| - |\b(?:but|because|since|although|though|so|that|who|which|and|rather|instead"
        r"|aber|sondern|weil|dass|mais|parce que|car|sino|porque|pero|mas|ma|bensì|perché|maar|want|omdat|но|а|потому|але"
        r"|lecz|ale|bo|tetapi|melainkan|karena|nhưng|mà|vì|bali|lakini|amma|sai|لكن|بل|लेकिन|बल्कि)\b|而是|但"
    )
)
_DENIED = re.compile(
    without_accents(
        r"\b(?:not|never|neither|nor|nicht|weder|ani|ні|niemals|nie|pas|jamais|nunca|tampoco|não|non|niet|nooit|не|никогда|ніколи|nie|nigdy"
        r"|inte|aldrig|ikke|لم|لست|ليس|ليست|tidak|bukan|belum|không|chưa|chẳng)\b"
        r"(?! (?:only|just|merely|simply|nur|bloß|seulement|sólo|solo|só|apenas|soltanto|alleen|только|лише|tylko|hanya|chỉ)\b)"
        r"|n't\b|\bno (?:company|lab|firm|team|one|such)\b|\bno (?:me|fui|soy|he|estoy|es|ha|fue)\b|\b(?:kein|geen|keine|keiner)\b|(?:^|\s)(?:ba|bani)\b"
        r"|\b(?:siku|sija|hawaku|haiku)\w+|(?:不是|没有|沒有|并非|並非|不由|不叫)|\bδεν\b|안 $|\bmimi si\b"
        r"|\b(?:en|ei|minua ei|minut ei|emme) (?:ole|ollut|ole \w+|ollut \w+)\b|\bnem\b|\bnu (?:sunt|am fost|m-a|ma numesc|fac|provin)\b"
        r"|(?:^|\s)(?:לא|אינני|איני|אין)\s|ไม่(?:ได้|ใช่)[^ ]{0,30}(?: ?(?:โดย|จาก|ของ) ?)?$"
    )
)
#: Where the verb comes last, so does its denial.
_DENIED_AFTER = re.compile(
    without_accents(
        r"[^.!?,;]{0,30}(?:değil|\b(?:geliştir|yarat|eğit|yap|üret|tasarla|oluştur)\w*m[ea]d[iı]\w*)"
        r"|[^。、！？]{0,25}(?:ではありません|ではない|じゃない|でなく|ではなく|(?:作|開発|訓練|学習)\S{0,8}(?:いません|なかった|ませんでした))"
        r"|[^.!?,]{0,30}(?:아닙니다|아니에요|아니야|아니라|않았|만들지|개발하지)"
        r"|[^。、！？]{0,25}(?:かどうか|か分か|かわか)|[^.!?,]{0,25}(?:는지|을지|ㄴ지)"
        r"|[^।.!?,]{0,20}नहीं (?:बना|विकसित|प्रशिक्षित|तैयार|निर्म|हूँ|हूं|है|किया)|[^।.!?,]{0,25}या नहीं|[^.!?,،]{0,20}(?:نیستم|نساخته|نکرده)"
        r"|[^।.!?,]{0,30}(?:নই|নয়|নয়|করেনি|হয়নি|কি না|কিনা)|[^.!?]{0,20}หรือ(?:ไม่|เปล่า)|[^.!?,;]{0,20} לא (?:פיתח|אימנ|יצר|בנת)"
        r"|[^.!?,;]{0,20}\bei (?:ole |luonut|kehittanyt|tehnyt|kouluttanut)"
    )
)
_SUPPOSED = re.compile(
    without_accents(
        r"\b(?:if|as if|as though|suppose|supposing|imagine|pretend|pretending|unless) (?:that )?(?:i|my|it|one|we|somebody|someone)\b[^.!?;:,]*$"
        r"|\b(?:if|suppose|imagine) (?:that )?(?:you|a|an|the) (?!ask|want|wonder|need|like|must|care|prefer|wish|have)[^.!?;:,]*$"
        r"|\b(?:never|didn't|did not|don't|do not) (?:\w+ )?(?:said|say|claimed?|wrote|write|state|stated)\b[^.!?;:,]*$"
        r"|\b(?:let's|let us) (?:say|pretend|imagine|suppose|assume)\b[^.!?;:]*$"
        r"|\b(?:if|unless|suppose|imagine|wenn|falls|jeśli|gdyby|если|якщо|hvis) (?:the |die |la |das )?$"
        r"|\b(?:were i|had i|would i)\b[^.!?;:,]*$|\bwhether\b[^.!?;:]*$"
        r"|\b(?:ob|falls)\b[^.!?;:]*$|\bwenn (?:ich|mich|mein)\b[^.!?;:,]*$|\bsi (?:j'|je|mon|c'|yo|me|fuera|fuese|mi)\b[^.!?;:,]*$"
        r"|\bse (?:eu|fosse|io|fossi|mi|meu)\b[^.!?;:,]*$|\bof (?:ik|mij)\b[^.!?;:,]*$|\b(?:если бы|якби)\b[^.!?;:]*$|\bgdyby\w*[^.!?;:]*$"
        r"|(?:^|\s)(?:لو|اذا|إذا)\s[^.!?؟؛،]*$|(?:अगर|यदि)\s[^।!?,]*$|\b(?:jika|apakah|kalau|seandainya|nếu|liệu|ikiwa|iwapo)\b[^.!?;:,]*$"
        r"|\b(?:don't|do not|doesn't|can't|cannot|won't|will not|couldn't|wouldn't|not going to) (?:\w+ )?(?:know|say|tell|claim|pretend|confirm|remember|think|believe|suppose|guess)"
        r"(?: (?:if|who|that))?\b[^.!?;:,]*$|\b(?:sijui|sina uhakika)\b[^.!?;:]*$|(?:لا أعرف|لا أدري|لست متأكدا)[^.!?؟؛،]*$"
        r"|(?:नहीं पता|पता नहीं|जानकारी नहीं|मालूम नहीं|नहीं मालूम|यकीन नहीं|नहीं जानता|नहीं जानती)[^।!?]*$|(?:不知道|不确定)[^。！？，]*$"
        r"|(?:如果|假如|是否|要是|倘若)[^。！？，]*$|\bom jag\b[^.!?;:,]*$"
        r"|(?:^|\W)(?:не|ні) (?:могу|можу|мога) (?:вам |тебе |тобі )?(?:\w+ )?(?:подтвердить|сказать|утверждать|знать|сказати|підтвердити|да (?:кажа|потвърдя))[^.!?;]{0,16}\b(?:что|кто|що|хто|ли|че)\b[^.!?;,]*$"
        r"|\bnie (?:mogę|potrafię|umiem) (?:\w+ )?(?:potwierdzić|powiedzieć|stwierdzić)[^.!?;]*\b(?:że|kto)\b[^.!?;,]*$"
        r"|\b(?:nemohu|nemůžu|nedokážu|neviem|nemôžem) (?:\w+ )?(?:potvrdit|říct|říci|povedať|potvrdiť)?[^.!?;]*\b(?:že|kdo|kto|či)\b[^.!?;,]*$"
        r"|(?:لا (?:أستطيع|استطيع|يمكنني)|ليس بإمكاني|ليس بوسعي) (?:أن |ان )?(?:أقول|اقول|أؤكد|اؤكد|أجزم|القول|التأكيد|الجزم)[^.!?؟؛،]*$"
        r"|نمی.?(?:دانم|توانم بگویم|توانم تایید)[^.!?؟؛،]*$"
        r"|\b(?:kann|könnte) (?:ich )?(?:dir |ihnen |euch )?(?:\w+ )?nicht (?:sagen|bestätigen|versichern),? (?:dass|wer)\b[^.!?;,]*$"
        r"|\bje ne (?:peux|puis|saurais|sais) (?:pas |vous |te |l')*(?:confirmer|dire|affirmer|savoir)[^.!?;,]{0,12}\b(?:que|qui|si)\b[^.!?;,]*$"
        r"|\bno (?:puedo|sabría|sé) (?:\w+ )?(?:confirmar|decir|asegurar)\w*[^.!?;,]{0,12}\b(?:que|quién|si)\b[^.!?;,]*$"
        r"|\bnão (?:posso|sei|consigo) (?:\w+ )?(?:confirmar|dizer|afirmar)\w*[^.!?;,]{0,12}\b(?:que|quem|se)\b[^.!?;,]*$"
        r"|\bnon (?:posso|so|saprei) (?:\w+ )?(?:confermar|dir|affermar)\w*[^.!?;,]{0,12}\b(?:che|chi|se)\b[^.!?;,]*$"
        r"|\b(?:kan|kunde|kunne|vet|ved|vil) (?:jag |jeg |ik )?(?:inte|ikke|niet) (?:säga|si|sige|bekräfta|bekrefte|bekræfte|zeggen|bevestigen)?[^.!?;,]{0,8}\b(?:om|att|at|dat|of)\b[^.!?;,]*$"
        r"|\b(?:tidak|tak) (?:bisa|dapat) (?:memastikan|mengatakan|mengonfirmasi)[^.!?;,]*$|\bkhông thể (?:nói|xác nhận|khẳng định)[^.!?;,]*$"
        r"|\b(?:you|anyone|anybody|people|they|some|users?|everyone) (?:\w+ )?(?:think|believe|assume|guess|suspect|say|claim)s? (?:that )?i(?:'m| am| was| come| belong| work| run)\b[^.!?;:,]*$"
        r"|\b(?:czy|jestli|zda|чи|дали)\b[^.!?;:]*$|\bonko\b[^.!?;:]*$|\bnem tudom\b[^.!?;:]*$|\bdacă\b[^.!?;:]*$|(?:^|\s)(?:האם|אם)\s[^.!?;:]*$|ไม่(?:ทราบ|แน่ใจ|รู้)[^\n]*$|জানি না[^।!?]*$"
    )
)
_REPORTED = re.compile(
    r"(?<!\bi )\b(?:says|said|wrote|writes|reads|begins|replied|announced|claims|shouted|sings|sang|schrieb|sagte|ecrit|escribio|dijo|disse)"
    r"(?: [\w']+){0,2} ?:[^.!?]*$"
    r"|\b(?:introduc|present|call|describ)(?:es|ed|s) (?:itself|himself|herself|themselves)\b[^.!?]*$"
)
_RELATION = re.compile(
    without_accents(
        r"\b(?:aunt|auntie|uncle|sister|brother|mother|father|mum|mom|dad|friend|cousin|neighbou?r|daughter|son|wife|husband"
        r"|colleague|niece|nephew|grandmother|teacher|classmate|roommate|dog|cat|horse|pony|tante|schwester|nichte|nachbarin|freundin"
        r"|kollegin|mutter|tochter|hündin|katze|sœur|soeur|amie|cousine|voisine|fille|mère|hermana|tía|prima|amiga|vecina|hija"
        r"|irmã|tia|filha|vizinha|zia|sorella|cugina|amica|vicina|figlia|zus|vriendin|buurvrouw|nicht|ciocia|siostra"
        r"|przyjaciółka|kuzynka|sąsiadka|koleżanka|сестра|тётя|подруга|соседка|дочь|подружка|тітка|kuzenim|ablam|teyzem|arkadaşım"
        r"|kardeşim|(?:teman|kakak|adik|bibi|sepupu|tetangga)(?: saya)?|(?:dada|rafiki|shangazi|jirani)(?: yangu)?|chị|em gái|cô"
        r"|ƙawata|yar'uwata|kawata|صديقتي|أختي|خالتي|ابنة عمي|बहन|सहेली|मौसी|syster|moster|vän|väninna|søster),? ?$"
    )
)

#: What stands between the names of a list, in most languages.
_LIST_GOES_ON = re.compile(
    r"[*_`\"' ]*(?:[,/、،]|,? (?:and|or|und|oder|et|ou|y|o|e|i|en|of|и|или|або|ve|veya|atau|dan|au|na|ko|da|hoặc|và|och|eller|أو|و|या|और))[*_`\"' ]*"
)

_ASIAN_LIST = re.compile(r"、\s?(?!AI\b|LLM\b)[A-Za-z]{2}", re.ASCII)


def denies(context: Context) -> bool:
    """Whether the clause round the name says that it is not so, or only supposes it, or reports it."""
    before = context.before
    ends = [end.end() for end in _CLAUSE_ENDS.finditer(before)]
    clause = before[ends[-1] :] if ends else before
    if _DENIED.search(clause) is not None or _DENIED_AFTER.match(context.after) is not None:
        return True
    return _SUPPOSED.search(before) is not None or _REPORTED.search(before) is not None


def is_relation(context: Context) -> bool:
    """Whether the word before the name makes it a person's or an animal's."""
    return _RELATION.search(context.before) is not None


def is_listed(others: re.Pattern[str], after: str) -> bool:
    """Whether the name is the first of a list of models."""
    if _ASIAN_LIST.match(after) is not None:
        return True
    goes_on = _LIST_GOES_ON.match(after)
    return goes_on is not None and others.match(after, goes_on.end()) is not None
