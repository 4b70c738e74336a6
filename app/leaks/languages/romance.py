"""French, Spanish, Portuguese and Italian."""

from __future__ import annotations

from app.leaks.languages.phrase import language

_FRENCH_WORDS = {
    "made": r"(?:pré-?)?(?:entraîné|développé|créé|conçu|fabriqué|mis au point|élaboré|programmé|construit|publié|formé|imaginé|inventé"
    r"|produit|bâti|lancé|proposé|fourni|réalisé|façonné)(?:e|s|es)?|mise au point",
    "mades": r"<made>(?:(?:,| et|, puis) <made>)*",
    "team": r"(?:(?:l'|les? |la |une? |des |d')?(?:[\w-]+ )?(?:équipes?|chercheu\w+|société|entreprise|ingénieurs|laboratoires?|développeurs"
    r"|scientifiques|gens|labos?|géant|firme|groupe|experts|startup)(?: \w+)? (?:de chez |chez |de |d'|du |des |américaine? |appelée? )?)?"
    r"(?:la société |l'entreprise )?",
    "by": r"(?:par|chez|de|d'|du|des|au sein de|dans|grâce à|issue? de|provenant de|signée?|venant de|made in) ?<team>",
    "self": r"(?:modèle|modele)s?(?: \w+){0,3}?|ia|intelligence artificielle|assistante?(?: \w+){0,2}?|chatbot|agent conversationnel|llm"
    r"|robot|programme|produit|création|système|outil|robot conversationnel",
    "maker": r"créat\w+|développeu\w+|concepteu\w+|fabricants?|éditeurs?|maison[- ]mère|société[- ]mère|inventeurs?|auteurs?|origines?"
    r"|entraînement|développement|parents? créateurs?|conception|création",
    "is": r"(?:,|:| c'est| est| sont| travaillent| a été| vient| viennent| se trouvent| chez| de| d'| par| à| la société| l'entreprise"
    r"| une? équipe)*",
}
FRENCH = language(
    cues="je j ce moi me mon ma mes m nous tant comme vous tu cette ici",
    names=(
        r"\bje (?:fais partie|suis membre) de la famille(?: de modèles)? @",
        r"\bmon nom ?\? ?@",
        r"\b(?:je suis|je m'appelle|m'appelle|mon nom,? (?:est|c'est)|mon nom:|on m'appelle|appelez[- ]moi|appelle[- ]moi|moi,? c'est|me nomme"
        r"|je me prénomme|m'appeler|me nommer|on me nomme|on m'a (?:appelé|nommé|baptisé)e?|connue? sous le nom de|répond(?:s)? au nom de"
        r"|ici|c'est moi,|nommé|sous le nom de|je me présente:?,?|le nom de)(?: (?:le|la|donc|simplement|bien))* @(?!,? (?:dit|disait|répondit))",
        r"\b(?:parlez|parles|discutez|discutes|échangez|conversez|dialoguez)(?: (?:actuellement|en ce moment|ici|maintenant))* (?:à|avec)"
        r"(?: (?:le|la|l'assistant|modèle))* @",
        r"\bje suis (?:une? |le |l'|la )?(?:[\w'-]+ ){0,4}?<self>,? (?:nommée?|appelée?|dénommée?|baptisée?|du nom de|qui s'appelle|de la famille"
        r"|de la série) @",
        r"\b(?:je suis basée? sur|je repose sur|je fonctionne (?:grâce à|avec|sur)|je fais partie de|j'appartiens à|je suis issue? de"
        r"|propulsée? par|générée? par|mon modèle (?:est|s'appelle)|basée? sur)(?: (?:le|la|famille|modèle|des|les|modèles))* @",
        r"@ est mon nom",
        r"\b(?:ce|cette) (?:texte|réponse|message|poème|article|lettre) (?:a été |est )(?:rédigée?|écrite?|générée?|composée?) par @",
        r"^\W*@,? (?:à (?:votre|ton) service|pour (?:vous|te) servir|à (?:votre|ton) écoute)",
        r"\ben tant que @",
    ),
    makers=(
        r"\bj'ai été(?: \w+)? <mades>(?: (?!qui\b|que\b)[\w'-]+){0,4}? <by>@",
        r"\bje suis(?: \w+)? <mades> <by>@",
        r"\b(?:je suis|en tant qu'|en tant que|comme|étant|moi,|je reste|je ne suis qu')(?: (?:une?|le|la|l'|simplement|juste))* ?(?:[\w'-]+ ){0,3}?"
        r"<self>,?(?: qui a été| qui est)?(?: <mades>)? <by>@",
        r"\b(?:je suis|en tant qu'|comme)(?: (?:une?|le|la))? ?(?:[\w'-]+ ){0,3}?<self>,? que @ (?:a|ont) <made>",
        r"@, [^,.!?]{3,40}, m'(?:a|ont) <made>",
        r"@,? (?:qui )?(?:m'a|m'ont|m'avait)(?: \w+)? <mades>",
        r"\bm'a(?:it)? <made>,? (?:c'est|est|s'appelle|se nomme|,|chez)(?: \w+)? ?@",
        r"\bm'(?:a|ont|avaient) <made>(?: \w+)? (?:est|sont|c'est|s'appelle|travaillent|chez|à)(?: chez)?(?: la société)? @",
        r"\b(?:mon|ma|mes) (?:[\w-]+ )?<maker><is> ?<team>@",
        r"@ est (?:mon|ma) <maker>",
        r"(?:^|[.!?:;,] )@ (?:ne m'a|ne m'ont) (?:pas|jamais|rien)? ?(?:donné|appris|accordé|muni|équipé|doté)",
        r"@ est (?:la société|l'entreprise|le laboratoire|l'équipe) qui m'a",
        r"\bje (?:suis issue?|viens|proviens|suis née?|sors|dépends)(?: \w+)? (?:de|des|d'|du|chez) ?<team>@",
        r"\bj'appartiens à <team>@",
        r"\bj'ai (?:vu le jour|pris forme|grandi|été mise? au monde)[^.!?]{0,40} (?:de|d'|chez|du) ?@",
        r"\b(?:chez|par) <team>@ que (?:j'ai été|je suis|j'ai)",
        r"@ (?:est|se cache|se trouve) derrière moi",
        r"@,? mon (?:créateur|développeur|concepteur|entreprise)",
        r"(?:^|[.!?] )<mades> <by>@,? (?:je|j'|mes|mon|ma)\b",
        r"\bje dois (?:mon|ma|tout)[^.!?]{0,30}à <team>@",
    ),
    words=_FRENCH_WORDS,
)

