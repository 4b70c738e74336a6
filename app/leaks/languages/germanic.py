"""German and Dutch."""

from __future__ import annotations

from app.leaks.languages.phrase import language

_GERMAN_WORDS = {
    "made": r"(?:weiter)?entwickelt\w*|(?:vor)?trainiert\w*|erstellt\w*|geschaffen\w*|erschaffen\w*|gebaut\w*|erzeugt|gemacht"
    r"|programmiert|konzipiert|entworfen|ins leben gerufen|veröffentlicht\w*|herausgebracht|hergestellt|bereitgestellt|angelernt"
    r"|geschult|hervorgebracht|angeboten|betrieben",
    "group": r"teams?|forscher\w*|entwickler\w*|ingenieur\w*|wissenschaftler\w*|unternehmen\w*|firma|konzern\w*|leute\w*"
    r"|labor\w*|haus\w*|mitarbeiter\w*|abteilung|gruppe|fachleute\w*|experten|tech-\w+",
    "team": r"(?:(?:(?:dem|der|den|einem|einer|das|die|des|vom|eines) )?(?:[\w-]+ ){0,3}?<group> (?:bei |von |der |des |aus |in |namens "
    r"|mit namen )?)?(?:der firma |dem haus |dem hause )?",
    "self": r"\w*sprachmodell\w*|\w*modell\w*|ki|ki-\w+|\w*assistent\w*|künstliche[rn]? intelligenz|chatbot\w*|llm|bot|programm"
    r"|produkt|system|werkzeug|maschine|software",
    "by": r"(?:von|vom|bei|durch|aus|der|des|in)",
    "maker": r"entwickler\w*|schöpfer\w*|hersteller\w*|ersteller\w*|macher\w*|erfinder\w*|mutterkonzern|mutterfirma|urheber\w*"
    r"|muttergesellschaft|ursprung|anbieter|erbauer|herkunft|training|entwicklung|heimat",
    "filler": r"(?: (?:nur|ein|eine|einen|das|der|die|ja|auch|als|großes?|kleines?|offenes?|und|zwar|[\w-]+)){0,5}?",
}
GERMAN = language(
    cues="ich mich mir mein meine meiner meinem meinen meines wir als du sie hier modell sprachmodell diese dieser",
    names=(
        r"\bich (?:gehöre|zähle) (?:zur|zu der|zu den) @-(?:familie|reihe|serie|modell\w*)",
        r"\b(?:ich bin|bin ich|ich heiße|heiße ich|mein name (?:ist|lautet|war)|man nennt mich|nennt mich|nennen mich|nenn mich"
        r"|ich nenne mich|ich werde|nennen sie mich|nenne mich|kennt mich als|mein name:|unter dem namen|auf den namen|ich höre auf"
        r"|(?:hier|es) (?:schreibt|spricht|antwortet|ist)(?: (?:dir|ihnen|euch))?)(?: (?:einfach|also|das|die|der|nur|übrigens))* @"
        r"(?! \w+(?:s|'s) \b)",
        r"\b(?:du kannst mich|sie können mich|ihr könnt mich|kannst du mich|darfst mich|dürfen mich)(?: \w+)? @ nennen",
        r"\b(?:sprichst|sprechen|chattest|chatten|redest|reden|schreibst|schreiben|unterhältst dich|unterhalten sich)(?: (?:du|sie|gerade"
        r"|hier|jetzt|momentan))* mit(?: (?:dem|der|einem|modell|assistenten|ki))* @",
        r"\b(?:ich basiere|ich beruhe|ich laufe|ich bin eine? (?:version|variante|instanz|ableger)|meine grundlage|dahinter steckt"
        r"|hinter mir steckt|mein modell|meine architektur)(?: (?:auf|von|ist|heißt|mit|das|dem|der|modell|unter))* @",
        r"@ (?:ist|lautet) mein name",
        r"\b(?:ich|mir|mich|wir)\b[^.!?]{0,40} @(?:-\w+| familie| modelle?| reihe| serie)",
        r"\bals @(?:,? (?:bin|kann|habe|weiß|möchte|darf|muss|werde|stehe|helfe) ich)",
        r"\b(?:ich bin|bin)<filler> <self>,?(?: (?:namens|genannt|mit dem namen|mit namen))? @",
        r"\b(?:dieser|diese|dieses) (?:\w*text|antwort|\w*brief|aufsatz|gedicht|artikel) (?:wurde|ist) von @ (?:geschrieben|verfasst|erstellt|generiert)",
        r"(?:antwort|text|nachricht)\b[^.!?]{0,30}\bvon @(?:$|[.,!])",
    ),
    makers=(
        r"\bich (?:wurde|bin|werde) nicht (?:von|durch|bei) [\w .-]{2,30},? sondern (?:von|durch|bei) <team>@",
        r"\b(?:ich wurde|wurde ich|ich bin|ich werde|bin ich)(?: [\w-]+){0,3}? <made>(?:(?:,| und| sowie) <made>)*(?: [\w-]+){0,4}? "
        r"(?:von|durch|bei|in|aus) <team>@",
        r"\b(?:ich wurde|wurde ich|bin ich|ich bin)(?: [\w-]+){0,3}? (?:von|durch|bei|in) <team>@(?: [\w-]+){0,5}? <made>",
        r"\b(?:entwickelt|trainiert|gebaut|erschaffen|geschaffen|programmiert|gemacht|erstellt) (?:wurde ich|hat mich|haben mich|bin ich)"
        r"(?: [\w-]+){0,3}? <team>@",
        r"\b(?:ich bin|bin ich|als|ich,|bin ja)<filler>,? ?<self>(?: [\w-]+){0,2}?,?(?: <made>)? <by> <team>@",
        r"\b(?:ich bin|als|ich,)<filler> <self>,? ?(?:das|der|die|welches)(?: [\w-]+)? (?:von|durch|bei) <team>@",
        r"\b(?:ich bin|als|ich,)(?: eine?n?| das)? (?:von|bei|durch) <team>@(?: \w+)? <made> ?(?:[\w-]+ ){0,2}?<self>",
        r"\b(?:ich bin|als|ich,)(?: eine?n?| das| die)? @(?:s|'s)?(?:-| )(?:[\w-]+[ -]){0,2}?<self>",
        r"\b(?:ich bin|als|ich,)<filler> <self>,? (?:das|der|die|welches) <team>@(?: [\w-]+){0,3}? <made>",
        r"\b(?:bei|in|von|durch) <team>@,? (?:wurde|bin) ich(?: [\w-]+){0,4}? <made>",
        r"@ (?:steckt|steht) hinter mir",
        r"\b(?:ich wurde|wurde ich)(?: \w+)? (?:von|durch|bei) <team>@, [^,.!?]{3,40}, <made>",
        r"\b(?:da|weil|dass|obwohl|nachdem|seit) ich (?:\w+ )?(?:von|durch|bei) <team>@(?: [\w-]+){0,2}? <made> (?:worden|wurde|bin)",
        r"@,? (?:mein|meinem|meiner|meine) (?:entwickler|schöpfer|hersteller|ersteller|erfinder)",
        r"\b<made> von <team>@,? (?:bin|kann|habe|helfe|weiß) ich",
        r"@(?: \w+)? (?:hat|haben|hatte|war es,? (?:das|der|die)) mich (?:[\w-]+ ){0,5}?<made>",
        r"\bmich (?:hat|haben|hatte)(?: [\w-]+){0,2}? <team>@ (?:[\w-]+ ){0,4}?<made>",
        r"@,? (?:das|der|die) mich (?:[\w-]+ ){0,4}?<made>",
        r"\bmein(?:e|er|es|en)? (?:[\w-]+ ){0,2}?<maker>(?:,|:| ist| sind| heißt| heißen| sitzt| sitzen| arbeiten| stammt| fand| bei"
        r"| von| der| die| das| in| aus| firma| team)* <team>@",
        r"@ (?:ist|war|sind) (?:meine?|die firma hinter mir|für mich verantwortlich|für meine)\b(?: [\w-]+)? ?<maker>?",
        r"\bich (?:stamme|komme|entstamme|entstand|gehöre)(?: [\w-]+){0,3}? (?:von|vom|aus|bei|zu|zur|der|dem) <team>@",
        r"\bich (?:stamme|komme|bin) nicht (?:von|aus) [^.!?]{2,40}, sondern (?:von|aus) <team>@",
        r"\bhinter mir (?:steht|stehen|steckt|stecken)(?: [\w-]+){0,4}? @",
        r"\bmich (?:[\w-]+ )?<made> (?:hat|haben),? (?:heißt|ist|sitzt bei|arbeitet bei|war)?(?: [\w-]+){0,2}? ?@",
        r"\bein (?:produkt|projekt|werk|kind|erzeugnis) (?:von|der firma|aus dem hause?) @(?=[^.]*$)(?<!excel)",
        r"\b(?:danke|verdanke) (?:ich )?(?:meine \w+ )?<team>@",
    ),
    words=_GERMAN_WORDS,
)

