"""Turkish, Arabic, Hindi, Hausa, Swahili, Indonesian and Vietnamese."""

from __future__ import annotations

from app.leaks.languages.phrase import language

_TURKISH_WORDS = {
    "made": r"(?:geliştiril|eğitil|oluşturul|yaratıl|tasarlan|üretil|yapıl|programlan|yayınlan|kodlan|inşa edil|hazırlan|kurul|ortaya çıkarıl)",
    "makes": r"(?:geliştir|eğit|oluştur|yarat|tasarla|üret|yap|programla|yayınla|kodla|inşa et|hazırla|ortaya çıkar)",
    "self": r"(?:dil )?model\w*|yapay zek\w+|asistan\w*|sohbet (?:robot|bot)\w*|chatbot\w*|yazılım\w*|ürün\w*|program\w*|sistem\w*|bot\w*|llm\w*",
    "co": r"(?:'\w+)?(?: (?:şirketi|ekibi|araştırmacıları|mühendisleri|araştırmacılar|mühendisler|ekip|geliştiricileri|bünyesindeki|içindeki|ai|firması"
    r"|çalışanları|laboratuvarı|laboratuvarları|bilim insanları|takımı)\w*){0,3}",
    "i": r"(?:im|ım|um|üm|yim|yım|yum|yüm)",
}
TURKISH = language(
    cues="ben benim beni bana adım adim ismim olarak konuşuyorsunuz ediyorsun ediyorsunuz diyebilirsiniz diyebilirsin şu -im -ım -um -üm",
    names=(
        r"\b(?:ben,?|benim adım|adım|ismim|benim ismim|bana|kendime|merhaba,? ben|ben bir|ismim ise|adım:|beni)(?: (?:kısaca|sadece|da|ise"
        r"|yapay zeka|asistanınız|asistanı|asistan|dil modeli|modeli))* @(?! (?:\w+ )?(?:kız kardeş|kardeş|arkadaş))(?!'(?:in|ın|un|ün|nin)\b)",
        r"@(?:'|’)?<i>\b",
        r"@ (?:diyebilir|diye (?:çağır|hitap|seslen)|derler|adında(?:ki)? bir|isimli bir|adlı bir)[^.!?]*(?:\b(?:bana|beni|ben)\b|<i>\b|siniz|sin\b)",
        r"\b(?:bana|beni|ben)\b[^.!?]{0,30}@ (?:diye|de|adıyla|olarak|ismiyle|derler|diyorlar)",
        r"(?:^|[.!?] )@ (?:ile|'(?:la|le)) (?:konuş|sohbet|yazış)",
        r"\b(?:şu anda|şu an|burada) @(?: ?ile|'(?:la|le|yla|yle)) ",
        r"@ (?:adında|isimli|adlı)(?: [\w-]+){0,5} (?:<self>)",
        r"\b@ (?:model|ailesi)\w*(?:<i>)",
        r"@ (?:tabanlı|temelli|ailesinden|modelinin|ailesinin|serisinden)[^.!?]*<i>\b",
    ),
    makers=(
        r"@(?:'?\w+)?(?: [\w'-]+){0,3}? (?:dil )?(?:model|asistan|yapay zek|bot|ürün|yazılım)\w*<i>\b",
        r"@<co> (?:tarafından|bünyesinde|için|sayesinde|desteğiyle)(?: [\w'-]+){0,5}? <made>(?:dim|dım|dum|düm|miştim|mıştım|miş|mış|muş|müş|iyorum|ıyorum)?"
        r"\w*m\b",
        r"@<co> tarafından(?: [\w'-]+){0,3}? <made>(?:miş|mış|muş|müş|en|an)(?:,? [\w'-]+){0,6}? ?\w*<i>\b",
        r"\b(?:ben|beni|bir dil modeli|yapay zeka)\b[^.!?]{0,30}@<co> tarafından(?: [\w'-]+){0,3}? <made>",
        r"\bbeni(?: [\w-]+){0,2} @<co>(?:'?(?:daki|deki|taki|teki))?(?: [\w-]+){0,2}? <makes>",
        r"@<co>(?:'?(?:daki|deki|taki|teki))?(?: [\w-]+){0,2} beni(?: [\w-]+){0,3}? <makes>",
        r"@(?:'\w+)?(?: [\w-]+)? <makes>(?:diği|dığı|duğu|düğü|tiği|tığı)(?: [\w'-]+){0,5}? ?\w*<i>\b",
        r"@'?(?:nin|nın|nun|nün|in|ın|un|ün)(?: [\w'-]+){0,5}? (?:<self>)(?:<i>)?\b(?<=m)",
        r"@'?(?:nin|nın|nun|nün|in|ın|un|ün)(?: [\w'-]+){0,4}? \w*(?:modeliyim|asistanıyım|zekasıyım|zekâsıyım|ürünüyüm|üyesiyim|projesiyim|botuyum)",
        r"\b(?:geliştiricim|geliştiricilerim|yaratıcım|yaratıcılarım|üreticim|yapımcım|sahibim|kurucum|tasarımcım|ana şirketim|eğiticim|kökenim|üreten şirket)"
        r"(?:,|:| ise)?(?: [\w'-]+)? ?@",
        r"\bbeni <makes>\w*(?: [\w'-]+){0,2}?,? @",
        r"@(?: [\w'-]+)? (?:benim )?(?:geliştiricim|yaratıcım|üreticim|ana şirketim)",
        r"@(?:'\w+)? (?:menşeli|kökenli|yapımı|üretimi)(?: [\w'-]+){0,5}? ?\w*<i>\b",
        r"@'?(?:dan|den|tan|ten)(?: [\w'-]+){0,2} (?:geliyorum|gelen[^.!?]*<i>\b)",
        r"@'?(?:da|de|ta|te)(?: [\w'-]+){0,2} <made>(?:dim|dım|dum|düm)",
        r"\bvarlığımı(?: [\w'-]+)? @",
    ),
    words=_TURKISH_WORDS,
)

