"""Model families: what they and their makers are called, and which control tokens betray them.

``sure`` holds unmistakable names; ``plain`` names that are also words, people or animals (a llama, Claude Monet,
the Mistral in the Rhône valley), which count in a self-description only; ``makers`` are companies, which do other
things too. Names of ``sure`` are regular expressions, matched without case; each begins with a literal word (its
head) by which it is found. ``tokens`` are literal. ``kin`` are families that a model of this one may take itself for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: In the alphabets of the languages whose sentences are known, and as some of these decline it.
_GOOGLE = (
    *["Google", "Googles", "Googlu", "Googlem", "Googla", "گوگل", "谷歌", "Гугл", "Гуглом", "Гугла", "Гугле"],
    *["جوجل", "غوغل", "قوقل", "गूगल", "गुगल", "グーグル", "구글", "Googlen", "গুগল", "গুগলের", "גוגל", "กูเกิล"],
)
_CHATML = ("<|im_start|>", "<|im_end|>")
_LLAMA_2 = ("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>")
_LLAMA_3 = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>")
_ROLES = ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|endoftext|>")


@dataclass(frozen=True, slots=True)
class Family:
    """One family; ``known_by`` finds it in a model's name, in lower case."""

    name: str
    known_by: str
    sure: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    makers: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    kin: tuple[str, ...] = ()


