"""A finding: what is wrong, what it affects, why, what helps, and the command to run.

``error``: battles can't run because of it. ``warning``: battles run, but slower, fewer or unfairly. ``note``: nothing
is wrong, but it is good to know. Programs branch on ``code``, so codes never change.

Each code has a constructor of the same name in ``app/doctor/texts/``, which holds its sentences. A check calls it, and
docs/doctor.md has a line for it: searching for the code finds all of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

Severity = Literal["error", "warning", "note"]

Code = Literal[
    # texts/addresses.py
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
    "host_driven_elsewhere",
    "host_asleep",
    "same_server_twice",
    "version_too_old",
    # texts/models.py
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
    "max_message_over_num_ctx",
    "model_cannot_think",
    # texts/servers.py
    "host_other_kind",
    "host_kind_found",
    "host_put_to_sleep",
    "option_not_taken",
    "server_busy_with_others",
    # texts/capacity.py
    "model_too_large",
    "set_does_not_fit",
    "pins_do_not_fit",
    "max_loaded_too_small",
    "num_parallel_too_large",
    "one_slot_family",
    # texts/residents.py
    "model_on_cpu",
    "model_partly_offloaded",
    "host_on_cpu",
    "context_shrunk",
    "default_context_too_large",
    "keep_alive_too_short",
    "model_stuck",
    # texts/work.py
    "host_shared",
    "two_arenas",
    "server_restarted",
    "loads_hang",
    "loads_fail",
    "requests_refused",
    "answers_fail",
    "model_slow",
    "queue_full",
    "queue_nearly_full",
    "nobody_drives",
    "only_fallback_hosts",
    # texts/processes.py
    "model_crashed",
    "model_hangs",
    "model_replaced",
    "memory_misread",
    # texts/draw.py
    "model_hardly_drawn",
    # texts/redis.py
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
    # texts/database.py
    "database_unreachable",
    "database_unusable",
    "database_not_migrated",
    "database_newer",
    "database_read_only",
    "database_forbids",
    "database_not_writing",
    "database_locked",
    "database_readable",
    # texts/machine.py
    "data_folder_unwritable",
    "clock_skew",
    "machine_too_busy",
    "forwarded_for_ignored",
    "voters_look_alike",
    "setting_ignored",
    "no_settings",
    "examination_slow",
]

CODES: tuple[Code, ...] = get_args(Code)
_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem. ``subject`` is a host, a model, ``model on host``, ``redis``, ``database`` or a setting's name.

    ``command`` is for a shell, on the machine that ``remedy`` names; it is empty where only an edit helps.
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
    """Errors, then warnings, then notes; within each in the order they were found, without repeats."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: _ORDER[finding.severity]))