_ARABIC_WORDS = {
    "made": r"(?:تطوير|تدريب|إنشاء|إنشائ|انشائ|بنائ|ابتكار|إنشاؤ|بناؤ|انشاء|صنع|تصميم|بناء|برمجة|ابتكار|إطلاق|اطلاق|إنتاج|انتاج|خلق|تصنيع|إعداد|ايجاد|إيجاد)",
    "did": r"(?:طو[ّ]?رت|درّ?بت|أنشأت|انشأت|صنعت|صمّ?مت|بنت|برمجت|ابتكرت|أطلقت|خلقت|أنتجت|طور|درب|صمم|أنشأ|صنع|بنى|أوجدت|أعدت|علّ?مت)",
    "passive": r"(?:مطوَّ?ر|مدرَّ?ب|مصمَّ?م|مُ?نشأ|مصنوع|مبني|مُ?برمج|طوّ?ر|درّ?ب|طوّ?رت|درّ?بت|صُ?مم|صُ?نع|أُ?نشئ|أنشأت|صممت|صنعت|تطور|أطلقت)",
    "self": r"(?:نموذج\w*|مساعد\w*|ذكاء اصطناعي|روبوت\w*|برنامج\w*|نظام\w*|منتج\w*|بوت|آلة)",
    "co": r"(?:(?:ال)?(?:شركة|فريق|باحثين|باحثو|باحثون|مهندسي|مهندسو|علماء|مطوري|مختبرات|مختبر|مجموعة|عملاق \S+|خبراء|فرق)(?: (?:من|في|لدى|عمل|بحث|شركة|التقنية|الأمريكية))* )?",
    "by": r"(?:من قبل|من طرف|بواسطة|على يد|لدى|في|من|عند|عن طريق|على أيدي|عبر|بفضل|تابع لـ?|تابعة لـ?|من تطوير|من صنع|من إنتاج|من إعداد|من تصميم|من ابتكار|من إنشاء|التابع لـ?|يتبع لـ?)",
    "w": r"(?: [^\s.!؟،]+)",
}
ARABIC = language(
    script=r"(?:^|[\sو])(?:أنا|انا|إنني|اني|إني|اسمي|إسمي|بصفتي|كنموذج|باعتباري|مطور|صانع|تم|تمّ|بصفة|كوني|أُ?دعى|ناد|لي|منشئ)|(?:ني|يي|تي|ري|بي|عي|ئي|مي|ادي)(?:\s|$|[.،])|أنت تتحدث|تتحدث",
    names=(
        r"(?:^|[\sو،])(?:أنا|انا|إنني|إني)(?: (?:هو|هنا|نموذج|مساعد|المساعد|ذكي|لغوي|النموذج|اللغوي|الذكي|مساعدك|مساعدكم|اسمي|المسمى|يسمى|يُدعى|يدعى|باسم|نموذج لغة|الذكاء|الاصطناعي)){0,6} ?،? ?@",
        r"(?:[اإ]سمي|اسمي هو|يدعونني|يسمونني|[أا]دعى|أُدعى|[أا]سمى|أُسمى|يُ?طلق علي[ّ]?|سم[ّ]?وني|تناديني|مناداتي|نادني|نادوني|معروف باسم|أعرف باسم|أُعرف باسم|لقبي|اسمًا هو|تسميتي|يسمّيني|أطلقوا علي)(?: (?:هو|باسم|ب|بـ|اسم))* ?(?:بـ|ب)?@",
        r"(?:تتحدث|تتكلم|تتواصل|تدردش|تحاور)(?: (?:الآن|حاليا|حاليًا))* (?:مع|إلى)(?: (?:نموذج|المساعد|مساعد))* ?@",
        r"(?:أعتمد|مبني|قائم|أعمل|أستند|مستند)(?: (?:على|إلى|نموذج|باستخدام|بواسطة))* ?@",
        r"(?:معك|معكم|هنا|هذا) @(?:،| ?$| مساعد| نموذج)",
        r"@ هو اسمي",
        r"(?:^|[\sو،])(?:أنا|إنني)[^.!؟]{0,40}(?:اسمه|يسمى|يُ?دعى|باسم|يحمل اسم|من عائلة|من نماذج|من سلسلة|ضمن عائلة) ?@",
        r"بصفتي @",
    ),
    makers=(
        r"(?:تم[ّ]?|جرى|يتم)(?:ت)? <made>ي<w>{0,4}? (?:<by> )?<co>(?:ل|ب)?@",
        r"(?:^|[\sو،])(?:أنا|انا|إنني|بصفتي|كنموذج|باعتباري|كوني|كمساعد|إني)(?:<w>){0,5}?،?(?:<w>)? <self>(?:<w>){0,3}?،?(?: (?:تم|الذي|التي|جرى))*(?: (?:<made>(?:ه|ها)?|<passive>(?:ه|ها|ته|تها|ني)?)(?: و\S+)?)? <by> ?<co>(?:ل|ب)?@",
        r"(?:^|[\sو،])(?:أنا|انا|إنني|بصفتي|كنموذج|باعتباري|كوني)(?:<w>){0,6}?،? (?:الذي )?(?:<passive>|<did>)(?:ه|ها|ته|تها|ني)? ?(?:<by> )?<co>@",
        r"(?:^|[\sو،])(?:كنموذج|بصفتي|باعتباري)(?:<w>){0,4}? <by> <co>@",
        r"<did>ني<w>{0,2}? ?<co>@",
        r"@(?:<w>){0,3}? (?:هي |هو |قد )?(?:من |التي |الذي )?<did>ني",
        r"(?:قامت|قام|قاموا)(?:<w>){0,1}? ?<co>@(?:<w>)? ?ب?<made>ي",
        r"@ (?:هي |هو )?(?:من |التي |الذي )?(?:قامت|قام|قاموا) ب<made>ي",
        r"(?:مطوّ?ري|مطوريّ|صانعي|منشئي|مبتكري|مصممي|الشركة الأم|مدربي|صانعيّ|خالقي|مطورتي|أصلي|مصدري|الجهة المطورة لي|مالكي|مبرمجي|مطوّري)(?: (?:هو|هي|هم|يعملون|من|في|لدى|شركة|:))* ?:? ?<co>@",
        r"@ (?:هي |هو )?(?:مطوّ?رتي|مطوّ?ري|صانعتي|صانعي|الشركة (?:التي|المطورة|الأم))",
        r"(?:الشركة|الجهة|الفريق) (?:التي|الذي) <did>(?:ني|تني)(?: (?:هي|هو|اسمها|تدعى))* ?<co>@",
        r"(?:أنتمي|أنحدر|أتيت|جئت|وُ?لدت|أصلي)(?: (?:إلى|من|في|عائلة|نماذج))* ?<co>@",
        r"(?:^|[\sو،])(?:أنا|إنني)(?:<w>){0,3}? (?:منتج|مشروع|ابتكار|من منتجات|تابع|من إنتاج|من تطوير|من صنع|نتاج)(?:<w>)? ?<co>(?:ل|لـ)?@",
        r"بصفتي(?:<w>){0,3}? <self>(?:<w>){0,3}? (?:من|لـ?|تابع\S*|طورته|دربته) ?<co>@",
    ),
    words=_ARABIC_WORDS,
)

