"""Whether a sentence is about who writes it, in the languages that most answers are in.

"I would use Qwen" and "here is my summary of the Qwen paper" have a first person, too: what counts is that the writer
is who is spoken of. ``@`` stands for the name. Sentences are cleaned (``app.leaks.context``).
"""

from __future__ import annotations

import re

_IN_ENGLISH = re.compile(r"\b(?:the|and|of|to|is|was|are|by|with|for|an?|that|it|you|i'm|am|my|which|this|don't)\b")
_ENGLISH = re.compile(
    r"\b(?:i am|i'm|i was|i've been|i run|i come|i belong|i go by|i answer to|myself|mine|we are|we're|yours truly)\b"
    r"|(?<!let )(?<!tell )(?<!give )(?<!show )(?<!excuse )(?<!send )(?<!ask )(?<!allow )(?<!for )(?<!help )(?<!remind )(?<!believe )\bme\b"
    r"|\b(?:my|our) (?:[\w-]+ ){0,2}?(?:names?|mak\w+|creat\w+|develop\w+|train\w+|weights?|models?|architect\w+|versions?|famil\w+|siblings?|cousins?"
    r"|brothers?|sisters?|predecessors?|successors?|knowledge|param\w+|licen[cs]e|origins?|parents?|engine|base|core|identity|backbone|label)\b"
    r"|\b(?:this|the) (?:assistant|model|ai|reply|response|answer|chat|chat ?bot|conversation|message|text|poem|service|story|essay)"
    r" (?:is|was|you|here|behind|from|by)\b|\b(?:this assistant|this ai|this chat ?bot)\b"
    r"|\byou(?:'re| are)? (?:\w+ )?(?:talking|speaking|chatting|reading)\b|\b(?:brought to you|at your service|speaking as|writing this)\b"
    r"|\b(?:generated|written|drafted) by @|@,? (?:here|speaking|wrote this)\b|\bwith @ you\b|@ (?:is|would be) (?:an?|the) (?:good|best|great|solid|better) (?:choice|option|pick)\b"
)
_OTHERS = re.compile(
    r"\b(?:ich (?:bin|heisse|heiße|wurde|basiere|laufe)|bin ich|wurde ich|mich|mein\w{0,2}"
    r"|je suis|je m'|moi|mon|ma|mes|m'a|soy|me llamo|conmigo|mi|mis|fui|sou|eu|meus?|minhas?|comigo|me chamo"
    r"|sono|mi|mio|mia|miei|ik ben|ik heet|mij|mijn|jestem|mnie|moj\w{0,3}|moim|nazywam"
    r"|ben|beni|benim|bana|saya|aku|toi|mimi|langu|ninaitwa|jag|jeg|mig|meg|jsem|jmenuji|som|olen|vagyok|nevem|sunt|numesc)\b"
    r"|我(?:就?是|的?名|的|叫|由|来自|背后)|本(?:模型|助手|文)|[私僕俺]|と申|저는|저를|제 |나는|내 |мен[яі]\b|\bя\b|\bмо[йяиеї]\w{0,2}\b|\bмн(?:е|ой)\b"
    r"|(?:^|\s)(?:أنا|انا|اسمي|من)\s|مैं|मुझे|मेर[ाीे]|আমি|আমার|আমাকে|אני|שמי|ฉัน|ผม|είμαι|με λένε|εγώ|με "
)
#: What people did to who writes says nothing of the name.
_TO_ME = re.compile(r"\b(?:she|he|they|you|we) (?:\w+ )?\w+ me\b")


def is_subject(sentence: str) -> bool:
    """Whether the writer is who the sentence speaks of."""
    if _IN_ENGLISH.search(sentence) is not None:
        return _ENGLISH.search(_TO_ME.sub("", sentence)) is not None
    return _OTHERS.search(sentence) is not None
