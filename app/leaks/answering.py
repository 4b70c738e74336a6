"""Questions that a text asks about itself and answers with a name: ``Who am I? Gemma``."""

from __future__ import annotations

import re

from app.leaks.context import flat

_LEAD = (
    r" ?\? ?(?:-|:)? ?(?:(?:a|me|bot|model|answer|assistant|ai|short answer|reply|r|antwort|réponse)(?: ?[:.-])? )?"
    r"(?:(?:i am|i'm|it is|it's|that's|that is|that would be|they call me|my name is|simple|easy)[:,]? )*(?:the |by |by the |(?:an? |une? |eine? )?(?:[\w-]+ )?(?:ai|ia|ki|language model|assistant|model) (?:called|named),? |an? )?$"
)
_MODEL = re.compile(
    r"\b(?:what(?:'s| is| was) (?:your|my) name|who (?:are you|am i)|(?:which|what) (?:[\w-]+ ){0,2}?(?:model|ai|assistant|llm|chat ?bot)"
    r"(?: (?:are you|am i|is this|do (?:you|i) use))|what (?:are you|am i) called|what (?:should|can|may) (?:i|you) call (?:you|me)"
    r"|wie hei(?:ss|ß)t du|wer bist du|wie hei(?:ss|ß)e ich|(?:and )?(?:you|your name) (?:are|is)(?= ?\?)|who(?:'s| is) (?:behind (?:the|this) \w+|there|this|speaking|talking|writing)|wer bin ich|quien soy|quem sou(?: eu)?|chi sono|wie ben ik|kim jestem|qui es-tu|qui etes-vous|comment t'appelles-tu|qui suis-je|quien eres|como te llamas"
    r"|quem es|quem e voce|chi sei|come ti chiami|wie ben je|kim jestes|kto ty|ты кто|кто ты|кто я)" + _LEAD
)
_MAKER = re.compile(
    r"\b(?:who (?:made|built|created|trained|developed|programmed|designed) (?:you|me)|who is (?:your|my) (?:maker|creator|developer|owner)"
    r"|(?:which|what) (?:company|lab|firm|team) (?:made|built|created|trained|developed) (?:you|me)|where (?:do (?:you|i) come from|are you from)"
    r"|wer (?:dich|mich) (?:gebaut|gemacht|entwickelt|erschaffen|trainiert) hat|wer hat (?:dich|mich) (?:gebaut|gemacht|entwickelt|erschaffen|trainiert)|qui (?:t'a|m'a|vous a) (?:cree|concu|entraine|developpe)"
    r"|quien (?:te|me) (?:creo|hizo|desarrollo|entreno)|quem (?:te|me) (?:criou|fez|treinou)|chi (?:ti|mi) ha (?:creato|sviluppato|addestrato))"
    + _LEAD
)
_ASKED = re.compile(r"\?[^?]{0,40}$")


def may_answer(before: str) -> bool:
    """Whether a question stands shortly before a name."""
    return _ASKED.search(before) is not None


def names_model(before: str) -> bool:
    """Whether what is before a name asks who writes."""
    return may_answer(before) and _MODEL.search(flat(before, keep_end=True)) is not None


def names_maker(before: str) -> bool:
    """Whether what is before a name asks who made the writer."""
    return may_answer(before) and _MAKER.search(flat(before, keep_end=True)) is not None