_HINDI_WORDS = {
    "made": r"(?:बनाया|बनाई|विकसित|प्रशिक्षित|निर्मित|तैयार|डिज़ाइन|डिजाइन|ट्रेन|रचा|सृजित|डेवलप|जारी|लॉन्च|बनाये|बनाए)",
    "self": r"(?:भाषा )?(?:मॉडल|सहायक|एआई|ai|कृत्रिम बुद्धिमत्ता|चैटबॉट|असिस्टेंट|प्रोग्राम|उत्पाद|सिस्टम|बॉट)",
    "co": r"(?: ?(?:कंपनी|टीम|के शोधकर्ताओं|के इंजीनियरों|की टीम|के वैज्ञानिकों|नामक कंपनी|की एक टीम|की शोध टीम|के विशेषज्ञों|के लोगों|क्लाउड|एआई))*",
    "w": r"(?: [^\s।.!?]+)",
}
HINDI = language(
    script=r"मैं|मुझे|मेरा|मेरे|मेरी|मुझको|हम |के रूप में|आप|हूँ|हूं|हु",
    names=(
        r"मैं,? ?(?:एक )?(?:(?:हूँ|हूं|तो|आपका|आपकी|सहायक|एआई|ai|दोस्त|मॉडल|भाषा) ?,? ?){0,5}@(?! (?:की|का|के) (?:दोस्त|बहन|भाई))",
        r"(?:मेरा|मेरे) (?:नाम|मॉडल|परिचय)(?: (?:है|तो|ही|:))?:? ?@",
        r"(?:मुझे|मुझको) (?:लोग |सब |आप |प्यार से |अक्सर )*@ (?:कह|नाम|बुला|पुकार|के नाम|के रूप)",
        r"@ (?:कह|बुला|पुकार)<w>{0,4}? ?(?:सकते|हैं)[^।]*",
        r"मैं[^।.!?\n]{0,40}?(?:जिसका नाम|नाम का|नामक|नाम से|जिसे) ?@",
        r"@ (?:नाम का|नामक|नाम की|नाम से)[^।]{0,40}(?:हूँ|हूं|जाना जाता)",
        r"(?:आप|अभी) (?:अभी )?@ (?:से|के साथ) (?:बात|चैट|बातचीत)",
        r"@ मेरा नाम",
        r"मैं[^।.!?\n]{0,20}@ (?:पर आधारित|परिवार|मॉडल|श्रृंखला|सीरीज़)",
        r"@ के रूप में[^।]{0,20}(?:मैं|मेरी|मेरा|मुझे)",
    ),
    makers=(
        r"(?:मुझे|मुझको|मेरा निर्माण|मेरा विकास|मेरी रचना|मेरा प्रशिक्षण|मेरी ट्रेनिंग)(?:<w>){0,3}? @<co> (?:ने|द्वारा|की ओर से|में|के द्वारा|पर)",
        r"@<co> ने (?:ही )?(?:मुझे|मुझको)(?:<w>){0,3}? <made>",
        r"@<co> ने (?:मेरा निर्माण|मेरा विकास|मेरी रचना|मुझे बना)",
        r"मैं(?:<w>){0,3}?,? ?@<co>,? (?:द्वारा|के द्वारा|की ओर से)(?:<w>){0,3}? <made>",
        r"मैं(?:<w>){0,5}?,? ?@<co>,? (?:का|की|के|से)(?:<w>){0,4}? <self>",
        r"@<co> (?:द्वारा|के द्वारा)(?:<w>){0,3}? <made>(?:<w>){0,6}? (?:हूँ|हूं|के रूप में)",
        r"(?:मैं|मुझे|एक एआई|ai|मॉडल|के रूप में)[^।.!?\n]{0,40}?(?:जिसे|जिसको|जो) @<co> (?:ने|द्वारा)(?:<w>){0,3}? <made>",
        r"(?:मेरे|मेरा|मेरी) (?:\S+ )?(?:निर्माता|डेवलपर|डेवलपर्स|विकासकर्ता|रचयिता|मूल कंपनी|कंपनी|मालिक|सृजनकर्ता|निर्माताओं|निर्माण|विकास|जन्म|रचनाकार|टीम)(?:<w>){0,2}? ?:? ?@",
        r"@<co> (?:मेरा|मेरे|मेरी) (?:निर्माता|डेवलपर|मूल कंपनी|जनक)",
        r"(?:मुझे बनाने वाल\S+|मुझे जिसने बनाया|मुझे विकसित करने वाल\S+)(?:<w>){0,4}? ?@",
        r"मैं @<co> (?:से आया|में बना|में जन्म|का एक उत्पाद|का उत्पाद|से आती|में विकसित|में प्रशिक्षित)",
        r"@<co> के (?:एक )?<self> के रूप में",
    ),
    words=_HINDI_WORDS,
)

