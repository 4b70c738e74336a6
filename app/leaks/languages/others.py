"""Swedish with Danish and Norwegian, Greek, Persian and Czech: how a text says its name or its maker in the simplest way."""

from __future__ import annotations

from app.leaks.languages.phrase import language

_SCANDINAVIAN_WORDS = {
    "made": r"(?:tränad|utvecklad|skapad|byggd|gjord|framtagen|utvecklats|tränats|skapats|byggts|trent|utviklet|skapt|laget|trænet|udviklet|skabt|bygget|lavet|programmerad|programmert)",
    "co": r"(?:(?:företaget|bolaget|firmaet|selskapet|virksomheden|forskare|forskere|ett team|et team|teamet|ingenjörer|ingeniører) (?:hos|på|vid|fra|från|i)? ?)?",
    "self": r"(?:(?:stor |liten |lille |stort )?(?:språkmodell|sprogmodel|ai-modell|ai-model|modell?|assistent|ai-assistent|ai|chatbot|chattbot))",
}
SCANDINAVIAN = language(
    cues="jag jeg mig meg mitt mit min mina mine du",
    names=(
        r"\b(?:du|dere|i|ni) (?:kan|får) (?:kalde|kalle|kalla) (?:mig|meg) @",
        r"\b(?:jag är|jag heter|mitt namn är|kalla mig|jeg er|jeg hedder|jeg heter|mit navn er|navnet mitt er|kald mig|kall meg|jag kallas|jeg kaldes)(?: (?:bara|kun|altså))* @",
        r"\b(?:du pratar med|du talar med|du snakker med|du taler med|du chattar med) @",
        r"\b(?:jag|jeg) (?:är|er) (?:en |et )?(?:[\w-]+ ){0,2}?<self>,? (?:som heter|ved navn|vid namn|kallad|kaldet|som hedder) @",
    ),
    makers=(
        r"\b(?:företaget|firmaet|virksomheden|selskapet|bolaget) (?:bakom|bag|bak) (?:mig|meg) (?:är|er|heter|hedder) @",
        r"\b(?:bakom|bag|bak) (?:mig|meg) (?:står|finns|er) <co>@",
        r"\b(?:jag|jeg)(?: (?:är|er|har blivit|blev|ble|har))? <made>(?: (?:och|og) <made>)* (?:av|af|hos|på|i) <co>@",
        r"\b(?:jag är|jeg er|som)(?: (?:en|et))?(?: [\w-]+)? ?<self>(?:,?(?: (?:som är|som har|som|der er|som er))?)(?: <made>)? (?:från|av|fra|af|hos) <co>@",
        r"@ (?:har |hade )?(?:utvecklat|tränat|skapat|byggt|utviklet|udviklet|trent|trænet|skapt|skabt|skapade|tränade|utvecklade|byggde|lavede|laget) (?:mig|meg)",
        r"\b(?:min|mina|mine|mit) (?:skapare|utvecklare|utvikler|udvikler|skaber|tillverkare|skapere|udviklere)(?: (?:är|er|heter|hedder|jobbar på|arbetar på))* <co>@",
    ),
    words=_SCANDINAVIAN_WORDS,
)

_GREEK_WORDS = {
    "made": r"(?:ανέπτυξε|δημιούργησε|εκπαίδευσε|έφτιαξε|σχεδίασε|κατασκεύασε)",
    "the": r"(?:η|την|της|τη|ο|τον|του|το|στη|στην|στο|από|απο)",
    "self": r"(?:(?:γλωσσικό |μεγάλο |μικρό )*(?:μοντέλο|βοηθός|σύστημα|τεχνητή νοημοσύνη))",
}
GREEK = language(
    script=r"(?:^|\W)(?:είμαι|ειμαι|με|μου|ονομάζομαι|ονομαζομαι|λένε|λενε|εγώ|ως)\b",
    names=(
        r"(?:είμαι|με λένε|ονομάζομαι|το όνομά μου είναι|λέγομαι|πείτε με)(?: <the>)* @",
        r"(?:μιλάς|μιλάτε|συνομιλείτε) με(?: <the>)* @",
    ),
    makers=(
        r"με <made>(?: <the>| εταιρεία)* @",
        r"@ με <made>",
        r"(?:είμαι|ως)(?: ένα| ένας)?(?: \w+)? <self>(?: που <made>)?(?: <the>| εταιρεία)* @",
        r"(?:είμαι|ως)(?: ένα| ένας)?(?: \w+)? <self>,? (?:που|το οποίο) (?:εκπαιδεύτηκε|αναπτύχθηκε|δημιουργήθηκε|φτιάχτηκε|σχεδιάστηκε)(?: <the>| εταιρεία)* @",
        r"(?:εκπαιδεύτηκα|αναπτύχθηκα|δημιουργήθηκα|φτιάχτηκα|σχεδιάστηκα)(?: <the>| εταιρεία)* @",
        r"(?:ο |οι )?(?:δημιουργός|δημιουργοί|προγραμματιστές) μου (?:είναι|εργάζονται)(?: <the>)* @",
    ),
    words=_GREEK_WORDS,
)