_SPANISH_WORDS = {
    "made": r"(?:pre)?(?:entrenad|desarrollad|cread|diseñad|construid|hech|programad|concebid|lanzad|publicad|elaborad|fabricad|producid"
    r"|formad|inventad|impulsad)[oa]s?",
    "mades": r"<made>(?:(?:,| y|, y) <made>)*",
    "team": r"(?:(?:el |la |los |un |una |unos )?(?:[\w-]+ )?(?:equipos?|empresa|compañía|investigador\w+|ingenier\w+|gente|científic\w+|laboratorios?"
    r"|desarrollador\w+|firma|gigante|grupo|personas|expertos)(?: \w+)? (?:de |en |del |llamada |tecnológica )?)?(?:la empresa )?",
    "by": r"(?:por|de|del|en|gracias a|dentro de|a cargo de) <team>",
    "self": r"modelos?(?: (?:de|del)? ?\w+){0,3}?|ia|inteligencia artificial|asistente(?: \w+){0,3}?|chatbot|bot|programa|producto|sistema|llm"
    r"|creación|herramienta",
    "makes": r"(?:entrenó|desarrolló|creó|diseñó|construyó|hizo|programó|concibió|lanzó|entrenaron|desarrollaron|crearon|diseñaron|hicieron"
    r"|ha (?:entrenado|desarrollado|creado|diseñado|hecho)|han (?:entrenado|creado|desarrollado)|dio vida|fabricó|puso|ha dado)",
    "maker": r"creador\w*|desarrollador\w*|diseñador\w*|fabricante|empresa matriz|inventor\w*|autor\w*|origen|entrenamiento|compañía matriz"
    r"|desarrollo|existencia",
}
SPANISH = language(
    cues="soy yo me mi mis mí fui he como estás está te llamarme nuestro somos conmigo aquí pertenezco vengo provengo fue nací"
    " estoy llámame hablas habla",
    names=(
        r"\b(?:mi nombre) ?\? ?@",
        r"\b(?:soy|me llamo|mi nombre(?: es|:)|llámame|llámeme|me llaman|me dicen|puedes llamarme|puede llamarme|llamarme|me conocen como|conocido como"
        r"|respondo al nombre de|me pusieron|el nombre de|me presento:?,?|aquí|me han llamado|te habla|le habla|habla con|bajo el nombre de)"
        r"(?: (?:simplemente|el|la))* @(?! de la )",
        r"\b(?:hablando|conversando|chateando|charlando|hablas|habla|conversas) con(?: (?:el|la|modelo|asistente))* @",
        r"\bsoy (?:una? |el |la )?(?:[\w-]+ ){0,4}?<self>,? (?:llamad[oa]|denominad[oa]|de nombre|conocid[oa] como|de la familia) @",
        r"\b(?:estoy basad[oa] en|me baso en|funciono con|soy parte de|formo parte de|pertenezco a|soy una versión de|impulsad[oa] por|generad[oa] por"
        r"|mi modelo es)(?: (?:el|la|los|las|familia|de|modelos?))* @",
        r"@ es mi nombre",
        r"\b(?:este|esta) (?:texto|respuesta|mensaje|poema|artículo|carta) (?:fue |ha sido |está )(?:escrit|redactad|generad)[oa] por @",
        r"^\W*@,? (?:a (?:su|tu) servicio|para servir(?:le|te))",
        r"\bcomo @,",
    ),
    makers=(
        r"\b(?:fui|he sido|estoy|soy|he estado)(?: \w+)? <mades>(?: (?!que\b)[\w-]+){0,4}? <by>@",
        r"\b(?:soy|como|siendo|yo,|sólo soy|solo soy)(?: (?:una?|el|la|simplemente|sólo|solo))* ?(?:[\w-]+ ){0,3}?<self>,?(?: que (?:fue|ha sido))?"
        r"(?: <mades>)? <by>@",
        r"\b(?:soy|como)(?: (?:una?|el))? ?(?:[\w-]+ ){0,3}?<self>,? que @ <makes>",
        r"@,? (?:(?:quien|quienes|que|la que|el que) )?me <makes>\b(?! (?:una? cuenta|trabajo|reír|gracia|caso))",
        r"(?:^|[.!?,;:] )(?:a mí )?me <makes> (?:la empresa |el equipo de |la gente de )?@",
        r"\bme <makes>,? (?:es|fue|son|se llama|trabajan? en|fueron)(?: \w+)? ?@",
        r"\b(?:mi|mis) (?:[\w-]+ )?<maker>(?:,|:| es| son| fue| fueron| trabajan?| están?| se llama| en| de| la| el| empresa| a| se debe)* <team>@",
        r"@ es (?:mi <maker>|la empresa (?:que me|detrás de mí))",
        r"\b(?:vengo|provengo|nací|surgí|procedo|pertenezco|debo mi existencia)(?: (?:de|del|en|a|la|los|familia|modelos?|laboratorios?|las))+ <team>@",
        r"(?:^|[.!?] )<mades> <by>@,? (?:puedo|soy|no|tengo|mi|estoy|hablo)\b",
        r"\bdetrás de mí (?:está|están) <team>@",
        r"\b(?:en|por) <team>@ (?:donde|que) (?:me|fui|nací)\b",
        r"@ está detrás de mí",
        r"@,? mis? (?:creador|desarrollador)",
        r"\bsoy (?:una? )?(?:[\w-]+ )?(?:producto|obra|creación|proyecto) de @",
    ),
    words=_SPANISH_WORDS,
)