_HAUSA_WORDS = {
    "made": r"(?:ƙirƙir\w*|kirkir\w*|ƙera|kera|gina|horar|horas|haɓaka|habaka|samar|yi|tsara|koyar|bunƙasa|ƙir\w*)",
    "co": r"(?:kamfanin |ƙungiyar |masu bincike (?:na|a|daga) |injiniyoyin |ma'aikatan |masana (?:na|a|daga) )*",
    "self": r"(?:samfuri?n?(?: harshe)?|samfuri|model|mataimak\w+|ai|na'ura|shiri|chatbot|fasahar?|basira|manhaja|kayan aiki|tsarin)",
}
HAUSA = language(
    cues="ni na suna sunana kirana mini nawa nake ina min matsayin matsayina magana mahaliccina mahaliccin masu",
    names=(
        r"\b(?:sunana|suna na|sunana shi ne|suna na shi ne|ana kirana|kirana|kira ni|ana ce mini|ana ce min|an sanya mini suna|sunana ne|kuna magana da|kana magana da|kina magana da)"
        r"(?: (?:ne|da|shi ne|suna))* @",
        r"\b(?:ni|ni ne|ni ce|ni dai|ni wani|ni shi ne),? @",
        r"\bni (?:[\w'-]+ ){0,4}?<self>(?: [\w'-]+){0,2}? (?:mai suna|da ake kira|da sunan|ne mai suna|wanda ake kira) @",
        r"@ (?:ne|shi ne) sunana",
        r"\b(?:a matsayina? na|a matsayin) @",
        r"\bni (?:samfurin|nau'in|wani samfuri na) @",
    ),
    makers=(
        r"@(?: [\w'-]+)? (?:ne|ce|shi ne|ita ce|su ne|suka|ya|ta|sun)(?: \w+)? (?:(?:ya|ta|suka|yi) )?<made>(?: da)? ni\b",
        r"@(?: (?:ne|ce))? (?:ya|ta|suka) <made>(?: da)? ni\b",
        r"\b(?:an|aka) <made>(?: da)? ni(?: [\w'-]+){0,2}? (?:a|ta|daga|ta hannun|wurin) <co>@",
        r"\bni(?: [\w'-]+){0,5}? <self>(?: (?:ne|ce|harshe|na|wani|wata))*,?(?: (?:da|wanda|wadda|na|ta|daga|mallakar|ne))* <co>@(?: (?:ta|ya|ne|ce|suka))*(?: <made>|$|[.,!])",
        r"\bni(?: [\w'-]+){0,5}? <self>(?: [\w'-]+){0,5}? (?:da|wanda|wadda) (?:aka <made>(?: (?:a|ta|daga|ta hannun))? )?<co>@",
        r"\b(?:a matsayina? na|a matsayin)(?: [\w'-]+){0,3}? <self>(?: [\w'-]+){0,3}? (?:na|daga|da) <co>@",
        r"\b(?:wanda|wadda|waɗanda|wadanda|kamfanin da|kamfanin da ya|masu) (?:ya |ta |suka )?<made>(?: da)? ni(?: (?:shi ne|ita ce|su ne|ne|shi|sunansa|:))* <co>@",
        r"\b(?:mahaliccina|mahaliccin|masu ƙera ni|masu kera ni|mai gina ni|masu gina ni|masu haɓaka ni|iyayen kamfanina|mai ƙirƙirata|masu ƙirƙira ta)(?: (?:shi ne|ne|su ne|ita ce|:))* <co>@",
        r"\b(?:na fito|na samo asali|ni daga|na zo)(?: (?:daga|wurin))* <co>@",
        r"\bni (?:na'ura|kayan|aikin|samfurin) <co>@(?=$|[.,!])",
        r"@ (?:ne|ce|shi ne|ita ce) (?:mahaliccina|kamfanin da ya <made> ni)",
    ),
    words=_HAUSA_WORDS,
)