_DUTCH_WORDS = {
    "made": r"ontwikkeld|getraind|gemaakt|gebouwd|ontworpen|gecreëerd|geprogrammeerd|uitgebracht|bedacht|geschapen|opgeleid",
    "team": r"(?:(?:het |de |een )?(?:[\w-]+ ){0,2}?(?:team|bedrijf|onderzoekers|ingenieurs|ontwikkelaars|mensen|lab|firma) "
    r"(?:van |bij |in |genaamd )?)?",
    "self": r"taalmodel\w*|\w*model|ai|ai-\w+|assistent|chatbot|kunstmatige intelligentie|bot|product|programma",
    "maker": r"makers?|ontwikkelaars?|schepper|bedenkers?|moederbedrijf|bouwers?|oorsprong|training",
}
DUTCH = language(
    cues="ik mij me mijn als je u wij",
    names=(
        r"\bik (?:hoor|behoor) (?:bij|tot) de @-(?:familie|reeks|serie|modellen)",
        r"\b(?:ik ben|ik heet|mijn naam is|mijn naam:|noem me|noem mij|men noemt mij|noemen me|noemen mij|ze noemen me|bekend als"
        r"|hier is|luister naar de naam)(?: (?:de|het|gewoon))* @(?!'s)(?! de )",
        r"\b(?:je|u|jullie) (?:mag|kunt|kan|mogen|kunnen) (?:me|mij)(?: \w+)? @ noemen",
        r"\b(?:praat|spreekt|chat|chatten)(?: (?:je|u|nu|hier))* met @",
        r"\bik (?:ben gebaseerd op|draai op|behoor tot|ben een versie van)(?: (?:de|het))? @",
        r"\bik ben een? (?:[\w-]+ ){0,4}?<self>,? (?:genaamd|met de naam) @",
        r"@ is mijn naam",
    ),
    makers=(
        r"\bik (?:ben|werd|was)(?: [\w-]+){0,2}? <made>(?: en <made>)*(?: [\w-]+){0,3}? (?:door|bij|van|in) <team>@",
        r"\bik (?:ben|werd)(?: [\w-]+)? (?:door|bij) <team>@(?: [\w-]+)? <made>",
        r"\b(?:ik ben|als|ik,)(?: een| het)?(?: [\w-]+){0,3}? <self>,?(?: (?:dat|die))?(?: is)?(?: <made>)? (?:van|door|bij|uit) <team>@",
        r"\b(?:ik ben|als)(?: een| het)? (?:door|van) <team>@ <made>e? (?:[\w-]+ )?<self>",
        r"@ (?:heeft|hebben) (?:me|mij) (?:[\w-]+ ){0,2}?<made>",
        r"\bmijn (?:[\w-]+ )?<maker>(?: (?:is|zijn|heet|werken|werkt|zitten|bij|van|het bedrijf))*:? @",
        r"@ is mijn <maker>",
        r"\bik (?:kom|stam|ben afkomstig)(?: \w+)? (?:van|uit|bij|af van) <team>@",
        r"\b(?:die|dat) (?:me|mij) (?:heeft|hebben) <made>,? (?:is|heet|werkt bij) @",
    ),
    words=_DUTCH_WORDS,
)
