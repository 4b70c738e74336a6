"""Russian, Ukrainian in its simplest forms, and Polish."""

from __future__ import annotations

from app.leaks.languages.phrase import language

_RUSSIAN_WORDS = {
    "made": r"(?:пред)?(?:обучен|обученн|создан|созданн|разработан|разработанн|построен|построенн|сделан|сделанн|выпущен|выпущенн|натренирован"
    r"|натренированн|спроектирован|спроектированн|подготовлен|запрограммирован|придуман|розроблен|створен|навчен)\w*",
    "makes": r"(?:обучил|создал|разработал|построил|сделал|выпустил|натренировал|придумал|спроектировал|розробил|розробив|створил|створив|навчил|навчив|сотворил|обучал)\w*",
    "team": r"(?:(?:в |из |у )?(?:[\w-]+ )?(?:компани\w+|команд\w+|исследовател\w+|инженер\w+|разработчик\w+|лаборатор\w+|учёны\w+|специалист\w+|люд\w+"
    r"|корпораци\w+|фирм\w+)(?: \w+)? ?(?:из |в |от )?)?",
    "self": r"(?:языков\w+ )?модел\w+|ии|искусственн\w+ интеллект\w*|нейросет\w+|ассистент\w*|помощник\w*|чат-?бот\w*|бот\w*|программ\w+|продукт\w*"
    r"|система|ии-\w+|разработк\w+|детище",
    "maker": r"разработчик\w*|создател\w*|розробник\w*|творец\w*|творц\w*|автор\w*|производител\w*|владелец|материнская компания|обучени\w+|родител\w*|происхождени\w+",
}
RUSSIAN = language(
    script=r"(?:^|\W)(?:я|меня|мне|мой|моя|моё|мое|мои|моим|моими|моего|мной|мы|как|вы|ты|это|здесь|мене|мій|мої|мене|від|моей|моїм|моїми|моим|аз|съм|ми|ме|казвам)\b",
    names=(
        r"(?:^|\W)(?:аз съм|казвам се|наричам се|името ми е|наричайте ме) @",
        r"(?:^|\W)я,?(?: ?- ?| это | просто | и есть |,? )?(?:- )?@",
        r"(?:меня зовут|мое имя(?: ?- ?|:? )|имя мое|называют меня|зовите меня|называйте меня|меня называют|мне дали имя|известен как|известна как"
        r"|под именем|меня назвали|по имени|мене звати|представлюсь[:,]?|это я,|с вами|на связи|называть меня|звать меня)(?: ?- ?| )?@",
        r"(?:общаетесь|общаешься|говорите|говоришь|разговариваете|разговариваешь|беседуете|переписываетесь)(?: \w+)? с(?: (?:моделью|ассистентом|ии))? @",
        r"(?:^|\W)я(?: ?- ?| )(?:[\w-]+ ){0,4}?<self>,?(?: по имени| под названием| під назвою| на ім'я| по прозвищу| с именем| из семейства)? @",
        r"(?:основан\w*|работаю|базируюсь|построен\w*) на(?: \w+)? @",
        r"@ ?- ?(?:это )?(?:мое имя|я\b)",
        r"(?:^|\W)как @,",
    ),
    makers=(
        r"за (?:моей разработкой|моим созданием|моей спиной|моим обучением) (?:стоит|стоят) <team>@",
        r"(?:моїм|моїми|моим|моими) (?:розробник\w*|творц\w*|разработчик\w*|создател\w*) (?:є|був|була|были|был|является|являются)? ?<team>@",
        r"(?:^|\W)аз (?:съм|бях)[^.!?]{0,40}(?:<self>|обучен\w*|създаден\w*|разработен\w*)[^.!?]{0,16}(?:от|на|в) @",
        r"(?:обучен|създаден|разработен)(?:а)? съм от @",
        r"@ ме (?:създаде|обучи|разработи)",
        r"(?:създаде|обучи|разработи) ме @",
        r"(?:^|\W)я(?: (?:был\w*|-|являюсь|\w+))?(?: \w+)? <made>(?: (?:и|,) <made>)*(?: [\w-]+){0,3}? ?(?:в|из|у|компанией|командой|от|by)? ?<team>@",
        r"(?:^|\W)(?:я|как|будучи)(?: ?- ?| )?(?:это )?(?:[\w-]+ ){0,4}?<self>,?(?: котор\w+)?(?: был\w*)?(?: <made>)?(?: [\w-]+)? ?(?:от|из|в|у|від)? ?<team>@",
        r"(?:^|\W)(?:меня|мене) (?:<makes>|<made>)(?: и \w+)?(?: (?!ноутбук)[\w-]+){0,3}? ?<team>@",
        r"@(?: \w+)? (?:меня|мене) <makes>",
        r"@ (?:<makes>) (?:меня|мене)",
        r"(?:мой|моя|мои|моим|моего|моими|мій|мої)(?: \w+)? <maker>(?: ?- ?| является | являются | работа\w+ (?:в |на )?| працю\w+ | это |: ?| из | в | )*<team>@",
        r"@ ?(?:- ?|является )?(?:это )?(?:мой|моя|моим) <maker>",
        r"котор\w+ меня <makes>\w*,?(?: ?- ?| называется | это | является )<team>@",
        r"(?:за мной стоит|я родом из|я происхожу из|я продукт|я разработка|я детище)(?: \w+)? @",
    ),
    words=_RUSSIAN_WORDS,
)

