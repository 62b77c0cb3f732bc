"""Made-up answers about a model whose versions are deployed, and the orders that change them."""
import time

EDGES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
STEPS = [{"rule": "shadow", "share": 1.0, "text": "shadow 100 %"}, {"rule": "canary", "share": 0.05, "text": "canary 5 %"},
         {"rule": "canary", "share": 0.25, "text": "canary 25 %"}, {"rule": "one", "share": 1.0, "text": "all rows"}]


def instant(second):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(1764410400 + second))


class Versions:
    """Model gbt with the versions 6 to 9; `step`: of the rollout of version 8, 0 without one."""

    def __init__(self, step=2):
        self.serving, self.generation, self.step = "7", 5, step
        self.state = "running"
        self.change = None
        self.looks = 0  # each answer has more rows
        self.hidden = False  # an output is sensitive
        self.events = [self.event(2, "6", "start"), self.event(4, "7", "deploy"), self.event(5, "8", "deploy", rule="canary", share=0.05, step=2)]

    def event(self, generation, version, action, **more):
        return {"generation": generation, "model": "gbt", "version": version, "digest": "cd" * 32, "state": "replaced", "action": action,
                "at": instant(generation), "by": "ann", "host": "box", "reason": "ticket 12", "approved_by": "", "gates": {}, "reasons": [],
                "from": {}, "until": {}, **more, "guards": {"errors": "errors 0.004 of 0.01, e = 31, 20,120 rows"} if more else {}}

    def orders(self):
        if self.change and self.change["state"] == "running":
            return {}
        if not self.step:
            return {"deploy": "Every instance checks the version and makes it ready. Then its rollout begins: it also scores 100 % of the rows, and nobody sees its answers.",
                    "deploy_now": "Every instance checks the version and makes it ready. Then it answers every row.",
                    "rollback": "The version that scored before 7 is made ready again. Then it answers every row."}
        orders = {"promote": "Version 8 goes on to step 3 of 4: it answers 25 % of the keys.",
                  "promote_to_end": "Version 8 answers every row from now on, and the rollout ends.",
                  "rollback": "Version 7 answers every row again at once, and version 8 none."}
        return orders if self.state == "held" else {**orders, "hold": "Version 8 stays at step 2 of 4 until a person promotes it or rolls it back: no guard moves it, forward or back."}

    def rollout(self):
        self.looks += 1
        rows = 8000 + self.looks
        guards = [("errors", "open", 0.004, 0.01, 0.02), ("disagrees", "passed", 0.011, 0.05, 0.0004), ("psi", "open", 0.03, 0.2, None)]
        step = STEPS[self.step - 1]
        return {"state": self.state, "step": self.step, "steps": len(STEPS), "rule": step["rule"], "share": step["share"], "serving": self.serving,
                "candidate": "8", "since": instant(9), "generation": self.generation, "rows": rows, "paired": rows // 20, "answered": [rows - rows // 20, rows // 20],
                "guards": [{"name": name, "state": state, "measured": measured, "limit": limit, "rows": rows, "units": rows // 3, "e": e,
                            "text": f"{name} {measured} of {limit}"} for name, state, measured, limit, e in guards],
                "text": f"step {self.step} of 4: 5 % of the keys are answered by version 8 since 12:01; it goes on after 11,880 more rows"}

    def deployed(self, may_read=True):
        model = {"model": "gbt", "version": self.serving, "digest": "ab" * 32, "generation": self.generation, "since": instant(9), "steps": STEPS,
                 "versions": [{"version": v, "digest": "cd" * 32, "scored": v != "9"} for v in ("6", "7", "8", "9")], "orders": self.orders()}
        if self.step:
            model["rollout"] = self.rollout()
        if self.change:
            model["change"] = {**self.change, **({} if may_read else {"lines": [], "reasons": []})}
        return model

    def output(self, name, seed, label=False):
        bins = [((i * 7 + seed) % 11 + 1) * 90 for i in range(3 if label else 10)]
        numbers = {} if label else {"mean_difference": 0.0021, "interval": 0.0009, "deviation": 0.04, "p50": 0.004, "p90": 0.03, "p99": 0.11, "max": 0.61,
                                    "pearson": 0.992}
        return {"name": name, "is_label": label, "compared": 8000, "equal": 7912, "agreement": 0.989, "serving_null": 0, "candidate_null": 3,
                "serving_unusable": 0, "candidate_unusable": 0, **numbers, "psi": 0.031, "ks": 0.02, "serving_bins": bins,
                "candidate_bins": [n + (i - 4) * 9 for i, n in enumerate(bins)], **({"classes": ["fraud", "good"]} if label else {"edges": EDGES})}

    def compare(self, may_read=True):
        def segment(value, seed):
            return {"value": value, "rows": 8000 // seed, "both_ok": 7980 // seed, "only_serving_failed": 2, "only_candidate_failed": 17,
                    "both_failed": 1, "serving_seconds": {"p50": 0.000011, "p99": 0.000031}, "candidate_seconds": {"p50": 0.000012, "p99": 0.000037},
                    "outputs": [self.output("p_gbt", seed), self.output("verdict", seed, True)]}
        hides = self.hidden or not may_read
        worst = [{"id": f"payments/0/{1000 + n}", "serving": "***" if hides else "0.11", "candidate": "***" if hides else "0.72",
                  "difference": None if hides else 0.61 - n / 100} for n in range(5)]
        segments = [segment(None, 1), segment("DE" if may_read else "***", 2), segment("FR" if may_read else "***", 3)]
        return {"model": "gbt", "generation": self.generation, "serving": self.serving, "candidate": "8", "rule": "canary", "share": 0.05,
                "nodes": [{"node": "gbt", "rows": 8000, "paired": 8000, "segments": segments, "worst": {"p_gbt": worst, "verdict": []}}]}

    def history(self):
        return {"history": self.events[::-1]}

    def order(self, action, body):
        """A change as a run makes it, done at once."""
        self.generation += action != "hold"
        self.change = {"change": self.generation, "action": action, "state": "done", "lines": ["asks the instances", f"{action} is done"], "reasons": []}
        if action == "deploy":
            self.step = 0 if body.get("now") else 1
        elif action == "promote":
            self.step = 0 if body.get("to_end") or self.step + 1 == len(STEPS) else self.step + 1
        elif action == "rollback":
            self.step = 0
        self.state = "held" if action == "hold" else "running"
        if self.step == 0 and action in ("deploy", "promote"):
            self.serving = "8"
        self.events.append({**self.event(self.generation, "8", action), "reason": body["reason"]})
        return 202, {"change": self.generation}