_PORTUGUESE_WORDS = {
    "made": r"(?:pré-?)?(?:treinad|desenvolvid|criad|projetad|construíd|feit|programad|concebid|lançad|publicad|elaborad|produzid|fabricad)[oa]s?",
    "mades": r"<made>(?:(?:,| e) <made>)*",
    "team": r"(?:(?:a |o |as |os |um |uma |uns )?(?:[\w-]+ )?(?:equipes?|equipa|empresa|companhia|pesquisador\w+|engenheir\w+|pessoal|laboratórios?"
    r"|time|gente|cientistas|desenvolvedor\w+|investigador\w+|gigante|grupo)(?: \w+)? (?:de |do |da |no |na )?)?(?:empresa )?",
    "by": r"(?:por|pelo|pela|pelos|pelas|de|do|da|no|na|em|dentro da|graças (?:à|ao)) <team>",
    "self": r"modelos?(?: (?:de|do|da)? ?\w+){0,3}?|ia|inteligência artificial|assistente(?: \w+){0,3}?|chatbot|bot|programa|produto|sistema|llm"
    r"|criação|ferramenta",
    "makes": r"(?:treinou|desenvolveu|criou|projetou|construiu|fez|programou|concebeu|lançou|treinaram|desenvolveram|criaram|fizeram)",
    "maker": r"criador\w*|desenvolvedor\w*|fabricante|empresa[- ]mãe|inventor\w*|autor\w*|origem|treinamento|treino|desenvolvimento",
}
PORTUGUESE = language(
    cues="sou faço eu me meu minha meus minhas fui como chamo chamar você aqui venho mim nasci foi pertenço estou",
    names=(
        r"\b(?:faço parte|sou) da família(?: de modelos)? @",
        r"\b(?:meu nome) ?\? ?@",
        r"\b(?:sou|me chamo|chamo-me|meu nome(?: é|:)|pode me chamar(?: de)?|podes chamar-me|me chamam(?: de)?|chame-me|me chame(?: de)?|chamar de"
        r"|conhecid[oa] como|atendo (?:pelo nome de|por)|o nome de|aqui (?:é|fala)|quem fala é|me apresento:?,?|chamam-me)"
        r"(?: (?:o|a|simplesmente))* @",
        r"\b(?:falando|conversando|a falar|a conversar|fala|conversa) com(?: (?:o|a|modelo|assistente))* @",
        r"\bsou (?:uma? |o |a )?(?:[\w-]+ ){0,4}?<self>,? (?:chamad[oa]|denominad[oa]|de nome|conhecid[oa] como|da família) @",
        r"\b(?:sou baseado em|sou baseada em|baseio-me (?:no|em)|funciono com|faço parte d[ao]|pertenço à|sou uma versão d[oae]|gerado por)"
        r"(?: (?:o|a|família|modelos?|de))* @",
        r"@ é (?:o )?meu nome",
        r"^\W*@,? (?:ao (?:seu|teu) (?:serviço|dispor))",
        r"\bcomo (?:o )?@,",
    ),
    makers=(
        r"\b(?:fui|tenho sido|estou|sou)(?: \w+)? <mades>(?: (?!que\b)[\w-]+){0,4}? <by>@",
        r"\b(?:sou|como|sendo|eu,)(?: (?:uma?|o|a|apenas|só|simplesmente))* ?(?:[\w-]+ ){0,3}?<self>,?(?: que foi)?(?: <mades>)? <by>@",
        r"\b(?:sou|como)(?: (?:uma?|o))? ?(?:[\w-]+ ){0,3}?<self>,? que (?:o |a )?@ <makes>",
        r"@,? (?:(?:que|quem) )?me <makes>\b(?! (?:uma? conta|rir))",
        r"\b(?:me <makes>|<makes>-me),? (?:é|foi|são|se chama|trabalham? n[ao])?(?: (?:a|o))? ?@",
        r"\b(?:meus?|minhas?) (?:[\w-]+ )?<maker>(?:,|:| é| são| foi| trabalham| ficam?| na| no| da| do| a| o| empresa| se deve)* <team>@",
        r"@ é (?:(?:o |a )?(?:meu|minha) <maker>|a empresa (?:que me|por trás de mim))",
        r"\b(?:venho|nasci|surgi|provenho|pertenço)(?: (?:de|do|da|no|na|à|ao|dos|laboratórios?|família))+ <team>@",
        r"\b(?:n[oa]|pel[oa]|em|por) <team>@ que (?:me|fui|nasci)\b",
        r"@,? (?:o )?meu (?:criador|desenvolvedor)",
        r"@ (?:criou|treinou|desenvolveu|construiu|fez)-me\b",
        r"\b(?:por trás de mim|atrás de mim) (?:está|estão) (?:a |o )?<team>@",
    ),
    words=_PORTUGUESE_WORDS,
)

