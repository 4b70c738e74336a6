"""A finding: what is wrong, with whom, why, what helps, and the command to run.

``error``: battles can't run because of it. ``warning``: they run, but slower, fewer or unfair. ``note``: nothing is
wrong, but good to know. A ``code`` is for programs and stays as it is; docs/doctor.md has a line for each.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

Severity = Literal["error", "warning", "note"]

AddressCode = Literal[
    "host_dns_fails",
    "host_refuses",
    "host_times_out",
    "host_unreachable",
    "host_silent",
    "host_slow",
    "host_not_ollama",
    "host_wrong_scheme",
    "host_wrong_port",
    "host_tls_untrusted",
    "host_forbids",
    "host_wants_login",
    "host_seen_down",
    "host_asleep",
    "same_server_twice",
    "version_too_old",
]
ModelCode = Literal[
    "too_few_models",
    "fewer_than_num_models",
    "model_missing",
    "model_missing_on_host",
    "model_cloud",
    "model_cannot_chat",
    "models_share_weights",
    "model_differs",
    "model_table_unused",
    "host_odd_rows",
    "num_ctx_over_training",
    "num_predict_over_num_ctx",
]
MemoryCode = Literal[
    "model_on_cpu",
    "model_partly_offloaded",
    "host_on_cpu",
    "model_too_large",
    "set_does_not_fit",
    "pins_do_not_fit",
    "max_loaded_too_small",
    "num_parallel_too_large",
    "one_slot_family",
    "context_shrunk",
    "default_context_too_large",
    "keep_alive_too_short",
    "model_stuck",
]
WorkCode = Literal[
    "host_shared",
    "two_arenas",
    "server_restarted",
    "loads_hang",
    "loads_fail",
    "answers_fail",
    "model_slow",
    "queue_full",
    "queue_nearly_full",
    "nobody_drives",
    "only_fallback_hosts",
]
StoreCode = Literal[
    "redis_missing",
    "redis_refuses",
    "redis_embedded_idle",
    "redis_too_old",
    "redis_evicts",
    "redis_nearly_full",
    "redis_read_only",
    "redis_not_writing",
    "redis_syncs_always",
    "redis_keeps_nothing",
    "redis_shared",
    "data_folder_unwritable",
    "database_unreachable",
    "database_unusable",
    "database_not_migrated",
    "database_newer",
    "database_read_only",
    "database_forbids",
    "database_not_writing",
    "database_locked",
    "database_readable",
    "clock_skew",
]
SettingCode = Literal["setting_ignored"]
Code = AddressCode | ModelCode | MemoryCode | WorkCode | StoreCode | SettingCode

CODES: tuple[str, ...] = tuple(
    code for room in (AddressCode, ModelCode, MemoryCode, WorkCode, StoreCode, SettingCode) for code in get_args(room)
)
_ORDER: dict[str, int] = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One trouble. ``subject`` is a host, a model, ``model on host``, ``redis``, ``database`` or a setting's name.

    ``command`` is for a shell, on the machine that ``remedy`` names; empty where only an edit helps.
    """

    code: Code
    severity: Severity
    subject: str
    cause: str
    remedy: str
    command: str = ""

    def to_dict(self) -> dict[str, str]:
        """The fields by name, for JSON."""
        return asdict(self)


def worst_first(findings: list[Finding]) -> tuple[Finding, ...]:
    """Errors, then warnings, then notes; within each as they came, none twice."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: _ORDER[finding.severity]))