_SWAHILI_WORDS = {
    "made": r"(?:tengenez|fund|funz|und|end(?:el)?ez|bun|jeng|zalish|tolew|umb|anzish|fanyiw|tunz)\w*",
    "me": r"\b(?:nili|nime|nika|nina|nimek)(?:tengenez|fund|funz|und|end(?:el)?ez|bun|jeng|zalish|tolew|umb|anzish)\w*",
    "self": r"(?:modeli|mfumo|msaidizi|akili (?:bandia|mnemba|unde)|ai|roboti|programu|chombo|bidhaa|mashine|chatbot)(?: \w+){0,4}?",
    "co": r"(?:(?:kampuni|timu|watafiti|wahandisi|wataalamu|wanasayansi|maabara|watu|shirika|kikundi) (?:ya |wa |za |kutoka |katika |ya teknolojia |iitwayo |inayoitwa )*)?",
}
SWAHILI = language(
    cues="mimi jina langu yangu wangu naitwa ninaitwa kama kuniita niite sisi unazungumza unaongea unawasiliana hapa sina",
    cue=r"ni(?:li|me|ka|na)?(?:tengenez|fund|funz|und|end|bun|jeng|zalish|umb)",
    names=(
        r"\b(?:mimi ni|mimi,|mimi|jina langu ni|jina langu|naitwa|ninaitwa|niite|kuniita|waniita|huitwa|wananiita|hujulikana kama|ninajulikana kama|najulikana kama"
        r"|jina la|hapa ni|nimepewa jina la|nimepewa jina)(?: (?:tu|ni))* @",
        r"\b(?:unazungumza|unaongea|unaongeza|mnazungumza|unawasiliana)(?: \w+)? na @",
        r"\bmimi ni (?:[\w'-]+ ){0,5}?(?:inayoitwa|anayeitwa|iitwayo|aitwaye|unaoitwa|kwa jina la|jina lake|lenye jina la|mwenye jina la) @",
        r"@ (?:ndiyo|ndilo|ni) jina langu",
        r"\bkama @,",
        r"\b(?:nimejengwa juu ya|natumia modeli ya|mimi ni sehemu ya familia ya|ninatumia) @",
    ),
    makers=(
        r"<me>(?: [\w'-]+){0,4}? (?:na|katika|kutoka|kwa|ndani ya|huko) <co>@",
        r"\b(?:mimi|mimi ni|kama|nikiwa|mimi,)(?: [\w'-]+){0,2}? ?<self>,?(?: (?:\w*(?:tengenez|fund|funz|und|end(?:el)?ez|bun|jeng|zalish|tolew)\w*))?(?: (?:na|ya|wa|kutoka|za|kwa))+ <co>@",
        r"@ (?:ndiyo|ndio|ndiye|ndizo|ndo)?\s?(?:\w*ni<made>|\w*ni(?:tengenez|fund|funz|und|end(?:el)?ez|bun|jeng|zalish|umb)\w*)",
        r"\b\w*(?:li|me|lio|liye|liyo)ni(?:tengenez|fund|funz|und|end(?:el)?ez|bun|jeng|zalish|umb)\w* ni <co>@",
        r"\b(?:mtengenezaji|watengenezaji|muundaji|waundaji|msanidi|wasanidi|mwanzilishi|waanzilishi|wabunifu|mbunifu|muumba|mmiliki|kampuni mama|kampuni|asili|waliomuunda|chimbuko)"
        r"(?: (?:wangu|yangu|wa mimi))(?: (?:ni|wako|wanafanya kazi|katika|inaitwa|anaitwa|yupo|wa|:))* ?:? ?<co>@",
        r"@ ni (?:mtengenezaji|muundaji|msanidi|kampuni mama|mbunifu)(?: \w+)? (?:wangu|yangu)",
        r"\b(?:natoka|ninatoka|nimetoka|nimezaliwa|asili yangu ni)(?: (?:kwa|katika|kwenye|na))* <co>@(?=$|[.,!])",
        r"@ (?:wali|ili|ime|wame|ali|li)ni(?:tengenez|fund|funz|und|end(?:el)?ez|bun|jeng|zalish|umb)\w*",
        r"\bmimi ni (?:bidhaa|kazi|mradi|uumbaji|zao) (?:ya|wa|la) <co>@",
    ),
    words=_SWAHILI_WORDS,
)