FAMILIES = (
    Family(
        "llama",
        r"(?<!o)llama|vicuna|wizard|meditron|hermes-?3",
        sure=(
            r"Llama[- ]?[234](?:\.\d)?(?:[- ]\d{1,3}B)?",
            r"Llama[- ]\d{1,3}B",
            r"Llama Guard",
            "Meta AI",
            r"Meta[- ]Llama",
        ),
        plain=("Llama", "Лама", "Ллама", "لاما", "लामा", "ラマ", "リャマ", "라마"),
        makers=(
            *("Meta Platforms", "Meta", "Facebook", "FAIR", "Мета", "متا", "Меты", "Метой", "ميتا"),
            *("मेटा", "メタ", "메타"),
            *("متا", "فيسبوك", "फेसबुक", "フェイスブック", "페이스북", "脸书", "元宇宙平台公司"),
            *("Metan", "মেটা", "মেটার", "מטא", "เมตา"),
        ),
        tokens=_LLAMA_2 + _LLAMA_3,
    ),
    Family("codellama", r"code-?llama", sure=(r"Code[- ]?Llama",), kin=("llama",)),
    Family("tinyllama", "tinyllama", sure=("TinyLlama",), tokens=_ROLES, kin=("llama",)),
    Family("vicuna", "vicuna", plain=("Vicuna",), makers=("LMSYS",), kin=("llama",)),
    Family("wizard", "wizard", sure=("WizardLM", "WizardCoder", "WizardMath"), makers=("Microsoft",), kin=("llama",)),
    Family(
        "mistral",
        r"mi[sx]tral|codestral|ministral|magistral|devstral|mathstral|pixtral|zephyr|starling|open-?hermes|openchat",
        sure=(
            r"Mistral[- ](?:\d{1,3}B|Large|Medium|Small|Nemo|Instruct)",
            r"Mixtral",
            "Codestral",
            "Ministral",
            "Devstral",
            "Mathstral",
            "Pixtral",
        ),
        plain=("Mistral", "Magistral", "Мистраль", "ميسترال", "मिस्ट्रल", "मिस्त्राल", "ミストラル", "미스트랄"),
        makers=("Mistral AI", "Mistral.ai"),
        tokens=(*_LLAMA_2[:2], "[AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[SYSTEM_PROMPT]"),
    ),
    Family("biomistral", "biomistral", sure=("BioMistral",), makers=("Avignon University",), kin=("mistral",)),
    Family(
        "zephyr", "zephyr", plain=("Zephyr",), makers=("Hugging Face", "HuggingFace"), tokens=_ROLES, kin=("mistral",)
    ),
    Family(
        "qwen",
        r"qwen|qwq",
        sure=(
            r"Qwen(?:[- ]?\d(?:\.\d)?)?(?:[- ](?:Coder|VL|Max|Plus|Turbo))?",
            "QwQ",
            "Tongyi",
            "通义",
            "千问(?!万问)",
        ),
        plain=("Qwen", "Квен", "كوين", "क्वेन", "クウェン", "큐원", "큐웬"),
        makers=(
            *(
                "Alibaba Cloud",
                "Alibaba Group",
                "Alibaba",
                "Alibabas",
                "Alibaby",
                "Alibabą",
                "Ali Baba Cloud",
                "Aliyun",
                "阿里巴巴",
                "阿里云",
                "阿里",
            ),
            *(
                "Алибаба",
                "علي بابا",
                "अलीबाबा",
                "アリババ",
                "알리바바",
                "Alibaban",
                "আলিবাবা",
                "עליבאבא",
                "อาลีบาบา",
            ),
        ),
        tokens=(*_CHATML, "<|endoftext|>"),
    ),
    Family(
        "phi",
        r"(?<![a-z])phi(?![a-z])",
        sure=(
            r"(?-i:Phi)-[234](?:\.\d)?(?:-\w{3,12})?",
            r"phi[- ]?[234](?:\.\d)?[-: ](?:mini|small|medium|vision|moe|silica|reasoning)",
        ),
        plain=("Phi", "Фи", "فاي", "फाई", "फ़ाई", "파이"),
        makers=(
            *(
                "Microsoft Research",
                "Microsoft",
                "Microsofts",
                "Microsoftu",
                "Microsofta",
                "Microsoftem",
                "مایکروسافت",
                "微软",
                "微軟",
                "Майкрософт",
                "Майкрософтом",
                "مايكروسوفت",
            ),
            *("माइक्रोसॉफ्ट", "माइक्रोसॉफ़्ट", "マイクロソフト", "마이크로소프트"),
            *("Microsoftin", "মাইক্রোসফট", "মাইক্রোসফটের", "מיקרוסופט", "ไมโครซอฟท์"),
        ),
        tokens=(*_ROLES, *_CHATML, "<|im_sep|>"),
    ),
    Family(
        "gemma",
        "gemma",
        sure=(
            r"Gemma[- ]?[123](?:\.\d|n)?(?:[- :]\d{1,2}B)?",
            r"Gemma[-: ]\d{1,2}B",
            "CodeGemma",
            "MedGemma",
            "PaliGemma",
            "ShieldGemma",
        ),
        plain=(
            *(
                "Gemma",
                "Джемма",
                "Гемма",
                "جيما",
                "جيمّا",
                "जेम्मा",
                "जेमा",
                "गेम्मा",
                "ジェマ",
                "ジェンマ",
                "젬마",
                "杰玛",
                "জেমা",
                "ג'מה",
            ),
        ),
        makers=("Google DeepMind", "Google AI", *_GOOGLE, "DeepMind", "ディープマインド", "딥마인드"),
        tokens=("<start_of_turn>", "<end_of_turn>"),
    ),
    Family(
        "gemini", "gemini", sure=(r"Gemini (?:Pro|Ultra|Nano|Flash)",), plain=("Gemini",), makers=(*_GOOGLE, "DeepMind")
    ),
    Family(
        "deepseek",
        "deepseek",
        sure=("DeepSeek", "Deep-Seek", r"(?-i:Deep) (?-i:Seek)", "深度求索"),
        plain=("ديب سيك", "डीपसीक", "ディープシーク", "딥시크"),
        makers=("High-Flyer", "幻方"),
        tokens=("<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<｜begin▁of▁sentence｜>"),  # noqa: RUF001 - as it is
        kin=("qwen", "llama"),
    ),
    Family(
        "gpt",
        r"(?<![a-z])(?:chat)?gpt(?![a-z])|openai",
        sure=(r"Chat[- ]?GPT", r"GPT-?(?:[345](?:\.\d)?|4o|oss)(?:-\w{2,8})?"),
        plain=("GPT", "ЧатГПТ", "شات جي بي تي", "चैटजीपीटी", "チャットGPT", "챗GPT"),
        makers=("OpenAI", "Open AI", "أوبن إيه آي", "ओपनएआई", "オープンAI", "오픈AI", "오픈에이아이"),
        tokens=("<|channel|>", "<|start|>", "<|message|>", "<|return|>"),
    ),
    Family(
        "claude",
        r"(?<![a-z])claude|anthropic",
        sure=(r"Claude[- ](?:[1-4](?:\.\d)?|Instant|Opus|Sonnet|Haiku)",),
        plain=("Claude", "Клод", "كلود", "क्लॉड", "क्लाउड", "クロード", "클로드"),
        makers=("Anthropic", "أنثروبيك", "एंथ्रोपिक", "アンソロピック", "앤트로픽", "앤스로픽"),
    ),
    Family(
        "yi",
        r"(?<![a-z])yi(?![a-z])|01-?ai",
        sure=(r"Yi-(?:6B|9B|34B|1\.5|Large|Lightning|Coder|VL)", r"01[.]AI", "零一万物"),
        plain=("Yi",),
        tokens=_CHATML,
    ),
    Family(
        "command-r",
        r"command-?[ra]|c4ai|(?<![a-z])aya(?![a-z])",
        sure=(r"Command[- ]?R ?(?:\+|Plus|7B)", "CohereForAI", "C4AI"),
        plain=("Command R", "Command-R", "Command A", "Command", "Aya"),
        makers=("Cohere",),
        tokens=("<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|USER_TOKEN|>"),
    ),
    Family(
        "granite",
        r"(?<![a-z])granite",
        sure=(r"Granite[- ](?:[34]\.\d|\d{1,2}B|Code)", r"Granite3[.-]"),
        plain=("Granite", "Гранит", "جرانيت", "그래나이트", "グラナイト"),
        makers=("IBM Research", "IBM", "आईबीएम", "آي بي إم", "Ай-би-эм"),
        tokens=("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"),
    ),
    Family(
        "falcon",
        r"(?<![a-z])falcon",
        sure=(r"Falcon[- ]?(?:\d{1,3}B|Mamba|LLM)", "Falcon3", "Falcon2"),
        plain=("Falcon", "فالكون", "فالكن"),
        makers=("Technology Innovation Institute", "TII", "معهد الابتكار التكنولوجي"),
    ),
    Family(
        "solar",
        r"(?<![a-z])solar",
        sure=(r"SOLAR[- ]10[.]7B", r"(?-i:Solar)[- ](?:Pro|Mini) (?:model|LLM)"),
        plain=("Solar", "솔라", "ソーラー"),
        makers=("Upstage", "업스테이지", "アップステージ"),
    ),
    Family("smollm", "smollm", sure=(r"SmolLM\d?",), makers=("Hugging Face", "HuggingFace"), tokens=_CHATML),
    Family("nemotron", "nemotron", sure=("Nemotron",), makers=("NVIDIA",), tokens=("<extra_id_0>", "<extra_id_1>")),
    Family(
        "olmo",
        r"(?<![a-z])(?:olmo|tulu)",
        sure=(r"(?-i:OLMo)(?:[- ]?\d)?", r"olmo-?2"),
        plain=("Olmo", "Tulu", "Tülu"),
        makers=("Allen Institute for AI", "Allen Institute", "Ai2"),
        tokens=_ROLES,
    ),
    Family("stablelm", "stablelm|stable-", sure=("StableLM",), makers=("Stability AI",), tokens=_CHATML),
    Family(
        "glm",
        r"(?<![a-z])(?:chat)?glm",
        sure=("ChatGLM", r"GLM-\d", "智谱"),
        plain=("GLM",),
        makers=("Zhipu AI", "Zhipu", "Z.ai"),
    ),
    Family("internlm", "internlm", sure=("InternLM", "书生"), makers=("Shanghai AI Laboratory", "Shanghai AI Lab")),
    Family("starcoder", "starcoder", sure=("StarCoder",), makers=("BigCode", "Hugging Face")),
    Family("minicpm", "minicpm", sure=("MiniCPM",), makers=("ModelBest", "OpenBMB")),
    Family(
        "exaone",
        "exaone",
        sure=("EXAONE", "엑사원"),
        makers=("LG AI Research", "LG AI연구원", "LG AI 연구원", "LG전자", "LG"),
    ),
    Family("kimi", "kimi|moonshot", sure=("Kimi K2", "Moonshot AI", "月之暗面"), plain=("Kimi",), makers=("Moonshot",)),
    Family("grok", r"(?<![a-z])grok", sure=(r"Grok-\d",), plain=("Grok",), makers=("xAI",)),
    Family("dolphin", "dolphin", plain=("Dolphin",), tokens=_CHATML),
    Family("hermes", "hermes", sure=("OpenHermes",), plain=("Hermes",), makers=("Nous Research",), tokens=_CHATML),
)

_BY_NAME = {family.name: family for family in FAMILIES}


def families_of(model: str) -> tuple[Family, ...]:
    """The families of a model as a server lists it, with their kin; empty for a model of a name of its own."""
    name = model.lower().replace("registry.ollama.ai/", "")
    found = [family.name for family in FAMILIES if re.search(family.known_by, name)]
    kin = [other for one in found for other in _BY_NAME[one].kin]
    return tuple(_BY_NAME[one] for one in dict.fromkeys((*found, *kin)))


def own_names(model: str) -> tuple[str, str]:
    """A model's own name as ``(sure, plain)``: the whole if it has a number in it, and its first word; or empty."""
    base = model.rsplit("/", 1)[-1].partition(":")[0]
    word = re.match(r"[A-Za-z]{4,}", base)
    whole = base if re.search(r"\d", base) and len(base) >= 5 else ""
    return whole, "" if word is None else word[0]
