"""What-if for programs: ``pcapdiag-whatif/1``, held by ``schema/pcapdiag-whatif-1.schema.json``.  Durations are seconds."""

from __future__ import annotations

import math

from pcapdiag.model.whatif import BackTest, PoolWhatIf, SettingValue, Sweep, Trial, WhatIf
from pcapdiag.reports import json_parts as parts
from pcapdiag.reports.escape import json_dumps, json_text
from pcapdiag.reports.json_parts import Object
from pcapdiag.reports.units import seconds

SCHEMA = "pcapdiag-whatif/1"


def whatif(result: WhatIf) -> str:
    """The result as one JSON document."""
    whole: Object = {
        "schema": SCHEMA,
        "version": json_text(result.version),
        "files": [json_text(file) for file in result.files],
        "asked": [json_text(text) for text in result.asked],
        "pools": [_pool(pool) for pool in result.pools],
        "pools_left_out": result.left_out,
    }
    return json_dumps(whole, indent=2) + "\n"


def _pool(pool: PoolWhatIf) -> Object:
    return {
        "id": pool.id,
        "client_ip": pool.client_ip,
        "server": parts.endpoint(pool.server),
        "client_library": parts.text(pool.client_library),
        "server_software": parts.text(pool.server_software),
        "requests": pool.requests,
        "replayed_requests": pool.replayed,
        "connections": pool.connections,
        "opens_per_second": pool.opens_per_second,
        "time_wait": dict(pool.time_wait),
        "connections_at_least": pool.at_least,
        "present": [_setting(one) for one in pool.present],
        "back_test": None if pool.back_test is None else _back_test(pool.back_test),
        "no_prediction": pool.refused or None,
        "sweeps": [_sweep(sweep) for sweep in pool.sweeps],
        "notes": [json_text(note) for note in pool.notes],
    }


def _back_test(test: BackTest) -> Object:
    return {
        "captured": test.captured,
        "replayed": test.replayed,
        "off": round(test.off, 4),
        "trusted": test.trusted,
        "tested": test.tested,
        "reason": test.reason or None,
    }


def _sweep(sweep: Sweep) -> Object:
    return {
        "name": json_text(sweep.name),
        "knob": str(sweep.knob),
        "role": sweep.role,
        "now": sweep.now,
        "trials": [_trial(trial) for trial in sweep.trials],
        "smallest": None if sweep.smallest is None else _setting(sweep.smallest),
        "connections_unavoidable": sweep.unavoidable,
        "notes": [json_text(note) for note in sweep.notes],
    }


def _trial(trial: Trial) -> Object:
    return {
        "settings": [_setting(one) for one in trial.settings],
        "connections": trial.connections,
        "opens_per_second": trial.opens_per_second,
        "time_wait": dict(trial.time_wait),
        "handshakes_saved": trial.handshakes_saved,
        "waiting_saved_s": seconds(trial.waiting_saved_ns),
        "peak_open": trial.peak_open,
    }


def _setting(one: SettingValue) -> Object:
    value = one.value
    if isinstance(value, float) and not isinstance(value, bool):
        value = int(value) if value.is_integer() else value if math.isfinite(value) else None
    return {
        "name": json_text(one.name),
        "product": parts.text(one.product),
        "knob": str(one.knob),
        "role": one.role,
        "value": value,
        "text": one.text,
    }