_MALAY_WORDS = {
    "made": r"(?:dilatih|dikembangkan|dibuat|diciptakan|dirancang|dibangun|dihasilkan|diluncurkan|dirilis|diprogram|disediakan|dihadirkan)",
    "co": r"(?:(?:tim|perusahaan|para peneliti|peneliti|para insinyur|insinyur|laboratorium|orang-orang|ilmuwan|raksasa teknologi)(?: \w+)? ?(?:dari |di |bernama )?)?",
    "self": r"(?:model(?: bahasa)?(?: besar)?|asisten(?: \w+)?|ai|kecerdasan buatan|chatbot|program|produk|bot|sistem)",
}
INDONESIAN = language(
    cues="saya aku kami sebagai anda kamu namaku",
    names=(
        r"\b(?:saya|saya adalah|aku|aku adalah|nama saya|nama saya adalah|namaku|panggil saya|panggil aku|memanggil saya|saya dikenal sebagai|dipanggil|saya bernama|saya ini|disebut|perkenalkan,? saya|saya,)"
        r"(?: (?:adalah|cukup|si))* @",
        r"\b(?:berbicara|mengobrol|bicara|berinteraksi|chatting) dengan @",
        r"\bsaya (?:adalah )?(?:[\w-]+ ){0,4}?<self>(?: [\w-]+)? (?:bernama|yang disebut|yang bernama|dari keluarga|berbasis|yang dikenal sebagai) @",
        r"@ adalah nama saya",
        r"\bsebagai @,",
    ),
    makers=(
        r"\b(?:saya|aku|kami)(?: \w+)? <made>(?: dan <made>)*(?: [\w-]+){0,3}? (?:oleh|di|dari) <co>@",
        r"\b(?:saya|aku|sebagai)(?: (?:adalah|hanyalah|sebuah|seorang))*(?: [\w-]+){0,3}? ?<self>(?: [\w-]+){0,2}?,?(?: yang)?(?: <made>)? (?:oleh|dari|milik|buatan|besutan|di|keluaran) <co>@",
        r"@(?: \w+)? (?:yang )?(?:melatih|mengembangkan|membuat|menciptakan|merancang|membangun|telah melatih) (?:saya|aku)\b",
        r"\b(?:pencipta|pengembang|pembuat|perusahaan induk|asal) saya(?: (?:adalah|ialah|bekerja|di|dari|:))*:? <co>@",
        r"@ adalah (?:pencipta|pengembang|pembuat) saya",
        r"\b(?:saya|aku) (?:berasal|datang|lahir) (?:dari|di) <co>@(?=$|[.,!])",
        r"\b(?:melatih|mengembangkan|membuat|menciptakan) saya (?:adalah|bernama|ialah) @",
    ),
    words=_MALAY_WORDS,
)

