"""Series that make each alert rule fire, and series of the same kind that must not. For promtool test rules."""
import re

# Name of the alert: series and values that fire it, when it is looked at, its labels, its summary, its command, and
# how its value is written, where a text has it.
# Values are in the notation of promtool, one a minute: "0+10x30" goes up by 10, 30 times.
T = 'topology="p",instance="a:1",job="j"'
FIRING = {
    "StageFailed": ([(f'anabranch_state{{{T},state="failed"}}', "1x10")], "5m",
                    {"state": "failed", "instance": "a:1", "job": "j"}, "p stopped in a stage",
                    "anabranch restart FILE --dry-run"),
    "NotReady": ([(f"anabranch_ready{{{T}}}", "0x10")], "8m", {"instance": "a:1", "job": "j"},
                 "p has taken no records for 5 minutes", "anabranch status FILE"),
    "LagGrowing": ([(f'anabranch_source_lag_seconds{{{T},source="in",topic="t",partition="{i}"}}', f"0+{60 * i}x60")
                    for i in (0, 1)], "40m", {"source": "in"}, "p falls behind in", "anabranch top FILE", "40m 0s"),
    "CommitStalled": ([(f'anabranch_last_commit_timestamp_seconds{{{T},target="out"}}', "0x30"),
                       (f"anabranch_start_time_seconds{{{T}}}", "0x30"),
                       (f'anabranch_source_lag_records{{{T},source="in",topic="t",partition="0"}}', "5x30")], "15m",
                      {"instance": "a:1"}, "p commits nothing although records wait", "anabranch status FILE", "15m 0s"),
    "CommitSlow": ([(f'anabranch_commit_seconds_bucket{{{T},target="out",le="{le}"}}', f"0+{by}x30")
                    for le, by in (("5", 1), ("10", 10), ("+Inf", 10))], "20m", {"target": "out"},
                   "Commits of p to out are slow", "anabranch top FILE", "9.944s"),
    "DeadLetterShare": ([(f'anabranch_dead_letters_total{{{T},node="check"}}', "0+20x30"),
                         (f'anabranch_source_records_total{{{T},source="in"}}', "0+1000x30")], "20m", {},
                        "2% of the records of p become dead letters", "anabranch dlq ls FILE"),
    "BreakerNearTrip": ([(f'anabranch_breaker_fill_ratio{{{T},node="gbt"}}', "0.9x10")], "5m",
                        {"node": "gbt", "instance": "a:1", "job": "j"}, "Stage gbt of p is about to stop",
                        "anabranch dlq ls FILE", "90%"),
    "LatencyTargetMissed": ([(f'anabranch_record_seconds_bucket{{{T},target="out",from="intake",le="{le}"}}',
                              f"0+{by}x30") for le, by in (("0.1", 1), ("0.25", 10), ("+Inf", 10))]
                            + [(f"anabranch_latency_target_seconds{{{T}}}", "0.1x30")], "20m", {"instance": "a:1"},
                            "p misses its latency target", "anabranch top FILE", "248.3ms"),
    "KeptBytes": ([(f"anabranch_kept_bytes{{{T}}}", "90x20"), (f"anabranch_kept_bytes_limit{{{T}}}", "100x20")], "10m",
                  {"instance": "a:1", "job": "j"}, "p keeps almost as much for a restart as it may",
                  "anabranch restart FILE --dry-run", "90%"),
    "RolloutWaits": ([(f'anabranch_model_rollout_step{{{T},model="gbt",state="breached"}}', "2x30")], "10m",
                     {"model": "gbt", "state": "breached"}, "The rollout of gbt in p waits for a person: breached",
                     "anabranch status FILE", "2"),
    "RestartLoop": ([(f"anabranch_start_time_seconds{{{T}}}", "0+60x30")], "30m", {"instance": "a:1", "job": "j"},
                    "p restarts again and again", "anabranch status FILE", "30"),
}

# A pipeline that is well, under load: no alert.
WELL = [
    (f'anabranch_state{{{T},state="failed"}}', "0x60"), (f"anabranch_ready{{{T}}}", "1x60"),
    # Behind by 10 minutes, but it catches up.
    (f'anabranch_source_lag_seconds{{{T},source="in",topic="t",partition="0"}}', "3600-30x60"),
    (f'anabranch_source_lag_records{{{T},source="in",topic="t",partition="0"}}', "5x60"),
    (f'anabranch_last_commit_timestamp_seconds{{{T},target="out"}}', "0+60x60"),
    (f"anabranch_start_time_seconds{{{T}}}", "0x60"), (f"anabranch_restarts_total{{{T}}}", "0x30 1x30"),
    (f'anabranch_commit_seconds_bucket{{{T},target="out",le="5"}}', "0+10x60"),
    (f'anabranch_commit_seconds_bucket{{{T},target="out",le="+Inf"}}', "0+10x60"),
    (f'anabranch_dead_letters_total{{{T},node="check"}}', "0+5x60"),
    (f'anabranch_source_records_total{{{T},source="in"}}', "0+1000x60"),
    (f'anabranch_breaker_fill_ratio{{{T},node="gbt"}}', "0.5x60"),
    (f'anabranch_record_seconds_bucket{{{T},target="out",from="intake",le="0.1"}}', "0+10x60"),
    (f'anabranch_record_seconds_bucket{{{T},target="out",from="intake",le="+Inf"}}', "0+10x60"),
    (f"anabranch_latency_target_seconds{{{T}}}", "0.1x60"),
    (f'anabranch_model_rollout_step{{{T},model="gbt",state="running"}}', "1x60"),
    (f'anabranch_model_rollout_step{{{T},model="gbt",state="awaits_person"}}', "_x30 1x3 _x20"),
    (f"anabranch_kept_bytes{{{T}}}", "10x60"), (f"anabranch_kept_bytes_limit{{{T}}}", "100x60"),
]


def rule_tests(rules_file, rules):
    """The input of `promtool test rules`. `rules`: fields of each rule, by name of the alert."""
    tests = []
    for name, (series, when, labels, summary, command, *value) in FIRING.items():
        rule = rules["Anabranch" + name]
        description = re.sub(r"{{ \$value \| \w+ }}", lambda _: value[0], rule["description"])
        alert = {"exp_labels": {"topology": "p", "severity": rule["severity"], **labels},
                 "exp_annotations": {"summary": summary, "command": command,
                                     "description": description}}
        tests.append(_test(series, [(when, name, [alert]), ("0m", name, [])]))
    tests.append(_test(WELL, [(when, name, []) for name in FIRING for when in ("30m", "45m", "60m")]))
    return {"rule_files": [rules_file], "evaluation_interval": "1m", "tests": tests}


def _test(series, looks):
    return {"interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series],
            "alert_rule_test": [{"eval_time": when, "alertname": "Anabranch" + name, "exp_alerts": alerts}
                                for when, name, alerts in looks]}