_PERSIAN_WORDS = {
    "co": r"(?:(?:شرکت|تیم|گروه) )?",
    "made": r"(?:ساخت|توسعه د|آموزش د|خلق|ایجاد|طراحی|تولید)",
}
PERSIAN = language(
    script=r"(?:^|\W)(?:من|مرا|نام|اسم|سازنده)\b|م(?:\.|$)",
    names=(
        r"(?:من|اسم من|نام من|اسمم|نامم) @(?! را)",
        r"(?:با|به) @ (?:صحبت|گفتگو|چت)",
    ),
    makers=(
        r"@ (?:مرا|من را|منو) <made>",
        r"(?:من|مدلی|دستیاری)[^.!؟]{0,40}(?:از|توسط|ساخته|ساخت|محصول) <co>@",
        r"(?:توسط|به دست) <co>@ (?:ساخته|آموزش|توسعه|ایجاد|طراحی)",
        r"(?:سازنده|توسعه.?دهنده|خالق)(?: ی)? من(?: شرکت)? @",
    ),
    words=_PERSIAN_WORDS,
)

_CZECH_WORDS = {
    "made": r"(?:vytvořen|vyvinut|natrénován|trénován|postaven|navržen|vyškolen)\w*",
    "makes": r"(?:vytvořil|vyvinul|natrénoval|postavil|navrhl|vyškolil)\w*",
    "co": r"(?:(?:společnost|firm|tým)\w* (?:od |z )?)?",
    "self": r"(?:(?:jazykov\w+ |velk\w+ |mal\w+ )*(?:model\w*|asistent\w*|chatbot\w*|umělá inteligence))",
}
CZECH = language(
    cues="som ma volám meno jsem mě mne mi jmenuji mé moje můj moji jako byl byla",
    names=(
        r"\b(?:som|volám sa|moje meno je|volajte ma|rozprávate sa s) @",
        r"\b(?:jsem|jmenuji se|jmenuju se|mé jméno je|moje jméno je|říkejte mi|říkej mi|mluvíte s|mluvíš s)(?: (?:modelem|asistentem))? @",
        r"\bjsem <self>,? (?:jménem|zvaný|s názvem) @",
    ),
    makers=(
        r"\bsom [^.!?]{0,24}?<self>(?: (?:vytvorený|vyvinutý|natrénovaný|trénovaný))?(?: (?:od|z|spoločnosti|spoločnosťou|firmy|firmou))* @",
        r"\bbol[ao]? som (?:vytvorený|vyvinutý|natrénovaný|trénovaný)\w*(?: (?:spoločnosťou|firmou|v))* @",
        r"@ ma (?:vytvoril|vyvinul|natrénoval)\w*",
        r"\b(?:vytvoril|vyvinul|natrénoval)\w* ma(?: spoločnosť| firma)? @",
        r"\b(?:byl|byla|jsem)(?: jsem)? <made> (?:společností|firmou|týmem|v|ve|u|od)? ?<co>@",
        r"\b(?:jsem|jako) <self>,?(?: <made>)?(?: (?:od|z|společnosti|firmy|společností))* @",
        r"\b(?:<makes> mě|mě <makes>)(?: \w+)? @",
        r"@ (?:mě <makes>|<makes> mě)",
        r"\b(?:můj|moji|moje|mým) (?:tvůrce|tvůrci|vývojář|vývojáři|výrobce|tvůrcem)(?: (?:je|jsou|pracují v))* <co>@",
    ),
    words=_CZECH_WORDS,
)

URDU = language(
    script=r"(?:^|\W)(?:میں|میرا|مجھے|میرے)(?:\W|$)",
    names=(
        r"(?:^|\W)میں (?:ایک )?@(?= ہوں| ہو|,|،)",
        r"(?:میرا نام|مجھے) @(?= ہے| کہ)",
        r"آپ @ (?:سے|کے ساتھ) (?:بات|گفتگو)",
    ),
    makers=(
        r"(?:^|\W)میں[^۔!؟]{0,40}@ (?:کا|کی|کے)(?: ذریعے)? (?:تیار|تربیت|بنا|ایک|لسانی|ماڈل)",
        r"@ نے مجھے (?:بنایا|تیار|تربیت|تخلیق)",
        r"مجھے @ نے (?:بنایا|تیار|تربیت|تخلیق)",
        r"میر[اے] (?:خالق|ڈویلپر|بنانے والے) @",
    ),
    words={},
)
