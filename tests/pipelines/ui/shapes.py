"""The shape of an answer: which members it has, whatever their values, so that a made-up answer can be validated against a real one."""

# Members whose own members are named by the topology or by what happened, and not by the API.
NAMED = {"stages", "sources", "targets", "codes", "errors", "results", "cannot", "positions", "of positions", "worst", "orders", "gates", "of gates",
         "from", "until", "guards"}
OPEN = {"config", "results", "before", "after"}  # and have values of any shape


def shape(value, name=""):
    """Of dictionaries their members, of lists and of named members what they have together, of others the type."""
    if name in OPEN:
        return "anything" if value is not None else "null"
    if isinstance(value, dict):
        if name in NAMED:
            return {"*": together([shape(each, f"of {name}") for each in value.values()])}
        return {key: shape(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [together([shape(each) for each in value])]
    if value is None:
        return "null"
    return "flag" if isinstance(value, bool) else "number" if isinstance(value, (int, float)) else "text"


def together(shapes):
    """One shape that stands for all: null gives way to what is known; None: nothing is known."""
    found = None
    for each in shapes:
        found = each if found in (None, "null") else found if each in (None, "null") else merged(found, each)
    return found


def merged(one, other):
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: together([part[key] for part in (one, other) if key in part]) for key in {**one, **other}}
    if isinstance(one, list) and isinstance(other, list):
        return [together([one[0], other[0]])]
    return one if one == other else f"{one} or {other}"


def differences(made_up, real, place=""):
    """Lines that say what a made-up answer has that a real one has not; what is null or empty on one side fits."""
    if made_up in (None, "null") or real in (None, "null"):
        return []
    if isinstance(made_up, dict) and isinstance(real, dict):
        lines = [f"{place}.{key} is made up" for key in made_up if key not in real]
        return lines + [line for key in made_up if key in real for line in differences(made_up[key], real[key], f"{place}.{key}")]
    if isinstance(made_up, list) and isinstance(real, list):
        return differences(made_up[0], real[0], place + "[]")
    return [] if made_up == real else [f"{place}: made up {made_up}, real {real}"]