_POLISH_WORDS = {
    "made": r"(?:stworzon|wytrenowan|opracowan|zbudowan|zaprojektowan|przeszkolon|wyszkolon|utworzon|zrobion|wydan|szkolon|trenowan|rozwijan)\w+",
    "makes": r"(?:stworzył|wytrenował|opracował|zbudował|zaprojektował|wyszkolił|zrobił)\w*",
    "team": r"(?:(?:\w+ )?(?:firm\w+|zespół\w*|zespoł\w*|badacz\w+|inżynier\w+|naukowc\w+|laborator\w+|ludzi\w*|programist\w+)(?: \w+)? ?"
    r"(?:z |w |od )?)?",
    "self": r"(?:\w+ )?model\w*(?: językow\w+)?|ai|sztuczn\w+ inteligencj\w+|asystent\w*|chatbot\w*|bot\w*|program\w*|produkt\w*",
    "maker": r"twórc\w+|autor\w*|deweloper\w*|producent\w*|firma[- ]matka|programiści|szkolenie|pochodzenie",
}
POLISH = language(
    cues="jestem mnie mi moje mój moja moi moim ja jako zostałem zostałam nazywam mam rozmawiasz powstałem powstałam pochodzę",
    names=(
        r"\bmożesz (?:mówić do mnie|do mnie mówić|zwracać się do mnie)(?: per)? @",
        r"\bnależę do rodziny(?: modeli)? @",
        r"\b(?:jestem|nazywam się|mam na imię|moje imię to|moje imię:|nazywaj mnie|mów mi|mów do mnie|nazywają mnie|zwą mnie|znany jako|znana jako|tu|to ja,"
        r"|możesz mi mówić|możesz mnie nazywać|na imię mi|ja,|pod nazwą) @",
        r"\brozmawia(?:sz|cie)(?: \w+)? z(?: \w+)? @",
        r"\bjestem (?:[\w-]+ ){0,4}?<self>,? (?:o nazwie|o imieniu|zwanym|z rodziny|nazwanym) @",
        r"\b(?:opieram się na|bazuję na|działam na)(?: \w+)? @",
        r"@ to moje imię",
        r"\bjako @,",
        r"\b(?:jestem|jako) (?:\w+ ){0,3}?model\w* @(?! (?:jest|to)\b)",
    ),
    makers=(
        r"\bza (?:moim powstaniem|mną|moim rozwojem) stoi <team>@",
        r"\b(?:zostałem|zostałam|jestem|byłem|byłam)(?: [\w-]+)? <made>(?: i <made>)*(?: [\w-]+){0,3}? (?:przez|w|u|od) <team>@",
        r"\b(?:jestem|jako|będąc)(?: [\w-]+){0,3}? <self>,?(?: któr\w+ został\w*)?(?: <made>)?(?: (?:od|z|przez|w))? ?<team>@",
        r"\b(?:<makes> mnie|mnie <makes>)(?: \w+)? ?<team>@",
        r"@ mnie <makes>",
        r"@ <makes> mnie",
        r"\b(?:mój|moja|moi|moim|moimi) <maker>(?: to| jest| są| pracują| w| z|:)* <team>@",
        r"@ (?:to|jest) (?:mój|moim) <maker>",
        r"\b(?:pochodzę|powstałem|powstałam|wywodzę się)(?: (?:z|w|od))* <team>@",
        r"\bktór\w+ mnie <makes>,? (?:to|nazywa się|jest) @",
    ),
    words=_POLISH_WORDS,
)