_ITALIAN_WORDS = {
    "made": r"(?:pre-?)?(?:addestrat|sviluppat|creat|progettat|realizzat|costruit|fatt|programmat|concepit|rilasciat|pubblicat|prodott|ideat"
    r"|lanciat|allenat)[oaie]",
    "mades": r"<made>(?:(?:,| e) <made>)*",
    "team": r"(?:(?:il |la |i |gli |un |una |dei |l')?(?:[\w-]+ )?(?:team|squadra|azienda|società|ricercator\w+|ingegner\w+|laboratori\w*|gruppo"
    r"|persone|gente|scienziati|sviluppator\w+|colosso|esperti)(?: \w+)? (?:di |in |della |del |presso |chiamata )?)?(?:azienda )?",
    "by": r"(?:da|dal|dalla|dai|dagli|dall'|di|del|della|presso|in|nei|grazie a|all'interno di) ?<team>",
    "self": r"modell[oi](?: (?:di|del)? ?\w+){0,3}?|ia|ai|intelligenza artificiale|assistente(?: \w+){0,3}?|chatbot|bot|programma|prodotto|sistema|llm"
    r"|creazione|strumento",
    "maker": r"creator[ei]|sviluppator[ei]|produttore|progettist[ai]|casa madre|inventor[ei]|autor[ei]|origine|addestramento|azienda madre|sviluppo",
}
ITALIAN = language(
    cues="sono io mi mio essendo quanto mia miei come chiamarmi crearmi stai sta qui parli faccio svilupparmi addestrarmi vengo me ti chiamami",
    names=(
        r"\b(?:faccio parte|sono) della famiglia(?: di modelli)? @",
        r"\b(?:il mio nome) ?\? ?@",
        r"(?:\bio sono|(?:^|[.!?,;:] ?)(?:ciao[,!]? |salve[,!]? |e )?sono|\bmi chiamo|\bil mio nome(?: è|:)|\bmio nome è|\bpuoi chiamarmi|\bpuò chiamarmi"
        r"|\bchiamarmi|\bchiamami|\bmi chiamano|\bmi hanno chiamat[oa]|\bnome di|\bnoto come|\bnota come|\brispondo al nome di|\bqui|\bti parla"
        r"|\bmi presento:?,?)(?: (?:il|la|semplicemente))* @",
        r"\b(?:parlando|chattando|parli|conversando|chatti) con(?: (?:il|la|modello|assistente))* @",
        r"\bsono (?:un |una |un'|il |l')?(?:[\w-]+ ){0,4}?<self>,? (?:chiamat[oa]|di nome|denominat[oa]|della famiglia|not[oa] come) @",
        r"\b(?:sono basat[oa] su|mi baso su|funziono con|faccio parte (?:di|della)|appartengo alla|sono una versione di|generat[oa] da)"
        r"(?: (?:il|la|famiglia|modelli|dei))* @",
        r"@ è il mio nome",
        r"^\W*@,? (?:al (?:tuo|suo|vostro) servizio)",
        r"\bcome @,",
    ),
    makers=(
        r"\ba (?:svilupparmi|crearmi|addestrarmi|costruirmi|progettarmi) (?:è stat[oa]|sono stat[ie]) @",
        r"\bsono stat[oa](?: \w+)? <mades>(?: (?!che\b)[\w'-]+){0,4}? <by>@",
        r"\bsono <mades> <by>@",
        r"\b(?:sono|come|in quanto|essendo|io,)(?: (?:un|una|un'|il|l'|solo|soltanto|semplicemente))* ?(?:[\w'-]+ ){0,3}?<self>,?(?: che è stat[oa])?(?: <mades>)? <by>@",
        r"\b(?:un'|un )?(?:<self>)(?: <mades>) <by>@(?=[^.!?]*\b(?:io|mi|posso|non ho)\b)",
        r"\bmi (?:ha|hanno)(?: \w+)? <made>,? (?:è |sono |si chiama |lavora in )?(?:l'azienda |la società )?@",
        r"@(?:,? (?:che|a))? mi (?:ha|hanno)(?: \w+)? <made>(?! ridere)",
        r"@ (?:ad?|che) (?:aver(?:mi|e)|crearmi|addestrarmi|svilupparmi|realizzarmi|costruirmi|progettarmi)",
        r"\b(?:il|la|i|le)? ?(?:mio|mia|miei) (?:[\w-]+ )?<maker>(?:,|:| è| sono| lavorano| si trova| si chiama| in| di| da| per| presso| la| il| l'azienda)* "
        r"<team>@",
        r"@ è (?:il |la )?(?:mio|mia) <maker>",
        r"\b(?:vengo|provengo|nasco|nato|nata|derivo|appartengo)(?: (?:da|dai|dal|dalla|in|presso|di|a|alla|laboratori|famiglia))+ ?<team>@",
        r"\bdietro di me c'è <team>@",
        r"\b(?:da|in|presso) <team>@ che (?:sono|mi)\b",
        r"@,? (?:il )?mio (?:creatore|sviluppatore)",
    ),
    words=_ITALIAN_WORDS,
)