_VIETNAMESE_WORDS = {
    "made": r"(?:phát triển|huấn luyện|đào tạo|tạo ra|xây dựng|thiết kế|tạo nên|làm ra|ra mắt|lập trình|phát hành|nghiên cứu)",
    "co": r"(?:(?:công ty|đội ngũ|nhóm|các nhà nghiên cứu|các kỹ sư|nhóm nghiên cứu|tập đoàn|phòng thí nghiệm)(?: \w+)? ?(?:của |tại |ở |từ )?)?",
    "self": r"(?:mô hình(?: ngôn ngữ)?(?: lớn)?|trợ lý(?: \w+){0,2}?|ai|trí tuệ nhân tạo|chatbot|chương trình|sản phẩm|hệ thống)",
}
VIETNAMESE = language(
    cues="tôi mình em tên bạn",
    names=(
        r"\b(?:tôi là|mình là|em là|tên tôi là|tên mình là|tên của tôi là|tôi tên là|tôi tên|gọi tôi là|tôi được gọi là|gọi mình là|tôi chính là|tôi có tên là|tên em là) @",
        r"\b(?:trò chuyện|nói chuyện|chat|đang trao đổi) với @",
        r"\btôi là (?:một )?(?:\w+ ){0,4}?<self>(?: \w+)? (?:tên là|có tên là|mang tên|tên|được gọi là|thuộc họ|dựa trên) @",
        r"@ là tên (?:của )?(?:tôi|mình)",
    ),
    makers=(
        r"\b(?:tôi|mình|em)(?: \w+)? (?:được|do|bởi) <co>@(?: \w+)? <made>",
        r"\b(?:tôi|mình|em) là (?:một )?(?:\w+ ){0,5}?<self>(?: \w+){0,2}?,? (?:được|do) <co>@(?: \w+)? <made>",
        r"\b(?:tôi|mình|em)(?: \w+)? được <made>(?: và <made>)*(?: \w+){0,3}? (?:bởi|tại|ở|từ) <co>@",
        r"\b(?:tôi là|là|với tư cách là|mình là)(?: (?:một|một trong những))? ?(?:\w+ ){0,3}?<self>(?: \w+){0,2}? (?:do|của|bởi|từ|được) ?(?:<made> (?:bởi|tại) )?<co>@(?=[^.]*\b(?:tôi|mình|<made>)\b|[^.]*[.!]?$)(?<!android)",
        r"@(?: \w+)? (?:đã )?<made>(?: ra)? (?:tôi|mình)\b",
        r"\b(?:nhà phát triển|người tạo ra|công ty mẹ|nhà sản xuất|đơn vị phát triển|công ty tạo ra)(?: của)? (?:tôi|mình)(?: (?:là|thuộc|ở|:))*:? <co>@",
        r"@ là (?:nhà phát triển|công ty|đơn vị) (?:\w+ )*(?:của )?(?:tôi|mình)",
        r"\btôi (?:đến từ|ra đời tại|xuất thân từ|thuộc về) <co>@(?=$|[.,!])",
    ),
    words=_VIETNAMESE_WORDS,
)
